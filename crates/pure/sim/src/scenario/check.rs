//! What values make sense.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::fault::Disk;
use super::{Between, Expect, Fault, Load, Scenario};

/// A value that isn't allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}; allowed: {allowed}")]
pub struct WrongValue {
    /// As in TOML, tables first.
    pub key: String,
    /// What it is.
    pub what: String,
    /// What it may be.
    pub allowed: String,
}

/// A week: more than any run here is worth.
const MOST_SECS: u64 = 7 * 86_400;
const MOST_ROUTERS: usize = 100_000;
const MOST_BYTES: u64 = 1_000_000_000_000;
/// A minute: TCP itself gives up at a few of them.
const MOST_DELAY_MS: u64 = 60_000;
/// A day.
const MOST_SKEW_MS: i64 = 86_400_000;
const MOST_COUNT: usize = 1_000_000;

impl Scenario {
    /// Whether all values make sense, in the short form too.
    ///
    /// # Errors
    /// The first that doesn't.
    pub fn check(&self) -> Result<(), WrongValue> {
        self.check_form()?;
        self.short().check_form().map_err(|wrong| WrongValue { key: format!("in the short form: {}", wrong.key), ..wrong })
    }

    fn check_form(&self) -> Result<(), WrongValue> {
        within("duration-secs", self.duration_secs, 1..=MOST_SECS)?;
        within("routers", self.routers, 1..=MOST_ROUTERS)?;
        within("floodfills", self.floodfills, 1..=self.routers)?;
        within("short-duration-secs", self.short_duration_secs.unwrap_or(1), 1..=self.duration_secs)?;
        within("short-routers", self.short_routers.unwrap_or(1), 1..=self.routers)?;
        within("sample-secs", self.sample_secs, 1..=self.duration_secs)?;
        within("start-spread-ms", self.start_spread_ms, 0..=3_600_000)?;
        within("addresses-per-subnet", self.addresses_per_subnet, 1..=60_000)?;
        self.check_machines()?;
        check_load(&self.load, self.duration_secs)?;
        for (index, fault) in self.faults.iter().enumerate() {
            self.check_fault(fault, &format!("faults[{}] ({})", index + 1, fault.kind()))?;
        }
        self.check_expectations()
    }

    fn check_machines(&self) -> Result<(), WrongValue> {
        let links = &self.links;
        ordered("links.latency-ms", links.latency_ms, 0..=MOST_DELAY_MS)?;
        within("links.jitter-ms", links.jitter_ms, 0..=MOST_DELAY_MS)?;
        // Of a link that loses more than half there is no use in asking how well it works.
        within("links.loss-permille", links.loss_permille, 0..=500)?;
        within("links.reorder-permille", links.reorder_permille, 0..=1_000)?;
        ordered("links.rate-kbytes-per-sec", links.rate_kbytes_per_sec, 1..=100_000_000)?;
        within("links.mtu", links.mtu, 1_280..=65_535)?;
        within("links.resets-per-hour", links.resets_per_hour, 0..=100_000)?;
        ordered("clocks.skew-ms", self.clocks.skew_ms, -MOST_SKEW_MS..=MOST_SKEW_MS)?;
        within("cpu.scale-percent", self.cpu.scale_percent, 0..=100_000)
    }

    fn check_fault(&self, fault: &Fault, place: &str) -> Result<(), WrongValue> {
        let key = |name: &str| format!("{place}.{name}");
        let share = |name: &str, value: u32, least: u32| within(&key(name), value, least..=1_000);
        let (from, to) = fault.times();
        match fault {
            Fault::ClockJump(_) | Fault::Crash(_) => within(&key("at-secs"), from, 0..=self.duration_secs)?,
            _ => {
                within(&key("to-secs"), to, 1..=self.duration_secs)?;
                within(&key("from-secs"), from, 0..=to - 1)?;
            }
        }
        match fault {
            Fault::Churn(churn) => {
                within(&key("leave-permille-per-10-minutes"), churn.leave_permille_per_10_minutes, 1..=100_000)?;
                share("crash-permille", churn.crash_permille, 0)?;
                share("stop-permille", churn.stop_permille, 0)?;
                within(&key("crash-permille + stop-permille"), churn.crash_permille + churn.stop_permille, 0..=1_000)?;
                share("return-permille", churn.return_permille, 0)
            }
            Fault::Partition(partition) => within(&key("share-permille"), partition.share_permille, 1..=999),
            Fault::ClockJump(jump) => {
                share("routers-permille", jump.routers_permille, 1)?;
                within(&key("by-ms"), jump.by_ms, -MOST_SKEW_MS..=MOST_SKEW_MS)
            }
            Fault::Disk(disk) => {
                share("torn-permille", disk.torn_permille, 0)?;
                share("lost-permille", disk.lost_permille, 0)?;
                share("failing-permille", disk.failing_permille, 0)?;
                let sum = disk.torn_permille + disk.lost_permille + disk.failing_permille;
                within(&key("torn-permille + lost-permille + failing-permille"), sum, 0..=1_000)?;
                // They come in the middle half of the time, and leave half of the routers running.
                let most = u64::try_from(self.routers).unwrap_or(0) * (to - from) / 4 / Disk::DOWN_SECS;
                within(&key("crashes"), u64::from(disk.crashes), 0..=most)
            }
            Fault::Crash(crash) => {
                within(&key("routers"), crash.routers, 1..=self.routers)?;
                within(&key("silent and clean"), u32::from(crash.silent) + u32::from(crash.clean), 0..=1)?;
                within(&key("down-secs"), crash.down_secs, 0..=self.duration_secs - from)
            }
            Fault::Flood(flood) => {
                within(&key("times-capacity"), flood.times_capacity, 1..=1_000)?;
                within(&key("routers"), flood.routers, 1..=self.routers)
            }
        }
    }

