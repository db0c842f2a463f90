//! What goes wrong in a scenario.

use std::time::Duration;

use ramson_crypto::rng;

use super::{End, Leaving, Plan, Run};
use crate::disk::DiskFaults;
use crate::load::Load;
use crate::scenario::{Churn, ClockJump, Crash, Disk, Fault, Partition};

/// A churning router stays away for up to so long.
const AWAY_SECS: u64 = 60;
/// If nobody is there to be killed, then so long after.
const CRASH_AGAIN: Duration = Duration::from_secs(1);

impl Run {
    pub(super) fn plan_faults(&mut self) {
        for (index, fault) in self.scenario.faults.clone().into_iter().enumerate() {
            self.plan(fault.begins(), Plan::Fault { index, begins: true });
            self.plan(fault.ends(), Plan::Fault { index, begins: false });
            match fault {
                Fault::Churn(churn) => self.plan_churn(&churn),
                Fault::Flood(flood) => self.plan_flood(index, &flood),
                _ => {}
            }
        }
        let resets = u64::from(self.scenario.links.resets_per_hour) * u64::try_from(self.scenario.routers).unwrap_or(0);
        for _ in 0..resets * self.scenario.duration_secs / 3_600 {
            let at = rng::between(&mut self.rng, 0, self.scenario.duration_secs * 1_000);
            self.plan(Duration::from_millis(at), Plan::Reset);
        }
    }

    fn plan_churn(&mut self, churn: &Churn) {
        let routers = u64::try_from(self.scenario.routers).unwrap_or(0);
        let time = churn.to_secs - churn.from_secs;
        let leaves = routers * u64::from(churn.leave_permille_per_10_minutes) * time / 600_000;
        for _ in 0..leaves {
            let at = Duration::from_millis(rng::between(&mut self.rng, churn.from_secs * 1_000, churn.to_secs * 1_000));
            let end = match rng::below(&mut self.rng, 1_000) {
                draw if draw < churn.crash_permille => End::Killed,
                draw if draw < churn.crash_permille + churn.stop_permille => End::Stopped,
                _ => End::Silent,
            };
            let away = Duration::from_millis(rng::between(&mut self.rng, 1_000, AWAY_SECS * 1_000));
            let back = (at + away).min(Duration::from_secs(churn.to_secs));
            let again = rng::below(&mut self.rng, 1_000) < churn.return_permille;
            self.plan(at, Plan::Leave(Leaving { end, back, again }));
        }
    }

    pub(super) fn fault(&mut self, index: usize, begins: bool) {
        let Some(fault) = self.scenario.faults.get(index).cloned() else { return };
        match fault {
            Fault::Partition(partition) => self.partition(&partition, begins),
            Fault::ClockJump(jump) if begins => self.jump(&jump),
            Fault::Disk(disk) => self.disk(&disk, begins),
            Fault::Crash(crash) if begins => self.crash(&crash),
            Fault::Churn(_) | Fault::Flood(_) | Fault::ClockJump(_) | Fault::Crash(_) => {}
        }
    }

    /// So many of the scenario's routers, drawn.
    fn some_routers(&mut self, count: usize) -> Vec<usize> {
        let mut routers: Vec<usize> = (0..self.scenario.routers).collect();
        rng::shuffle(&mut self.rng, &mut routers);
        routers.truncate(count);
        routers
    }

    fn share(&self, permille: u32) -> usize {
        self.scenario.routers * usize::try_from(permille).unwrap_or(0) / 1_000
    }

    fn partition(&mut self, partition: &Partition, begins: bool) {
        if begins {
            for router in self.some_routers(self.share(partition.share_permille)) {
                self.world.set_side(router, 1);
            }
        } else {
            (0..self.world.routers()).for_each(|router| self.world.set_side(router, 0));
        }
    }

    fn jump(&mut self, jump: &ClockJump) {
        for router in self.some_routers(self.share(jump.routers_permille)) {
            self.world.jump_clock(router, jump.by_ms);
        }
    }

    fn disk(&mut self, disk: &Disk, begins: bool) {
        let faults = DiskFaults { torn: disk.torn_permille, lost: disk.lost_permille, failing: disk.failing_permille };
        self.disk_faults = if begins { faults } else { DiskFaults::default() };
        for router in 0..self.world.routers() {
            self.world.set_disk_faults(router, self.disk_faults);
        }
        if !begins {
            return;
        }
        for _ in 0..disk.crashes {
            let span = (disk.to_secs - disk.from_secs) * 1_000;
            let wait = Duration::from_millis(rng::between(&mut self.rng, span / 4, span * 3 / 4));
            self.after(wait, Plan::Crash);
        }
    }

