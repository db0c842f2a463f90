//! What the operator sees: progress and status.

use std::collections::BTreeMap;

use ramson_wire::Now;

use super::Engine;
use crate::identity::Owner;
use crate::interface::{Event, Progress};
use crate::netdb::PublicationState;
use crate::own_router;
use crate::status::{BuildCounts, DestinationStatus, Status, Traffic, TransitCounts, TransitStatus, TunnelCounts};

impl Engine {
    pub(super) fn report_progress(&mut self) {
        let progress = self.current_progress();
        // Ready is ready: a tunnel that is replaced a moment late is no news.
        if self.progress != Some(progress) && self.progress != Some(Progress::Ready) {
            self.progress = Some(progress);
            self.event(Event::Progress(progress));
        }
    }

    fn current_progress(&self) -> Progress {
        let routers = self.netdb.router_count();
        let counts = self.tunnels.counts(Owner::Router);
        if routers == 0 {
            Progress::NoRouters
        } else if self.connected.is_empty() {
            Progress::Connecting { routers }
        } else if counts.inbound == 0 || counts.outbound == 0 {
            Progress::BuildingTunnels { connected: self.connected.len() }
        } else if !self.is_published(Owner::Router) {
            Progress::Publishing
        } else {
            Progress::Ready
        }
    }

    fn is_published(&self, owner: Owner) -> bool {
        self.netdb.published(owner).is_some_and(|state| state >= PublicationState::Stored)
    }

    /// What the router shows to its operator now.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        let exploratory = self.tunnels.counts(Owner::Router);
        let destinations: Vec<DestinationStatus> = self
            .destinations
            .iter()
            .map(|(id, destination)| {
                let owner = Owner::Identity(*id);
                let counts = self.tunnels.counts(owner);
                DestinationStatus {
                    name: destination.name.clone(),
                    hash: destination.hash(),
                    inbound: counts.inbound,
                    outbound: counts.outbound,
                    published: self.is_published(owner),
                    starts_in_secs: self.starting.get(id).map_or(0, |(at, _)| at.saturating_since(now.tick).as_secs()),
                }
            })
            .collect();
        let (stats, requests) = (&self.lane_stats, self.tunnels.transit_stats());
        Status {
            ready: self.current_progress() == Progress::Ready,
            hash: self.router_info.hash(),
            net_id: self.config.net_id,
            uptime_secs: now.tick.saturating_since(self.started).as_secs(),
            routers: self.netdb.router_count(),
            floodfills: self.netdb.floodfill_count(),
            lease_sets: self.netdb.lease_set_count(),
            ntcp2_sessions: usize::try_from(stats.sessions).unwrap_or(usize::MAX),
            tunnels: TunnelCounts {
                exploratory_in: exploratory.inbound,
                exploratory_out: exploratory.outbound,
                client_in: destinations.iter().map(|destination| destination.inbound).sum(),
                client_out: destinations.iter().map(|destination| destination.outbound).sum(),
                transit: self.tunnels.transit_tunnels(),
            },
            builds: self.builds(),
            lookups: self.netdb.lookup_counts(),
            transit: TransitCounts {
                agreed: requests.accepted,
                refused: requests.rejected,
                participant: stats.participant,
                gateway: stats.gateway,
                endpoint: stats.endpoint,
            },
            sharing: self.sharing(now),
            traffic: Traffic {
                sent_bytes: stats.sent_bytes,
                received_bytes: stats.received_bytes,
                transit_bytes: stats.transit_bytes,
            },
            drops: self.drops(),
            destinations,
        }
    }

    fn sharing(&self, now: Now) -> TransitStatus {
        let limits = &self.config.limits;
        TransitStatus {
            accepts: limits.transit,
            floodfill: self.config.floodfill,
            class: limits.class(),
            congestion: self.congestion_letter.letter().map(own_router::congestion_letter),
            bytes_per_sec: limits.transit_bytes_per_sec,
            load_percent: self.transit_load.percent(now.tick),
            max_tunnels: limits.max_transit_tunnels,
            memory_percent: self.memory_percent(),
        }
    }

    fn builds(&self) -> BuildCounts {
        let stats = self.tunnels.stats();
        let timed_out = stats.no_reply.saturating_add(stats.bad_replies);
        BuildCounts { tried: stats.started, accepted: stats.built, refused: stats.rejected, timed_out }
    }

    fn drops(&self) -> BTreeMap<&'static str, u64> {
        let lane = self.lane_stats.drops.iter().map(|(reason, count)| (reason.name(), *count));
        let mut drops: BTreeMap<&'static str, u64> = lane.collect();
        drops.insert("strangers-garlic-queue", self.dear.dropped());
        drops.insert("local-letters", self.local.dropped);
        drops.insert("repeated-message", self.repetitions.dropped);
        drops.insert("application-share", self.applications.dropped);
        drops.insert("destination-limit", self.refused_destinations);
        drops.extend(self.tunnels.drops());
        drops.extend(self.netdb.drops().iter().map(|(reason, count)| (reason.name(), *count)));
        drops.retain(|_, count| *count > 0);
        drops
    }
}
