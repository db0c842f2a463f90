//! The same scenario in another size.

use super::{Load, Scenario};

impl Scenario {
    /// The short form: fewer routers and less time, the same ends of ranges, rates and bounds. What happens when keeps its place in the
    /// whole: a fault in the last third is in the last third.
    #[must_use]
    pub fn short(&self) -> Self {
        let mut short = self.clone();
        if let Some(routers) = self.short_routers {
            short = short.with_routers(routers);
        }
        let Some(duration) = self.short_duration_secs else { return short };
        let scale = |secs: u64| scaled(secs, duration, self.duration_secs);
        short.duration_secs = duration;
        // Rounded down, so that what ends in time still does.
        let begin = |secs: u64| secs.saturating_mul(duration) / self.duration_secs.max(1);
        short.faults.iter_mut().for_each(|fault| fault.map_times(begin, scale));
        short.expect.settle_secs = scale(short.expect.settle_secs);
        short.expect.grace_secs = scale(short.expect.grace_secs);
        let Load { pages, bulk, short_lived } = &mut short.load;
        let begins = [
            pages.as_mut().map(|pages| &mut pages.from_secs),
            bulk.as_mut().map(|bulk| &mut bulk.from_secs),
            short_lived.as_mut().map(|short_lived| &mut short_lived.from_secs),
        ];
        begins.into_iter().flatten().for_each(|time| *time = scale(*time));
        short
    }

    /// With another number of routers, the share of floodfills kept (at least one).
    #[must_use]
    pub fn with_routers(mut self, routers: usize) -> Self {
        self.floodfills = (self.floodfills * routers).div_ceil(self.routers.max(1)).clamp(1, routers.max(1));
        self.routers = routers;
        self
    }
}

/// Rounded up, so that what lasts keeps lasting.
fn scaled(value: u64, of: u64, whole: u64) -> u64 {
    value.saturating_mul(of).div_ceil(whole.max(1))
}
