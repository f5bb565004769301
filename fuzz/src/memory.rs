//! How much memory one input takes, at its peak.

use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// A measurement that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    before: usize,
}

impl Measure {
    /// Begins to measure. The whole process is measured: one thread at a time
    /// gives true figures.
    #[must_use]
    pub fn begin() -> Self {
        COUNTED.reset_peak_usage();
        Self { before: COUNTED.current_usage() }
    }

    /// Returns the bytes that were allocated at the peak, beyond those before.
    #[must_use]
    pub fn peak_bytes(self) -> usize {
        COUNTED.peak_usage().saturating_sub(self.before)
    }
}
