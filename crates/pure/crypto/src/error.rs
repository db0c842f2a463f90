/// Why a cryptographic operation refused its input.
///
/// All variants blame the bytes given, never the library: operations that can't fail for any input have no `Result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A signature doesn't match the message and key.
    #[error("bad signature")]
    BadSignature,
    /// An authentication tag doesn't match, or the text is too short to have one.
    #[error("bad authentication tag")]
    BadTag,
    /// A key agreement gave the all-zero secret: the peer sent a point of small order.
    #[error("weak public key")]
    WeakKey,
    /// Key bytes that are no key.
    #[error("malformed key")]
    BadKey,
}
