//! What must never be. The oracles look on in every run; one violation fails it.
//!
//! | violation | never |
//! |---|---|
//! | [`STREAMS_EXACT`] | a stream gives other bytes than were sent, or ends well without all of them |
//! | [`CLEAR_TEXT`] | application bytes in clear on a link, in a message between routers, or in what a tunnel's endpoint sees |
//! | [`TUNNEL_HOPS`] | a tunnel with a router twice, or two of one /16, its owner included |
//! | [`LIMITS`] | more of something than its registered limit |
//! | [`FREED`] | something held for a destination that closed, or for nobody after all peers left |
//! | [`IDENTITIES_APART`] | a message that came through one destination's tunnel changes what belongs to another, or to the router |
//! | [`ANSWERS`] | a router asked as a router tells of the destinations on it, by what it says, its work, or quotas that they share |
//! | [`OWN_NAME`] | a router stores, looks up or has itself told in its own name what only a destination on it wants |
//! | [`PAIRING`] | an observer at the floodfills knows which destinations live on one router |
//! | [`REPLAYS`] | a repeated connection attempt or message has an effect |
//! | [`JAVA`] | a router gives others what a Java router refuses, drops, bans or ranks down for |
//! | [`REACHABLE_AGAIN`] | a published destination that isn't reached in time after the last fault |

pub(crate) mod answers;
pub(crate) mod clear_text;
pub(crate) mod java;
pub(crate) mod limits;
pub(crate) mod own_name;
pub(crate) mod pairing;
pub(crate) mod paths;
pub(crate) mod quotas;
pub(crate) mod replays;
pub(crate) mod tunnel_hops;

use std::time::Duration;

pub use answers::Answer;
pub use pairing::Guesses;

use ramson_wire::Tick;

use crate::measure::Violation;

/// See the module.
pub const STREAMS_EXACT: &str = "streams-exact";
/// See the module.
pub const CLEAR_TEXT: &str = "clear-text";
/// See the module.
pub const TUNNEL_HOPS: &str = "tunnel-hops";
/// See the module.
pub const LIMITS: &str = "limits";
/// See the module.
pub const FREED: &str = "freed";
/// See the module.
pub const IDENTITIES_APART: &str = "identities-apart";
/// See the module.
pub const ANSWERS: &str = "answers";
/// See the module.
pub const OWN_NAME: &str = "own-name";
/// See the module.
pub const PAIRING: &str = "pairing";
/// See the module.
pub const REPLAYS: &str = "replays";
/// See the module.
pub const JAVA: &str = "java";
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
