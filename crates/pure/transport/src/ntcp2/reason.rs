//! Why sessions end: the codes on the wire, and what is told to the owner.

use super::handshake::HandshakeError;
use super::peer_check::RefusedRouterInfo;

/// Reason byte of a Termination block. Every value decodes: unknown ones are kept.
/// Source: NTCP2, "Termination" block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminationReason {
    /// 0: normal close, or unspecified.
    Normal,
    /// 1: answer to a termination.
    TerminationReceived,
    /// 2: no traffic.
    IdleTimeout,
    /// 3: the router stops.
    RouterShutdown,
    /// 4: a frame failed to authenticate.
    AeadFailure,
    /// 5: options that can't be met.
    IncompatibleOptions,
    /// 6: signature type not supported.
    IncompatibleSignature,
    /// 7: clocks differ too much.
    ClockSkew,
    /// 8: padding against the negotiated options.
    PaddingViolation,
    /// 9: frame shorter than its authentication tag.
    FramingError,
    /// 10: a block that can't be read, or in a place where it may not be.
    PayloadFormat,
    /// 11: message 1 refused.
    RequestError,
    /// 12: message 2 refused.
    CreatedError,
    /// 13: message 3 refused.
    ConfirmedError,
    /// 14: a frame didn't come to its end in time.
    IntraFrameTimeout,
    /// 15: RouterInfo with a bad signature.
    BadRouterInfoSignature,
    /// 16: static key missing in the RouterInfo, or another one.
    WrongStaticKey,
    /// 17: banned.
    Banned,
    /// A code without a name here.
    Other(u8),
}

/// All named reasons, at the index of their code.
const NAMED: [TerminationReason; 18] = [
    TerminationReason::Normal,
    TerminationReason::TerminationReceived,
    TerminationReason::IdleTimeout,
    TerminationReason::RouterShutdown,
    TerminationReason::AeadFailure,
    TerminationReason::IncompatibleOptions,
    TerminationReason::IncompatibleSignature,
    TerminationReason::ClockSkew,
    TerminationReason::PaddingViolation,
    TerminationReason::FramingError,
    TerminationReason::PayloadFormat,
    TerminationReason::RequestError,
    TerminationReason::CreatedError,
    TerminationReason::ConfirmedError,
    TerminationReason::IntraFrameTimeout,
    TerminationReason::BadRouterInfoSignature,
    TerminationReason::WrongStaticKey,
    TerminationReason::Banned,
];

impl TerminationReason {
    /// The reason of a code.
    pub fn from_code(code: u8) -> Self {
        NAMED.get(usize::from(code)).copied().unwrap_or(Self::Other(code))
    }

    /// The code on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Other(code) => code,
            named => {
                let place = NAMED.iter().position(|known| *known == named);
                place.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
            }
        }
    }
}

/// Which time limit ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// The handshake didn't end in time.
    Handshake,
    /// No message went either way.
    Idle,
    /// Messages were waiting, and the socket took none.
    Stalled,
    /// A frame began and didn't end.
    IntraFrame,
}

/// Why a session is over. One and only one is reported for each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// Our owner asked for it.
    Requested(TerminationReason),
    /// The peer sent a termination.
    Terminated(TerminationReason),
    /// The peer broke a rule of the data phase; this reason was sent.
    Violated(TerminationReason),
    /// The handshake failed.
    Handshake(HandshakeError),
    /// The handshake was sound, the initiator's RouterInfo wasn't.
    RouterInfo(RefusedRouterInfo),
    /// The clocks differ by more than is allowed; `secs` is the peer's clock minus ours.
    ClockSkew {
        /// The peer's clock minus ours, in seconds.
        secs: i64,
    },
    /// A time limit passed.
    Expired(Expired),
    /// The stream ended.
    Eof {
        /// Whether the session was established before.
        established: bool,
    },
    /// The nonces of one direction are used up.
    NonceLimit,
    /// Something that can't happen, happened.
    Bug,
}

/// Whose fault an end was. Profiles punish only the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody's: an orderly end.
    None,
    /// The peer broke the protocol or refused us.
    Peer,
    /// The way between, or not to be told apart from it.
    Network,
    /// Our own.
    Local,
}

impl CloseReason {
    /// Whose fault it was.
    pub fn fault(self) -> Fault {
        match self {
            Self::Requested(_) | Self::NonceLimit | Self::Expired(Expired::Idle) => Fault::None,
            Self::Terminated(reason) => match reason {
                TerminationReason::Normal
                | TerminationReason::TerminationReceived
                | TerminationReason::IdleTimeout
                | TerminationReason::RouterShutdown => Fault::None,
                TerminationReason::ClockSkew => Fault::Network,
                _ => Fault::Peer,
            },
            Self::Handshake(error) => error.fault(),
            Self::Violated(_) | Self::RouterInfo(_) => Fault::Peer,
            Self::ClockSkew { .. } | Self::Expired(_) | Self::Eof { .. } => Fault::Network,
            Self::Bug => Fault::Local,
        }
    }

    /// The peer's clock minus ours, where that ended the session.
    pub fn clock_skew_secs(self) -> Option<i64> {
        match self {
            Self::ClockSkew { secs } => Some(secs),
            _ => None,
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_code_decodes_and_comes_back() {
        for code in 0..=u8::MAX {
            assert_eq!(TerminationReason::from_code(code).code(), code);
        }
        assert_eq!(TerminationReason::from_code(17), TerminationReason::Banned);
        assert_eq!(TerminationReason::from_code(18), TerminationReason::Other(18));
    }
}
