//! What the bridge answers. Source: SAM V3 Specification, "Result values".

/// The `RESULT=` of an answer, with a message where the client's author needs to know more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    CantReachPeer,
    DuplicatedDest,
    DuplicatedId,
    InvalidKey,
    InvalidId,
    KeyNotFound,
    NoVersion,
    Timeout,
    I2pError(String),
}

impl Outcome {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::I2pError(message.into())
    }

    /// `RESULT=X` or `RESULT=X MESSAGE="…"`.
    pub(crate) fn text(&self) -> String {
        let word = match self {
            Self::CantReachPeer => "CANT_REACH_PEER",
            Self::DuplicatedDest => "DUPLICATED_DEST",
            Self::DuplicatedId => "DUPLICATED_ID",
            Self::InvalidKey => "INVALID_KEY",
            Self::InvalidId => "INVALID_ID",
            Self::KeyNotFound => "KEY_NOT_FOUND",
            Self::NoVersion => "NOVERSION",
            Self::Timeout => "TIMEOUT",
            Self::I2pError(message) => {
                let message = message.replace('\\', "\\\\").replace('"', "\\\"");
                return format!("RESULT=I2P_ERROR MESSAGE=\"{message}\"");
            }
        };
        format!("RESULT={word}")
    }
}
