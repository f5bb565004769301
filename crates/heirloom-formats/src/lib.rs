//! Heirloom: formats.
