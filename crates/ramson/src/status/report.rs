//! What a router tells of itself, and how a person is shown it.

use std::collections::BTreeMap;

use anyhow::Context;
use ramson_router::{Limits, Status};
use ramson_wire::base64;
use serde::{Deserialize, Serialize};

/// The JSON object of `ramson status --json`. Hashes are in I2P's base64.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatusReport {
    ready: bool,
    router: RouterReport,
    netdb: NetDbReport,
    sessions: SessionsReport,
    tunnels: TunnelsReport,
    builds: BuildsReport,
    lookups: LookupsReport,
    transit: TransitReport,
    limits: LimitsReport,
    traffic: TrafficReport,
    storage: StorageReport,
    drops: BTreeMap<String, u64>,
    destinations: Vec<DestinationReport>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RouterReport {
    hash: String,
    version: String,
    net_id: u8,
    uptime_secs: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct NetDbReport {
    routers: usize,
    floodfills: usize,
    lease_sets: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct SessionsReport {
    ntcp2: usize,
    ssu2: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct TunnelsReport {
    exploratory_in: usize,
    exploratory_out: usize,
    client_in: usize,
    client_out: usize,
    transit: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct BuildsReport {
    tried: u64,
    accepted: u64,
    refused: u64,
    timed_out: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct LookupsReport {
    asked: u64,
    found: u64,
    failed: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct TransitReport {
    agreed: u64,
    refused: u64,
    participant: u64,
    gateway: u64,
    endpoint: u64,
}

/// What is set, or follows from it, and how full it is. Rates are bytes a second; none: no limit.
#[derive(Debug, Serialize, Deserialize)]
struct LimitsReport {
    bandwidth_in: Option<u64>,
    bandwidth_out: Option<u64>,
    application_bandwidth: Option<u64>,
    transit: bool,
    transit_bandwidth: Option<u64>,
    transit_load_percent: u8,
    transit_tunnels: usize,
    class: String,
    /// By which others are asked to spare us.
    congestion: Option<String>,
    connections: usize,
    memory_max: usize,
    memory_percent: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct TrafficReport {
    sent_bytes: u64,
    received_bytes: u64,
    transit_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StorageReport {
    /// Why nothing can be saved now.
    problem: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DestinationReport {
    name: String,
    b32: String,
    inbound: usize,
    outbound: usize,
    published: bool,
}

impl LimitsReport {
    fn new(status: &Status, limits: &Limits, floodfill: bool) -> Self {
        let sharing = &status.sharing;
        Self {
            bandwidth_in: limits.in_bytes_per_sec,
            bandwidth_out: limits.out_bytes_per_sec,
            application_bandwidth: limits.application_bytes_per_sec,
            transit: sharing.accepts,
            transit_bandwidth: sharing.bytes_per_sec,
            transit_load_percent: sharing.load_percent,
            transit_tunnels: sharing.max_tunnels,
            class: sharing.class.to_string(),
            congestion: sharing.congestion.map(String::from),
            connections: limits.connections(floodfill),
            memory_max: limits.memory_bytes,
            memory_percent: sharing.memory_percent,
        }
    }
}

impl StatusReport {
    pub(crate) fn new(status: Status, storage_problem: Option<String>, limits: &Limits) -> Self {
        Self {
            ready: status.ready,
            router: RouterReport {
                hash: base64::encode(&status.hash.0),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                net_id: status.net_id,
                uptime_secs: status.uptime_secs,
            },
            netdb: NetDbReport { routers: status.routers, floodfills: status.floodfills, lease_sets: status.lease_sets },
            sessions: SessionsReport { ntcp2: status.ntcp2_sessions, ssu2: 0 },
            tunnels: TunnelsReport {
                exploratory_in: status.tunnels.exploratory_in,
                exploratory_out: status.tunnels.exploratory_out,
                client_in: status.tunnels.client_in,
                client_out: status.tunnels.client_out,
                transit: status.tunnels.transit,
            },
            builds: BuildsReport {
                tried: status.builds.tried,
                accepted: status.builds.accepted,
                refused: status.builds.refused,
                timed_out: status.builds.timed_out,
            },
            lookups: LookupsReport { asked: status.lookups.asked, found: status.lookups.found, failed: status.lookups.failed },
            transit: TransitReport {
                agreed: status.transit.agreed,
                refused: status.transit.refused,
                participant: status.transit.participant,
                gateway: status.transit.gateway,
                endpoint: status.transit.endpoint,
            },
            limits: LimitsReport::new(&status, limits, status.sharing.floodfill),
            traffic: TrafficReport {
                sent_bytes: status.traffic.sent_bytes,
                received_bytes: status.traffic.received_bytes,
                transit_bytes: status.traffic.transit_bytes,
            },
            storage: StorageReport { problem: storage_problem },
            drops: status.drops.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
            destinations: status
                .destinations
                .into_iter()
                .map(|destination| DestinationReport {
                    name: destination.name,
                    b32: destination.hash.to_b32(),
                    inbound: destination.inbound,
                    outbound: destination.outbound,
                    published: destination.published,
                })
                .collect(),
        }
    }
}

/// What a person is shown of an answer.
pub(crate) fn read_answer(line: &str) -> anyhow::Result<String> {
    let report: StatusReport =
        serde_json::from_str(line).context("the router's answer is not understood: is it of another version?")?;
    Ok(describe(&report))
}

fn describe_limits(limits: &LimitsReport) -> String {
    let rate = |rate: Option<u64>| rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{} KB/s", rate / 1_000));
    let others = if limits.transit {
        format!(
            "{} and {} tunnels for others, {} % of it used",
            rate(limits.transit_bandwidth),
            limits.transit_tunnels,
            limits.transit_load_percent
        )
    } else {
        "nothing for others".to_owned()
    };
    format!(
        "limits       {} in, {} out; {others}; class {}{}; {} connections; {} MiB of memory, {} % of what others may fill used",
        rate(limits.bandwidth_in),
        rate(limits.bandwidth_out),
        limits.class,
        limits.congestion.as_deref().unwrap_or_default(),
        limits.connections,
        limits.memory_max >> 20,
        limits.memory_percent
    )
}

fn describe(report: &StatusReport) -> String {
    let StatusReport { router, netdb, sessions, tunnels, builds, lookups, transit, limits, traffic, .. } = report;
    let mut lines = vec![
        format!("{} for {} s, network {}", if report.ready { "ready" } else { "not ready" }, router.uptime_secs, router.net_id),
        format!("router       {}", router.hash),
        format!(
            "known        {} routers, {} of them floodfills; {} LeaseSets",
            netdb.routers, netdb.floodfills, netdb.lease_sets
        ),
        format!("sessions     {} NTCP2", sessions.ntcp2),
        format!(
            "tunnels      {} + {} exploratory, {} + {} client (in + out), {} of others",
            tunnels.exploratory_in, tunnels.exploratory_out, tunnels.client_in, tunnels.client_out, tunnels.transit
        ),
        format!(
            "built        {} of {} own tunnels, {} refused, {} without an answer",
            builds.accepted, builds.tried, builds.refused, builds.timed_out
        ),
        format!("looked up    {}, {} of them found, {} not", lookups.asked, lookups.found, lookups.failed),
        format!(
            "relayed      {} messages as participant, {} as gateway, {} as endpoint; {} builds agreed to, {} refused",
            transit.participant, transit.gateway, transit.endpoint, transit.agreed, transit.refused
        ),
        describe_limits(limits),
        format!(
            "traffic      {} bytes sent ({} of them for others), {} received",
            traffic.sent_bytes, traffic.transit_bytes, traffic.received_bytes
        ),
    ];
    lines.extend(report.storage.problem.iter().map(|problem| format!("disk         {problem}")));
    lines.extend(
        report.drops.iter().filter(|drop| *drop.1 > 0).map(|(reason, count)| format!("dropped      {count} for {reason}")),
    );
    for destination in &report.destinations {
        lines.push(format!(
            "destination  {} {} ({} + {} tunnels{})",
            destination.name,
            destination.b32,
            destination.inbound,
            destination.outbound,
            if destination.published { ", published" } else { "" }
        ));
    }
    let plain = |line: &String| line.replace(char::is_control, "\u{fffd}");
    lines.iter().map(plain).collect::<Vec<_>>().join("\n")
}