    /// One of the scenario's routers is killed, and soon starts again. If none runs, then one that does a little later.
    pub(super) fn crash_one(&mut self) {
        let running = self.running().filter(|router| *router < self.scenario.routers).collect();
        match self.draw(running) {
            Some(router) => {
                self.world.crash(router, false);
                self.after(Duration::from_secs(Disk::DOWN_SECS), Plan::Restart { router });
            }
            None => self.after(CRASH_AGAIN, Plan::Crash),
        }
    }

    /// Routers that run, and aren't told to end.
    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.world.routers()).filter(|router| self.world.is_up(*router) && !self.world.is_ending(*router))
    }

    fn draw(&mut self, routers: Vec<usize>) -> Option<usize> {
        let draw = rng::below(&mut self.rng, u32::try_from(routers.len()).unwrap_or(0));
        routers.get(usize::try_from(draw).unwrap_or(0)).copied()
    }

    fn crash(&mut self, crash: &Crash) {
        for router in self.some_routers(crash.routers) {
            self.end(
                router,
                if crash.clean {
                    End::Stopped
                } else if crash.silent {
                    End::Silent
                } else {
                    End::Killed
                },
            );
            self.after(Duration::from_secs(crash.down_secs), Plan::Restart { router });
        }
    }

    fn end(&mut self, router: usize, end: End) {
        match end {
            End::Silent => self.world.crash(router, true),
            End::Killed => self.world.crash(router, false),
            End::Stopped => self.world.stop(router),
        }
    }

    /// A router leaves. Where users sit it is started again; else another may come in its place.
    pub(super) fn leave(&mut self, Leaving { end, back, again }: Leaving) {
        let running = self.running().collect();
        let Some(router) = self.draw(running) else { return };
        self.end(router, end);
        if self.users.are_at(router) {
            self.plan(back, Plan::Restart { router });
        } else {
            self.gone.insert(router);
            self.plan(back, Plan::Come { again });
        }
    }

    pub(super) fn add_router(&mut self, floodfill: bool) {
        let number = self.world.add_router(floodfill, Load::default());
        self.world.set_disk_faults(number, self.disk_faults);
    }

    /// A router comes: one that left, or a new one.
    pub(super) fn come(&mut self, again: bool) {
        let back = if again { self.gone.pop_first() } else { None };
        match back {
            Some(router) => self.act(Plan::Restart { router }),
            None => self.add_router(false),
        }
    }

    /// A connection breaks of one of the routers that have any. Whether there was one.
    pub(super) fn reset(&mut self) -> bool {
        let connected = (0..self.world.routers()).filter(|router| self.world.has_connections(*router)).collect();
        let Some(router) = self.draw(connected) else { return false };
        let draw = rng::below(&mut self.rng, u32::MAX);
        self.world.reset_connection(router, draw)
    }
}

#[cfg(test)]
mod tests {
    use ramson_leaks::{Watched, watch_thread};

    use super::*;
    use crate::scenario::Scenario;

    fn begin(routers: usize, faults: Vec<Fault>) -> Watched<Run> {
        let scenario = Scenario { routers, floodfills: 1, duration_secs: 120, faults, ..Scenario::default() };
        watch_thread().over(Run::new(&scenario, 1))
    }

    /// With fewer routers than that, too: some die several times.
    #[test]
    fn as_many_die_as_a_bad_disk_says() {
        let disk = Disk { from_secs: 0, to_secs: 100, torn_permille: 0, lost_permille: 0, failing_permille: 0, crashes: 12 };
        let mut run = begin(3, vec![Fault::Disk(disk)]);
        let (mut died, mut up) = (0, [false; 3]);
        for step in 0..1_200 {
            run.run_to(Duration::from_millis(step * 100));
            for (router, up) in up.iter_mut().enumerate() {
                let before = std::mem::replace(up, run.world.is_up(router));
                died += u32::from(before && !*up);
            }
        }
        assert_eq!((died, up), (12, [true; 3]));
    }

    #[test]
    fn each_reset_breaks_a_connection() {
        let mut run = begin(8, Vec::new());
        run.run_to(Duration::from_secs(20));
        for router in 0..5 {
            run.world.crash(router, router % 2 == 0);
        }
        run.run_to(Duration::from_secs(21));
        assert!(run.reset(), "of the three that are left");
        run.world.crash(5, false);
        run.world.crash(6, false);
        run.run_to(Duration::from_secs(22));
        assert!(!run.reset(), "one alone has none");
    }
}
