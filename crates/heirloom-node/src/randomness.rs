//! Fresh random bytes from the system.

use crate::failure;
use heirloom_core::command::Failure;
use zeroize::Zeroizing;

/// Returns `N` random bytes.
///
/// # Errors
/// When the system has none.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| failure::no_randomness(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        assert_ne!(*super::bytes::<32>().unwrap(), *super::bytes::<32>().unwrap());
    }
}
