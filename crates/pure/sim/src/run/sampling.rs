//! What is measured while a scenario runs, and at its end.

use std::time::Duration;

use ramson_wire::Tick;

use super::Run;
use crate::measure::{Measures, Sample, Spread};

impl Run {
    pub(super) fn sample(&mut self) {
        let now = self.world.now();
        let mut sample = Sample {
            at: self.elapsed(),
            delivered_bytes: self.users.delivered(),
            wire_bytes: self.world.wire_bytes(),
            ..Sample::default()
        };
        let mut busy = Vec::new();
        let window = now.saturating_since(self.sampled_at).as_micros().max(1);
        self.busy.resize(self.world.routers(), Duration::ZERO);
        for router in 0..self.world.routers() {
            let Some(status) = self.world.status(router) else { continue };
            sample.routers_up += 1;
            sample.routers_ready += usize::from(status.ready);
            for (reason, count) in status.drops {
                *sample.drops.entry(reason).or_default() += count;
            }
            let total = self.world.busy(router);
            let spent = self.busy.get_mut(router).map(|before| total.saturating_sub(std::mem::replace(before, total)));
            // Two threads, each with a core.
            busy.push(u64::try_from(spent.unwrap_or_default().as_micros() * 1_000 / (2 * window)).unwrap_or(u64::MAX));
        }
        sample.busy_permille = Spread::of(busy);
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
        measures.violations = self.world.violations().to_vec();
        measures
    }
}
