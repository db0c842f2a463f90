//! How good a network must be.

use serde::Deserialize;

/// Bounds on what is measured; what isn't there isn't checked. That no oracle is violated is always checked.
///
/// *Calm* is the time from `settle_secs` on, without the faults' times and `grace_secs` after each of them. A visit belongs to it if it
/// began and ended in it; a sample if all the time since the one before does. Of what the settling touches nothing is judged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Expect {
    /// Time for the network to form.
    pub settle_secs: u64,
    /// Time for the network to recover after each fault.
    pub grace_secs: u64,
    /// So many routers count for `ready_within_secs`, the fastest ones.
    pub ready_permille: u32,
    /// Routers are ready so long after their first start.
    pub ready_within_secs: Option<u64>,
    /// Of the routers that run at the last sample, those that are ready then.
    pub ready_at_end_permille: Option<u32>,
    /// Page fetches in calm that succeed.
    pub pages_permille: Option<u32>,
    /// Other page fetches that succeed.
    pub pages_in_faults_permille: Option<u32>,
    /// The middle one of the successful page fetches in calm takes no longer.
    pub page_median_ms: Option<u64>,
    /// Of all streams that were to run, those that deliver everything.
    pub bulk_permille: Option<u32>,
    /// The middle one of the successful streams is as fast. A kilobyte is 1,000 bytes.
    pub bulk_kbytes_per_sec: Option<u64>,
    /// Visits in calm to short-lived destinations that succeed.
    pub short_lived_permille: Option<u32>,
    /// Own tunnels begun in calm that all hops accept.
    pub builds_permille: Option<u32>,
    /// Lookups in calm that find.
    pub lookups_permille: Option<u32>,
    /// Searches of destinations for LeaseSets that end in calm and find within five seconds.
    pub lease_sets_soon_permille: Option<u32>,
    /// Bytes that arrive at applications in a second while a flood lasts, of those that do in calm.
    pub flood_goodput_permille: Option<u32>,
    /// Own tunnels that all hops accept, of those begun, while a flood lasts, of the same share in calm.
    pub flood_builds_permille: Option<u32>,
    /// Every published destination is reached so long after the last fault's end.
    pub reachable_again_within_secs: Option<u64>,
    /// The most that any router holds at any sample, by its registered bounds.
    pub memory_per_router_bytes: Option<u64>,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            settle_secs: 60,
            grace_secs: 60,
            ready_permille: 1_000,
            ready_within_secs: None,
            ready_at_end_permille: None,
            pages_permille: None,
            pages_in_faults_permille: None,
            page_median_ms: None,
            bulk_permille: None,
            bulk_kbytes_per_sec: None,
            short_lived_permille: None,
            builds_permille: None,
            lookups_permille: None,
            lease_sets_soon_permille: None,
            flood_goodput_permille: None,
            flood_builds_permille: None,
            reachable_again_within_secs: None,
            memory_per_router_bytes: None,
        }
    }
}
