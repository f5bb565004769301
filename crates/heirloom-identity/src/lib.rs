//! Heirloom: identity.