    fn check_expectations(&self) -> Result<(), WrongValue> {
        let expect = &self.expect;
        within("expect.settle-secs", expect.settle_secs, 0..=MOST_SECS)?;
        within("expect.grace-secs", expect.grace_secs, 0..=MOST_SECS)?;
        within("expect.ready-permille", expect.ready_permille, 1..=1_000)?;
        for (key, share) in shares(expect) {
            within(&format!("expect.{key}"), share.unwrap_or(0), 0..=1_000)?;
        }
        within("expect.ready-at-end-permille", expect.ready_at_end_permille.unwrap_or(0), 0..=1_000)?;
        within("expect.ready-within-secs", expect.ready_within_secs.unwrap_or(0), 0..=self.duration_secs)?;
        within("expect.reachable-again-within-secs", expect.reachable_again_within_secs.unwrap_or(0), 0..=self.duration_secs)?;
        // An expectation of something that never happens would hold for ever and say nothing.
        let (pages, bulk, short_lived) = (self.load.pages.is_some(), self.load.bulk.is_some(), self.load.short_lived.is_some());
        let faults = !self.faults.is_empty();
        needs("pages-permille", expect.pages_permille.is_some(), pages, "[load.pages]")?;
        needs(
            "pages-in-faults-permille",
            expect.pages_in_faults_permille.is_some(),
            pages && faults,
            "[load.pages] and [[faults]]",
        )?;
        needs("page-median-ms", expect.page_median_ms.is_some(), pages, "[load.pages]")?;
        needs("bulk-permille", expect.bulk_permille.is_some(), bulk, "[load.bulk]")?;
        needs("bulk-kbytes-per-sec", expect.bulk_kbytes_per_sec.is_some(), bulk, "[load.bulk]")?;
        needs("short-lived-permille", expect.short_lived_permille.is_some(), short_lived, "[load.short-lived]")?;
        let floods = self.faults.iter().any(|fault| matches!(fault, Fault::Flood(_)));
        let goodput = expect.flood_goodput_permille.is_some();
        needs("flood-goodput-permille", goodput, floods && (pages || bulk), "[load.pages] or [load.bulk], and a flood")?;
        needs("flood-builds-permille", expect.flood_builds_permille.is_some(), floods, "a flood")?;
        let again = expect.reachable_again_within_secs.is_some();
        needs("reachable-again-within-secs", again, pages && faults, "[load.pages] and [[faults]]")
    }
}

fn shares(expect: &Expect) -> [(&'static str, Option<u32>); 9] {
    [
        ("pages-permille", expect.pages_permille),
        ("pages-in-faults-permille", expect.pages_in_faults_permille),
        ("bulk-permille", expect.bulk_permille),
        ("short-lived-permille", expect.short_lived_permille),
        ("builds-permille", expect.builds_permille),
        ("lookups-permille", expect.lookups_permille),
        ("lease-sets-soon-permille", expect.lease_sets_soon_permille),
        ("flood-goodput-permille", expect.flood_goodput_permille),
        ("flood-builds-permille", expect.flood_builds_permille),
    ]
}

fn check_load(load: &Load, duration: u64) -> Result<(), WrongValue> {
    if let Some(pages) = &load.pages {
        within("load.pages.sites", pages.sites, 1..=MOST_COUNT)?;
        within("load.pages.sites-per-router", pages.sites_per_router, 1..=MOST_COUNT)?;
        within("load.pages.visitors", pages.visitors, 1..=MOST_COUNT)?;
        within("load.pages.from-secs", pages.from_secs, 0..=duration)?;
        within("load.pages.every-secs", pages.every_secs, 1..=MOST_SECS)?;
        ordered("load.pages.bytes", pages.bytes, 0..=MOST_BYTES)?;
    }
    if let Some(bulk) = &load.bulk {
        within("load.bulk.streams", bulk.streams, 1..=MOST_COUNT)?;
        within("load.bulk.from-secs", bulk.from_secs, 0..=duration)?;
        within("load.bulk.bytes", bulk.bytes, 1..=MOST_BYTES)?;
    }
    if let Some(short_lived) = &load.short_lived {
        within("load.short-lived.from-secs", short_lived.from_secs, 0..=duration)?;
        within("load.short-lived.every-secs", short_lived.every_secs, 1..=MOST_SECS)?;
        within("load.short-lived.life-secs", short_lived.life_secs, 1..=MOST_SECS)?;
        within("load.short-lived.bytes", short_lived.bytes, 0..=MOST_BYTES)?;
    }
    Ok(())
}

fn within<T: PartialOrd + Display>(key: &str, value: T, allowed: RangeInclusive<T>) -> Result<(), WrongValue> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let allowed = format!("{} to {}", allowed.start(), allowed.end());
    Err(WrongValue { key: key.to_owned(), what: format!("is {value}"), allowed })
}

fn ordered<T: PartialOrd + Display + Copy>(key: &str, value: Between<T>, allowed: RangeInclusive<T>) -> Result<(), WrongValue> {
    let Between { least, most } = value;
    if least <= most && allowed.contains(&least) && allowed.contains(&most) {
        return Ok(());
    }
    let allowed = format!("two numbers of {} to {}, the smaller one first", allowed.start(), allowed.end());
    Err(WrongValue { key: key.to_owned(), what: format!("is [{least}, {most}]"), allowed })
}

fn needs(key: &str, asked: bool, there: bool, what: &str) -> Result<(), WrongValue> {
    if !asked || there {
        return Ok(());
    }
    let allowed = format!("only with {what}");
    Err(WrongValue { key: format!("expect.{key}"), what: "can't be measured".to_owned(), allowed })
}
