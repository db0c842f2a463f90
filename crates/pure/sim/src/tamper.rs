//! Routers that aren't what they should be: hooks between a router's machines and between it and the network, for tests of oracles
//! and for attackers.

use bytes::Bytes;
use ramson_engine::{Command, EngineConfig};
use ramson_lane::{LaneCommand, LaneConfig, LaneEvent};
use ramson_wire::{I2npMessage, Now};

/// Changes what a router does. Everything passes unchanged unless a method is written.
pub trait Tamper {
    /// How the router is configured, each time it starts.
    fn configure(&mut self, _engine: &mut EngineConfig, _lane: &mut LaneConfig) {}

    /// What the applications ask of the engine.
    fn wishes(&mut self, _now: Now, commands: Vec<Command>) -> Vec<Command> {
        commands
    }

    /// What the engine asks of the lane, in one turn.
    fn commands(&mut self, _now: Now, commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        commands
    }

    /// What the lane tells the engine, in one turn.
    fn events(&mut self, _now: Now, events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        events
    }

    /// What the lane takes for the message when one comes again.
    fn comes_again(&mut self, _now: Now, message: I2npMessage) -> I2npMessage {
        message
    }

    /// What the router does as well when it takes an event.
    fn besides(&mut self, _now: Now, _event: &LaneEvent) -> Vec<Command> {
        Vec::new()
    }

    /// What else the router takes before an event, as if the lane had told it.
    fn takes_besides(&mut self, _now: Now, _event: &LaneEvent) -> Vec<LaneEvent> {
        Vec::new()
    }

    /// Bytes for a connection.
    fn sent(&mut self, _now: Now, bytes: Bytes) -> Bytes {
        bytes
    }

    /// Whether the router may dial.
    fn dials(&mut self, _now: Now) -> bool {
        true
    }

    /// Bytes that an application reads from a stream; none at its end.
    fn read(&mut self, _bytes: &mut Vec<u8>) {}
}

/// The router as it is.
pub struct Honest;

impl Tamper for Honest {}
