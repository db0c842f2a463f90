//! The bandwidth of transit: in all, and of one tunnel.

use std::time::Duration;

use ramson_wire::Tick;

use super::{DropReason, RelayTable};
use crate::bucket::Bucket;

/// What may come at once.
const DEPTH: Duration = Duration::from_secs(2);
/// One tunnel has this part of all that transit has, or [`LEAST_OF_TUNNEL`], as long as others want more than there is. What they leave
/// it gets too.
const PART_OF_TUNNEL: u64 = 8;
/// Bytes a second: a few streams.
const LEAST_OF_TUNNEL: u64 = 32_000;

/// Of all transit.
pub(super) fn of_all(bytes_per_sec: Option<u64>) -> Bucket {
    Bucket::new(bytes_per_sec, DEPTH)
}

/// Of one tunnel.
pub(super) fn of_tunnel(bytes_per_sec: Option<u64>) -> Bucket {
    Bucket::new(bytes_per_sec.map(|all| (all / PART_OF_TUNNEL).max(LEAST_OF_TUNNEL.min(all))), DEPTH)
}

impl RelayTable {
    /// Takes the bytes of a tunnel's message, or says whose share is used up.
    pub(super) fn take_share(&mut self, now: Tick, tunnel: ramson_wire::TunnelId, bytes: usize) -> Result<(), DropReason> {
        let Some(entry) = self.relays.get_mut(&tunnel) else {
            return Err(DropReason::UnknownTunnel);
        };
        if !self.share.has(now, bytes) {
            return Err(DropReason::TransitShare);
        }
        if self.share.is_low(now) && !entry.share.has(now, bytes) {
            return Err(DropReason::TunnelShare);
        }
        self.share.spend(now, bytes);
        entry.share.spend(now, bytes);
        Ok(())
    }
}
