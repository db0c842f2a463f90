//! What happened, when, to whom and how big: never what was in it.

use ramson_crypto::{sha256, sha256_parts};
use ramson_engine::{Event, Output, Record};
use ramson_lane::{LaneCommand, LaneEvent};
use ramson_wire::{MessageKind, Tick};

/// Entries hashed together.
const BATCH: usize = 4096;

/// A kind of happening with a number that says more, such as the kind of an I2NP message.
pub(crate) type What = (&'static str, u64);

/// A running hash over all entries: two runs that did the same have the same.
#[derive(Default)]
pub(crate) struct Trace {
    hash: [u8; 32],
    waiting: Vec<u8>,
}

impl Trace {
    /// Adds an entry.
    pub(crate) fn add(&mut self, at: Tick, router: usize, (kind, detail): What, size: usize) {
        self.waiting.extend_from_slice(&at.0.to_be_bytes());
        self.waiting.extend_from_slice(&number(router).to_be_bytes());
        self.waiting.extend_from_slice(kind.as_bytes());
        self.waiting.extend_from_slice(&detail.to_be_bytes());
        self.waiting.extend_from_slice(&number(size).to_be_bytes());
        if self.waiting.len() >= BATCH {
            self.hash = sha256_parts(&[&self.hash, &self.waiting]);
            self.waiting.clear();
        }
    }

    /// The hash of all entries so far, in hexadecimal.
    pub(crate) fn hash(&self) -> String {
        let hash = sha256_parts(&[&self.hash, &sha256(&self.waiting)]);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn detail(kind: MessageKind) -> u64 {
    u64::from(kind.0)
}

/// Name and size of what a lane tells.
pub(crate) fn of_lane_event(event: &LaneEvent) -> (What, usize) {
    match event {
        LaneEvent::PeerWanted { .. } => (("peer wanted", 0), 0),
        LaneEvent::Connected { inbound, .. } => (("connected", u64::from(*inbound)), 0),
        LaneEvent::ConnectFailed { .. } => (("connect failed", 0), 0),
        LaneEvent::Disconnected { .. } => (("disconnected", 0), 0),
        LaneEvent::RouterInfo { info, flood, .. } => (("router info", u64::from(*flood)), info.bytes().len()),
        LaneEvent::Message { message, .. } => (("message", detail(message.kind)), message.body.len()),
        LaneEvent::Congestion { congested, .. } => (("congestion", u64::from(*congested)), 0),
        LaneEvent::Stats(_) => (("stats", 0), 0),
    }
}

/// Name and size of what an engine asks of its driver.
pub(crate) fn of_engine_output(output: &Output) -> (What, usize) {
    match output {
        Output::Lane(command) => of_lane_command(command),
        Output::Event(event) => (of_event(event), 0),
        Output::Store(Record::Router { bytes, .. }) => (("store router", 0), bytes.len()),
        Output::Store(Record::RouterGone { .. }) => (("store router gone", 0), 0),
        Output::Store(Record::Profile { value, .. }) => (("store profile", u64::from(value.is_some())), 0),
        Output::Store(Record::Nearest { value, .. }) => (("store nearest", u64::from(value.is_some())), 0),
        Output::Timeout(_) => (("timeout", 0), 0),
    }
}

fn of_lane_command(command: &LaneCommand) -> (What, usize) {
    match command {
        LaneCommand::Send { message, .. } => (("send", detail(message.kind)), message.body.len()),
        LaneCommand::Connect { .. } => (("connect", 0), 0),
        LaneCommand::NoPeer { .. } => (("no peer", 0), 0),
        LaneCommand::Install(_) => (("install", 0), 0),
        LaneCommand::Remove { .. } => (("remove", 0), 0),
        LaneCommand::InstallOwn { .. } => (("install own", 0), 0),
        LaneCommand::RemoveOwn { .. } => (("remove own", 0), 0),
        LaneCommand::SetRouterInfo { info, .. } => (("set router info", 0), info.bytes().len()),
        LaneCommand::Disconnect { .. } => (("disconnect", 0), 0),
    }
}

fn of_event(event: &Event) -> What {
    match event {
        Event::DestinationReady { .. } => ("destination ready", 0),
        Event::Incoming { .. } => ("incoming stream", 0),
        Event::Datagram { protocol, .. } => ("datagram", u64::from(*protocol)),
        Event::StreamConnected { .. } => ("stream connected", 0),
        Event::StreamClosed { .. } => ("stream closed", 0),
        Event::LookupResult { destination, .. } => ("lookup result", u64::from(destination.is_some())),
        Event::Status { .. } => ("status", 0),
        Event::Progress(_) => ("progress", 0),
        Event::ReseedWanted => ("reseed wanted", 0),
    }
}
