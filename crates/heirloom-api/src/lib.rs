//! Heirloom: api.
