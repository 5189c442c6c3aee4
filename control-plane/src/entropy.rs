//! The one place that draws randomness.
//!
//! Everything else is handed random bytes, so that it can be tested with chosen ones.

use zeroize::Zeroizing;

/// The system has no randomness to give; nothing that needs a secret can go on.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed: {0}")]
pub struct EntropyError(#[from] getrandom::Error);

/// A source of uniform random bytes.
pub trait Entropy: Send + Sync {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system's source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that may draw randomness; all else is handed it"
    )]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        Ok(getrandom::fill(bytes)?)
    }
}

/// Draws `N` bytes that are wiped when dropped.
pub fn draw<const N: usize>(entropy: &dyn Entropy) -> Result<Zeroizing<[u8; N]>, EntropyError> {
    let mut bytes = Zeroizing::new([0; N]);
    entropy.fill(bytes.as_mut_slice())?;
    Ok(bytes)
}
