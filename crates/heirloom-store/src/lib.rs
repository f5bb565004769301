//! Heirloom: store.
