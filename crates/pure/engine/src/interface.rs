//! What goes into the engine and what comes out of it: plain values, the same for the shell and the simulator.

use std::sync::Arc;

use ramson_lane::LaneCommand;
use ramson_wire::{Destination, DestinationHash, DestinationKeys, RouterHash};

use crate::identity::IdentityId;
use crate::status::Status;
use crate::streaming::{CloseReason, StreamId, StreamRings, StreamRules};

/// Pairs a question of the shell with the engine's answer. Chosen by the asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A wish of the services.
#[derive(Debug)]
pub enum Command {
    /// Brings up a local destination: its tunnels, and its LeaseSet when `config.publish`.
    OpenDestination {
        /// Chosen by the shell, never reused in one run.
        id: IdentityId,
        /// A label for the status, such as the tunnel's name in the configuration.
        name: String,
        /// Address and signing key.
        keys: Box<DestinationKeys>,
        /// Tunnels and whether it can be reached.
        config: DestinationConfig,
    },
    /// Ends a destination and resets its streams.
    CloseDestination {
        /// Which one.
        id: IdentityId,
    },
    /// Opens a stream from a local destination.
    Connect {
        /// The local destination.
        id: IdentityId,
        /// The shell's name for the stream.
        stream: StreamId,
        /// The remote destination.
        to: DestinationHash,
        /// Our port.
        from_port: u16,
        /// Their port.
        to_port: u16,
        /// The bytes both ways.
        rings: Arc<StreamRings>,
    },
    /// A stream's handle wrote, made room, closed or was dropped.
    StreamDirty {
        /// The local destination.
        id: IdentityId,
        /// Which stream.
        stream: StreamId,
    },
    /// Lets a destination that is idle keep fewer tunnels, as its service asks, or as many as it was opened with.
    LimitTunnels {
        /// Which one.
        id: IdentityId,
        /// No more than so many each way, at least one; none: no limit.
        most: Option<u8>,
    },
    /// Finds the full destination behind a hash, asking the network through the destination's own tunnels.
    LookupDestination {
        /// On whose behalf: no other destination sees the result.
        id: IdentityId,
        /// Returned with the answer.
        request: RequestId,
        /// What is sought.
        hash: DestinationHash,
    },
    /// Brings RouterInfos from outside of the network, for [`Event::ReseedWanted`].
    Reseed {
        /// Encoded; each is verified before use.
        routers: Vec<bytes::Bytes>,
    },
    /// Asks for [`Event::Status`].
    Status {
        /// Returned with the answer.
        request: RequestId,
    },
}

/// What the services learn.
#[derive(Debug)]
pub enum Event {
    /// A destination has tunnels both ways and, if it is to be published, a confirmed LeaseSet.
    DestinationReady {
        /// Which one.
        id: IdentityId,
    },
    /// A peer opened a stream to a local destination.
    Incoming {
        /// The local destination.
        id: IdentityId,
        /// The engine's name for the stream; commands use it.
        stream: StreamId,
        /// Who connects, proven by signature.
        from: Box<Destination>,
        /// Their port.
        from_port: u16,
        /// The port they asked for.
        to_port: u16,
        /// The bytes both ways.
        rings: Arc<StreamRings>,
    },
    /// A payload of any protocol but streaming came. Its content is unread: who is named in it is not checked.
    Datagram {
        /// The local destination.
        id: IdentityId,
        /// Its number, as 17 to 20 for datagrams.
        protocol: u8,
        /// Who the session that it came in belongs to, if known.
        from: Option<DestinationHash>,
        /// Their port.
        from_port: u16,
        /// The port that it is for.
        to_port: u16,
        /// As it came.
        payload: bytes::Bytes,
    },
    /// A stream that we opened was answered.
    StreamConnected {
        /// The local destination.
        id: IdentityId,
        /// Which stream.
        stream: StreamId,
    },
    /// A stream ended; its rings tell the same to the handle.
    StreamClosed {
        /// The local destination.
        id: IdentityId,
        /// Which stream.
        stream: StreamId,
        /// How.
        reason: CloseReason,
    },
    /// Answer to [`Command::LookupDestination`].
    LookupResult {
        /// The question.
        request: RequestId,
        /// The destination, or nothing when no floodfill knew it.
        destination: Option<Box<Destination>>,
    },
    /// Answer to [`Command::Status`].
    Status {
        /// The question.
        request: RequestId,
        /// The router's state now.
        status: Box<Status>,
    },
    /// The router took a step towards being usable.
    Progress(Progress),
    /// Too few routers are known, or none can be reached. Said again after ever longer times, until there are enough.
    ReseedWanted,
}

/// How far the router has come since its start, in the order in which the steps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// No router is known: nothing can be done before a reseed.
    NoRouters,
    /// Routers are known, none is connected yet.
    Connecting {
        /// Known routers.
        routers: usize,
    },
    /// Connected to at least one router, building exploratory tunnels.
    BuildingTunnels {
        /// Connected routers.
        connected: usize,
    },
    /// Exploratory tunnels stand; the RouterInfo is not confirmed by a floodfill yet.
    Publishing,
    /// Own tunnels both ways, RouterInfo published.
    Ready,
}

