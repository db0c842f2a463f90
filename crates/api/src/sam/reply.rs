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
                return format!("RESULT=I2P_ERROR MESSAGE={}", quoted(message));
            }
        };
        format!("RESULT={word}")
    }
}

/// The answer to a look-up.
pub(crate) fn naming(name: &str, found: Result<&str, &Outcome>) -> String {
    let plain = !name.starts_with('"') && !name.contains(|c: char| c.is_ascii_whitespace());
    let name = if plain { name.to_owned() } else { quoted(name) };
    match found {
        Ok(destination) => format!("NAMING REPLY RESULT=OK NAME={name} VALUE={destination}"),
        Err(outcome) => format!("NAMING REPLY {} NAME={name}", outcome.text()),
    }
}

/// A value that holds white space or quotes.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::line::Line;
    use super::*;

    #[test]
    fn a_name_comes_back_as_it_was_asked_for() {
        for name in ["stats.i2p", "", "a b RESULT=OK", "\"", "a\\ b\"c\""] {
            let reply = Line::parse(&naming(name, Err(&Outcome::InvalidKey))).unwrap();
            assert_eq!((reply.get("NAME"), reply.get("RESULT")), (Some(name), Some("INVALID_KEY")));
        }
        assert_eq!(naming("a.i2p", Ok("AAAA")), "NAMING REPLY RESULT=OK NAME=a.i2p VALUE=AAAA");
    }
}
