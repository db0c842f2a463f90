//! Randomness for the machines: a ChaCha20 generator seeded by the operating system, one per machine.

use ramson_crypto::CryptoRng;
use ramson_crypto::rng::SeededRng;
use zeroize::Zeroizing;

use crate::error::StartError;

/// A generator of its own for one machine.
pub(crate) fn generator() -> Result<Box<dyn CryptoRng + Send>, StartError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|source| StartError::Entropy { source })?;
    Ok(Box::new(SeededRng::new(*seed)))
}
