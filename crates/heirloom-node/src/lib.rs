//! Heirloom: node.
