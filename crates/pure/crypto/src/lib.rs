//! Typed keys and the cryptography of I2P.
//!
//! Every primitive the router uses stands behind a small module here, so that there is one place to audit and
//! one place that names a library: no other crate knows aws-lc-rs, dalek or RustCrypto. Three rules hold:
//!
//! - The same inputs give the same outputs. All randomness is drawn from the generator a caller passes in; the
//!   libraries' own generators are never used.
//! - Secret types have no `Clone` and no `PartialEq`, their `Debug` prints the type name only, and they are wiped on drop.
//!   Public keys and signatures may be copied and compared, but their `Debug` prints no bytes either, since
//!   a key names a peer.
//! - Protocol layouts stay outside, apart from what every protocol shares ([`noise::SymmetricState`], nonces).

pub mod aead;
pub mod chacha20;
pub mod ed25519;
pub mod elligator2;
mod error;
mod hash;
pub mod kdf;
#[cfg(feature = "meter")]
pub mod meter;
pub mod noise;
pub mod rng;
pub mod siphash;
pub mod x25519;

pub use error::CryptoError;
pub use hash::{sha256, sha256_parts};
pub use rand_core::{CryptoRng, Rng};

/// `Debug` that prints the type name and nothing else.
macro_rules! opaque_debug {
    ($($name:ident),+) => {$(
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}
pub(crate) use opaque_debug;

/// Adds to this thread's counts of what was done, if the feature that counts is on.
macro_rules! count {
    ($($field:ident: $amount:expr),+) => {
        #[cfg(feature = "meter")]
        crate::meter::count(|work| {
            $(work.$field += $amount as u64;)+
        });
    };
}
pub(crate) use count;

#[cfg(test)]
mod tests;
