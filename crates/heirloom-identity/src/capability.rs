//! What a device may do, and the roles that people know.

use heirloom_base::{Decode, DecodeError, Encode, Reader, Writer};
use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Capabilities(u8);

impl Capabilities {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// Holds content keys: reads records.
    pub const READ: Self = Self(1);
    /// Writes records.
    pub const WRITE: Self = Self(2);
    /// Lets devices in and out.
    pub const ADMIN: Self = Self(4);
    /// Keeps everything for the others.
    pub const STORE: Self = Self(8);
    /// Every right.
    pub const ALL: Self = Self(15);

    /// Returns whether every right of `other` is in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the rights of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the rights of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether there is no right in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl Encode for Capabilities {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.0);
    }
}

impl Decode for Capabilities {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            bits if bits <= Self::ALL.0 => Ok(Self(bits)),
            bits => Err(DecodeError::Unknown { what: "capabilities", value: bits.into() }),
        }
    }
}

/// What people call a device's part in the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads, writes, and lets others in and out.
    Member,
    /// Reads, writes, and keeps everything for the others.
    Keeper,
    /// Keeps everything for the others and can read nothing of it.
    BlindKeeper,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Member, Self::Keeper, Self::BlindKeeper];

    /// Returns the rights of the role.
    #[must_use]
    pub const fn capabilities(self) -> Capabilities {
        let read_write = Capabilities::READ.union(Capabilities::WRITE);
        match self {
            Self::Member => read_write.union(Capabilities::ADMIN),
            Self::Keeper => read_write.union(Capabilities::STORE),
            Self::BlindKeeper => Capabilities::STORE,
        }
    }

    /// Returns the role that a set of rights amounts to.
    #[must_use]
    pub fn of(capabilities: Capabilities) -> Self {
        if !capabilities.contains(Capabilities::STORE) {
            Self::Member
        } else if capabilities.contains(Capabilities::READ) {
            Self::Keeper
        } else {
            Self::BlindKeeper
        }
    }

    /// Returns the role's name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Keeper => "keeper",
            Self::BlindKeeper => "blind-keeper",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no role is called {0:?}: there are member, keeper and blind-keeper")]
pub struct ParseRoleError(pub String);

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| ParseRoleError(text.to_owned()))
    }
}

impl Encode for Role {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(match self {
            Self::Member => 1,
            Self::Keeper => 2,
            Self::BlindKeeper => 3,
        });
    }
}

impl Decode for Role {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Member),
            2 => Ok(Self::Keeper),
            3 => Ok(Self::BlindKeeper),
            value => Err(DecodeError::Unknown { what: "role", value: value.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_rights_name_and_byte() {
        for role in Role::ALL {
            assert_eq!(Role::of(role.capabilities()), role);
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(Role::from_bytes(&role.to_bytes()), Ok(role));
        }
        assert!("owner".parse::<Role>().is_err());
        assert!(Role::from_bytes(&[4]).is_err());
    }

    #[test]
    fn a_blind_keeper_only_stores() {
        let blind = Role::BlindKeeper.capabilities();
        assert_eq!(blind, Capabilities::STORE);
        assert!(!blind.contains(Capabilities::READ));
        assert!(Capabilities::ALL.contains(blind) && !blind.contains(Capabilities::ALL));
        assert_eq!(Role::of(Capabilities::ALL), Role::Keeper);
    }

    #[test]
    fn an_unknown_right_is_refused() {
        assert_eq!(Capabilities::from_bytes(&[15]), Ok(Capabilities::ALL));
        assert!(Capabilities::from_bytes(&[16]).is_err());
    }
}
