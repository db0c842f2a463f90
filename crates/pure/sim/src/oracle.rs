//! What must never be. The oracles look on in every run; one violation fails it.
//!
//! | violation | never |
//! |---|---|
//! | [`STREAMS_EXACT`] | a stream gives other bytes than were sent, or ends well without all of them |
//! | [`CLEAR_TEXT`] | application bytes in clear on a link, in a message between routers, or in what a tunnel's endpoint sees |
//! | [`TUNNEL_HOPS`] | a tunnel with a router twice, or two of one /16, its owner included |
//! | [`REPLAYS`] | a repeated connection attempt or message has an effect |
//! | [`REACHABLE_AGAIN`] | a published destination that isn't reached in time after the last fault |

pub(crate) mod clear_text;
pub(crate) mod paths;
pub(crate) mod replays;
pub(crate) mod tunnel_hops;

use std::time::Duration;

use ramson_wire::Tick;

use crate::measure::Violation;

/// See the module.
pub const STREAMS_EXACT: &str = "streams-exact";
/// See the module.
pub const CLEAR_TEXT: &str = "clear-text";
/// See the module.
pub const TUNNEL_HOPS: &str = "tunnel-hops";
/// See the module.
pub const REPLAYS: &str = "replays";
/// See the module.
pub const REACHABLE_AGAIN: &str = "reachable-again";

/// Violations noted of one run; one is enough to fail it.
const MAX_VIOLATIONS: usize = 100;

/// What the oracles found.
#[derive(Default)]
pub(crate) struct Notes(Vec<Violation>);

impl Notes {
    /// Notes that a rule was broken.
    pub(crate) fn violated(&mut self, at: Tick, oracle: &'static str, what: String) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation { oracle, at: Duration::from_nanos(at.0), what });
        }
    }

    pub(crate) fn all(&self) -> &[Violation] {
        &self.0
    }
}
