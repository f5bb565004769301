//! Heirloom: sync.
