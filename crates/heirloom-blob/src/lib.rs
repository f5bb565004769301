//! Heirloom: blob.
