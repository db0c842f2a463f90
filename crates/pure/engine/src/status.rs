//! The router's state as shown to its operator. Holds no addresses or hashes but our own.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_wire::{DestinationHash, RouterHash};

/// Answer to a status question. Counts are of now unless they say "since the start".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Own tunnels up both ways and RouterInfo published.
    pub ready: bool,
    /// Our router hash.
    pub hash: RouterHash,
    /// Network id.
    pub net_id: u8,
    /// Time since the start.
    pub uptime_secs: u64,
    /// Known RouterInfos.
    pub routers: usize,
    /// Those of them that are floodfills.
    pub floodfills: usize,
    /// LeaseSets held as a floodfill.
    pub lease_sets: usize,
    /// Open NTCP2 sessions.
    pub ntcp2_sessions: usize,
    /// Own tunnels.
    pub tunnels: TunnelCounts,
    /// Own tunnels since the start, all pools together.
    pub builds: BuildCounts,
    /// Looked for in the netDb since the start, by the router and its destinations.
    pub lookups: LookupCounts,
    /// Messages relayed since the start, by role.
    pub transit: TransitCounts,
    /// What others may have of us now.
    pub sharing: TransitStatus,
    /// Bytes since the start.
    pub traffic: Traffic,
    /// Messages dropped since the start, by reason.
    pub drops: BTreeMap<&'static str, u64>,
    /// Local destinations.
    pub destinations: Vec<DestinationStatus>,
}

/// Tunnels that stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelCounts {
    /// Of the router itself, towards us.
    pub exploratory_in: usize,
    /// Of the router itself, away from us.
    pub exploratory_out: usize,
    /// Of all local destinations, towards us.
    pub client_in: usize,
    /// Of all local destinations, away from us.
    pub client_out: usize,
    /// Of others, through us.
    pub transit: usize,
}

/// What became of requests for own tunnels with hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildCounts {
    /// Requests sent.
    pub tried: u64,
    /// All hops agreed.
    pub accepted: u64,
    /// A hop refused.
    pub refused: u64,
    /// No answer that could be read came in time. One that comes late and is used counts as accepted besides.
    pub timed_out: u64,
}

/// What became of searches for RouterInfos and LeaseSets, those that others joined counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupCounts {
    /// Begun.
    pub asked: u64,
    /// It came.
    pub found: u64,
    /// It didn't.
    pub failed: u64,
    /// Those for LeaseSets that ended, all of them by destinations.
    pub lease_sets: u64,
    /// Of them those that found within [`LookupCounts::SOON`].
    pub lease_sets_soon: u64,
}

impl LookupCounts {
    /// Who waits longer for a LeaseSet notices.
    pub const SOON: Duration = Duration::from_secs(5);

    /// One ended after this time.
    pub(crate) fn ended(&mut self, for_lease_set: bool, found: bool, took: Duration) {
        if found {
            self.found += 1;
        } else {
            self.failed += 1;
        }
        self.lease_sets += u64::from(for_lease_set);
        self.lease_sets_soon += u64::from(for_lease_set && found && took <= Self::SOON);
    }
}

/// Builds of others through us, and messages relayed in each role of a hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransitCounts {
    /// Builds agreed to.
    pub agreed: u64,
    /// Builds refused by an answer; those dropped without one are among the drops.
    pub refused: u64,
    /// In the middle.
    pub participant: u64,
    /// As inbound gateway.
    pub gateway: u64,
    /// As outbound endpoint.
    pub endpoint: u64,
}

/// What others may have of us, and how much of it they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransitStatus {
    /// Tunnels of others are taken.
    pub accepts: bool,
    /// We serve as a floodfill.
    pub floodfill: bool,
    /// The published class.
    pub class: char,
    /// The published wish to be spared.
    pub congestion: Option<char>,
    /// Bytes a second, if they are limited.
    pub bytes_per_sec: Option<u64>,
    /// Of them in use, 0 to 100.
    pub load_percent: u8,
    /// Tunnels at most.
    pub max_tunnels: usize,
    /// Of the memory that strangers may fill, what they fill.
    pub memory_percent: u8,
}

/// Bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sent to other routers.
    pub sent_bytes: u64,
    /// Received from other routers.
    pub received_bytes: u64,
    /// Of the sent ones, those relayed for others.
    pub transit_bytes: u64,
}

/// A local destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationStatus {
    /// The label it was opened with.
    pub name: String,
    /// Its address.
    pub hash: DestinationHash,
    /// Tunnels towards us that stand.
    pub inbound: usize,
    /// Tunnels away from us that stand.
    pub outbound: usize,
    /// Its LeaseSet was confirmed by a floodfill.
    pub published: bool,
    /// Until it begins to build tunnels: servers come up one by one after the router's start.
    pub starts_in_secs: u64,
}
