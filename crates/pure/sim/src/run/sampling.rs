//! What is measured while a scenario runs, and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_engine::Status;
use ramson_wire::Tick;

use super::Run;
use crate::measure::{Measures, Sample, Spread};

/// What a router counts since its start.
#[derive(Clone, Default)]
struct Counts {
    builds_tried: u64,
    builds_accepted: u64,
    lookups_asked: u64,
    lookups_found: u64,
    lease_sets_sought: u64,
    lease_sets_soon: u64,
    drops: BTreeMap<&'static str, u64>,
}

impl Counts {
    fn of(status: Status) -> Self {
        Self {
            builds_tried: status.builds.tried,
            builds_accepted: status.builds.accepted,
            lookups_asked: status.lookups.asked,
            lookups_found: status.lookups.found,
            lease_sets_sought: status.lookups.lease_sets,
            lease_sets_soon: status.lookups.lease_sets_soon,
            drops: status.drops,
        }
    }

    fn add(&mut self, other: &Self) {
        self.builds_tried += other.builds_tried;
        self.builds_accepted += other.builds_accepted;
        self.lookups_asked += other.lookups_asked;
        self.lookups_found += other.lookups_found;
        self.lease_sets_sought += other.lease_sets_sought;
        self.lease_sets_soon += other.lease_sets_soon;
        for (reason, count) in &other.drops {
            *self.drops.entry(reason).or_default() += count;
        }
    }
}

/// What a router counted over all its lives, as far as samples saw it.
#[derive(Default)]
pub(super) struct Counted {
    busy: Duration,
    /// Of lives that are over.
    before: Counts,
    /// Of the last one, at the last sample in it.
    last: Counts,
    uptime_secs: u64,
}

impl Counted {
    fn note(&mut self, status: Status) {
        let uptime_secs = std::mem::replace(&mut self.uptime_secs, status.uptime_secs);
        let before = std::mem::replace(&mut self.last, Counts::of(status));
        if self.uptime_secs < uptime_secs {
            self.before.add(&before);
        }
    }
}

impl Run {
    pub(super) fn sample(&mut self) {
        let now = self.world.now();
        let mut sample = Sample {
            at: self.elapsed(),
            delivered_bytes: self.users.delivered(),
            wire_bytes: self.world.wire_bytes(),
            ..Sample::default()
        };
        let window = now.saturating_since(self.sampled_at).as_micros().max(1);
        let (mut busy, mut memory, mut totals) = (Vec::new(), Vec::new(), Counts::default());
        self.counted.resize_with(self.world.routers(), Counted::default);
        for (router, counted) in self.counted.iter_mut().enumerate().filter(|(router, _)| !self.hostile.contains(router)) {
            if let Some(status) = self.world.status(router) {
                sample.routers_up += 1;
                sample.routers_ready += usize::from(status.ready);
                counted.note(status);
                let spent = self.world.busy(router);
                let lately = spent.saturating_sub(std::mem::replace(&mut counted.busy, spent));
                // Two threads, each with a core.
                busy.push(u64::try_from(lately.as_micros() * 1_000 / (2 * window)).unwrap_or(u64::MAX));
                let mut bytes = 0;
                self.world.bounds(router, &mut |bound| bytes += bound.bytes);
                memory.push(u64::try_from(bytes).unwrap_or(u64::MAX));
            }
            totals.add(&counted.before);
            totals.add(&counted.last);
        }
        sample.busy_permille = Spread::of(busy);
        sample.memory = Spread::of(memory);
        (sample.builds_tried, sample.builds_accepted) = (totals.builds_tried, totals.builds_accepted);
        (sample.lookups_asked, sample.lookups_found) = (totals.lookups_asked, totals.lookups_found);
        (sample.lease_sets_sought, sample.lease_sets_soon) = (totals.lease_sets_sought, totals.lease_sets_soon);
        sample.drops = totals.drops;
        self.sampled_at = now;
        self.measures.samples.push(sample);
    }

    pub(super) fn conclude(mut self) -> Measures {
        self.users.tend(&mut self.world, &mut self.measures);
        if let Some(faults_end) = self.scenario.last_fault_ends() {
            let within = self.scenario.expect.reachable_again_within_secs;
            self.users.check_reachable_again(&mut self.world, faults_end, within);
        }
        let routers = self.world.routers();
        let mut measures = self.measures;
        measures.routers = routers;
        measures.simulated = self.world.now().saturating_since(Tick(0));
        measures.steps = self.world.steps();
        measures.trace_hash = self.world.trace_hash();
        measures.ready_after =
            (0..routers).filter(|router| !self.hostile.contains(router)).map(|router| self.world.ready_after(router)).collect();
        measures.reachable_again = self.users.reachable_again();
        self.world.question();
        self.users.close_all(&mut self.world);
        self.world.empty();
        measures.violations = self.world.violations().to_vec();
        measures
    }
}
