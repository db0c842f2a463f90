//! The eyes of the oracles: they see every byte on links and everything between lanes and engines, and note what must never be.

use std::time::Duration;

use memchr::memmem;
use ramson_lane::{LaneCommand, LaneEvent};
use ramson_wire::Tick;

use crate::measure::Violation;

/// Violations noted of one run; one is enough to fail it.
const MAX_VIOLATIONS: usize = 100;
/// What applications send holds this again and again, so that it can be recognised wherever it must not be.
pub(crate) const MARK: &[u8; 16] = b"\xa7ramson-payload\xc3";

/// See the module.
pub(crate) struct Watch {
    clear: memmem::Finder<'static>,
    violations: Vec<Violation>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { clear: memmem::Finder::new(MARK), violations: Vec::new() }
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Notes that a rule was broken.
    pub(crate) fn violated(&mut self, at: Tick, oracle: &'static str, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation { oracle, at: Duration::from_nanos(at.0), what });
        }
    }

    /// Bytes on a link.
    pub(crate) fn link(&mut self, at: Tick, router: usize, bytes: &[u8]) {
        self.look_for_clear_text(at, router, bytes, "on a link");
    }

    /// What a lane tells its engine.
    pub(crate) fn event(&mut self, at: Tick, router: usize, event: &LaneEvent) {
        if let LaneEvent::Message { message, .. } = event {
            self.look_for_clear_text(at, router, &message.body, "in a message that a router received");
        }
    }

    /// What an engine asks of its lane.
    pub(crate) fn command(&mut self, at: Tick, router: usize, command: &LaneCommand) {
        if let LaneCommand::Send { message, .. } = command {
            self.look_for_clear_text(at, router, &message.body, "in a message that a router sends");
        }
    }

    fn look_for_clear_text(&mut self, at: Tick, router: usize, bytes: &[u8], place: &str) {
        if self.clear.find(bytes).is_some() {
            self.violated(at, "clear-text", format!("router {router}: application bytes in clear {place}"));
        }
    }
}
