//! What must be known of JSON text before it is read.

use crate::limits::JSON_DEPTH_MAX;

/// Returns where arrays and objects stand deeper within each other than
/// [`JSON_DEPTH_MAX`], if they do.
///
/// A reader that calls itself for every level would need that much stack.
#[must_use]
pub fn too_deep(text: &[u8]) -> Option<usize> {
    let (mut depth, mut is_text, mut is_escaped) = (0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match (is_text, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => is_text = !is_text,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (_, _) => {}
        }
        if depth > JSON_DEPTH_MAX {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_outside_of_texts_count() {
        let nested = |levels: usize| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        assert_eq!(too_deep(&nested(JSON_DEPTH_MAX)), None);
        assert_eq!(too_deep(&nested(JSON_DEPTH_MAX + 1)), Some(JSON_DEPTH_MAX));
        let texts = format!("[\"{}\\\"{}\"]", "[".repeat(99), "{".repeat(99));
        assert_eq!(too_deep(texts.as_bytes()), None);
        let flat = "[{}],".repeat(200);
        assert_eq!(too_deep(flat.as_bytes()), None);
    }
}
