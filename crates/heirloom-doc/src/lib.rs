//! Heirloom: doc.
