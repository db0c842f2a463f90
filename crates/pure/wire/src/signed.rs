//! Signed structures before and after their check.

/// A signed structure whose signature nobody has checked yet. `verify` turns it into the structure itself; until then only what is
/// needed to find or drop it can be read.
#[derive(Clone, Debug)]
pub struct Unverified<T>(pub(crate) T);

impl<T> From<T> for Unverified<T> {
    /// What is already known to be good, for writing it into a message.
    fn from(value: T) -> Unverified<T> {
        Unverified(value)
    }
}

/// Why a signature doesn't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It doesn't match, or is missing.
    #[error("signature does not match")]
    Bad,
    /// The transient key that made it is past its time.
    #[error("transient key expired")]
    Expired,
    /// Its type isn't Ed25519.
    #[error("signature type {code} is not supported")]
    Unsupported {
        /// Signature type code.
        code: u16,
    },
}

/// Why a structure of our own can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The signing key isn't the one in the identity.
    #[error("the signing key belongs to another identity")]
    WrongKey,
    /// More bytes, addresses, keys or leases than allowed.
    #[error("over a limit of the format")]
    TooLong,
    /// A value can't be written: times out of range or out of order.
    #[error("a value cannot be written")]
    Invalid,
}
