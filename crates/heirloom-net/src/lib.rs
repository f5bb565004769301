//! Heirloom: net.