/// What the engine asks of its driver. Drained until [`Output::Timeout`] after every call.
#[derive(Debug)]
pub enum Output {
    /// For the lane, in this order.
    Lane(LaneCommand),
    /// For the services.
    Event(Event),
    /// For the disk. Losing the newest of these is harmless.
    Store(Record),
    /// Nothing more to do before this moment, or before the next input if there is none.
    Timeout(Option<ramson_wire::Tick>),
}

/// A change of stored state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A RouterInfo to keep over a restart.
    Router {
        /// Key.
        hash: RouterHash,
        /// The signed bytes.
        bytes: bytes::Bytes,
    },
    /// A RouterInfo that need not be kept.
    RouterGone {
        /// Key.
        hash: RouterHash,
    },
    /// What was seen of a router as a hop, or nothing any more.
    Profile {
        /// Key.
        router: RouterHash,
        /// For [`Snapshot::profiles`].
        value: Option<bytes::Bytes>,
    },
    /// Who stands next to us in tunnels of one pool, or nobody any more.
    Nearest {
        /// Key: tells nothing.
        set: [u8; 32],
        /// For [`Snapshot::nearest`].
        value: Option<bytes::Bytes>,
    },
}

/// Kinds of stored state, each with keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// RouterInfos.
    Routers,
    /// Profiles of routers.
    Profiles,
    /// Who stands next to us.
    Nearest,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Routers, Self::Profiles, Self::Nearest];
}

impl Record {
    /// What it replaces.
    #[must_use]
    pub fn key(&self) -> (Table, [u8; 32]) {
        match self {
            Self::Router { hash, .. } | Self::RouterGone { hash } => (Table::Routers, hash.0),
            Self::Profile { router, .. } => (Table::Profiles, router.0),
            Self::Nearest { set, .. } => (Table::Nearest, *set),
        }
    }

    /// What is to be kept; none: nothing.
    #[must_use]
    pub fn value(&self) -> Option<&bytes::Bytes> {
        match self {
            Self::Router { bytes, .. } => Some(bytes),
            Self::RouterGone { .. } => None,
            Self::Profile { value, .. } | Self::Nearest { value, .. } => value.as_ref(),
        }
    }
}

/// What was stored before the start.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Encoded RouterInfos from the store, by their keys; each is verified before use.
    pub routers: Vec<(RouterHash, bytes::Bytes)>,
    /// Encoded RouterInfos from a reseed; each is verified before use.
    pub reseed: Vec<bytes::Bytes>,
    /// What [`Record::Profile`] had, by router. What is damaged is deleted.
    pub profiles: Vec<(RouterHash, bytes::Bytes)>,
    /// What [`Record::Nearest`] had, by key, likewise.
    pub nearest: Vec<([u8; 32], bytes::Bytes)>,
}

impl Snapshot {
    /// Adds what a driver found in a table.
    pub fn add(&mut self, table: Table, key: [u8; 32], value: bytes::Bytes) {
        match table {
            Table::Routers => self.routers.push((RouterHash(key), value)),
            Table::Profiles => self.profiles.push((RouterHash(key), value)),
            Table::Nearest => self.nearest.push((key, value)),
        }
    }
}

/// Tunnels of a destination and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationConfig {
    /// Hops of tunnels towards us, 0 to 7.
    pub inbound_length: u8,
    /// Hops of tunnels away from us, 0 to 7.
    pub outbound_length: u8,
    /// Tunnels towards us, 1 to 16.
    pub inbound_quantity: u8,
    /// Tunnels away from us, 1 to 16.
    pub outbound_quantity: u8,
    /// Tunnels towards us kept in reserve, unused while the others hold.
    pub inbound_backups: u8,
    /// Tunnels away from us kept in reserve.
    pub outbound_backups: u8,
    /// Each tunnel towards us is longer by up to so many hops, at random; below zero: longer or shorter.
    pub inbound_variance: i8,
    /// Each tunnel away from us, likewise.
    pub outbound_variance: i8,
    /// Whether the LeaseSet goes to floodfills, so that strangers can connect.
    pub publish: bool,
    /// Whether incoming streams are accepted.
    pub accept: bool,
    /// Which of them.
    pub streams: StreamRules,
}

impl Default for DestinationConfig {
    /// A client with 3 tunnels of 3 hops each way.
    fn default() -> Self {
        Self {
            inbound_length: 3,
            outbound_length: 3,
            inbound_quantity: 3,
            outbound_quantity: 3,
            inbound_backups: 0,
            outbound_backups: 0,
            inbound_variance: 0,
            outbound_variance: 0,
            publish: false,
            accept: false,
            streams: StreamRules::default(),
        }
    }
}
