//! Households of real nodes over loopback, in one process.

mod admission;
mod household;
mod running;
