//! Heirloom: sim.
