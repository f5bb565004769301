//! The keys of a record that belong to the house and not to its category.

/// The category's number ([`crate::Value::Int`]); set at birth, never changed.
pub const CATEGORY: &str = "!category";
/// The item's own identifier ([`crate::Value::Str`]); set at birth, never changed.
pub const UID: &str = "!uid";
/// The clock reading of the deletion ([`crate::Value::Int`]).
pub const DELETED: &str = "!deleted";
/// The text of the last import that changed the record, where it was not the birth.
pub const IMPORT: &str = "!import";
/// The time of the version that a restore brought back, in milliseconds since 1970 ([`crate::Value::Int`]).
pub const RESTORED: &str = "!restored";

/// Returns whether `key` belongs to the house.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key.starts_with('!')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_the_house_are_reserved_and_no_others() {
        assert!([CATEGORY, UID, DELETED, IMPORT, RESTORED].into_iter().all(is_reserved));
        assert!(!["l000010", "body", "s:!", ""].into_iter().any(is_reserved));
    }

    #[test]
    fn the_keys_of_the_house_are_frozen() {
        let keys = [CATEGORY, UID, DELETED, IMPORT, RESTORED];
        assert_eq!(keys, ["!category", "!uid", "!deleted", "!import", "!restored"]);
    }
}
