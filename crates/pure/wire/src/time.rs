//! Clock readings, always given from outside: [`Now`] carries a monotonic [`Tick`] for timers and a [`Date`] for the wire.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A monotonic reading in nanoseconds since some start that only the driver knows. For timers; never goes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

/// Wall time in milliseconds since 1970-01-01 00:00 UTC; 8 bytes on the wire. Source: Common structures, "Date".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub u64);

/// Wall time in whole seconds since 1970-01-01 00:00 UTC; 4 bytes on the wire (short I2NP header, LeaseSet2, Lease2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds32(pub u32);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now {
    /// Monotonic time: timers and deadlines.
    pub tick: Tick,
    /// Wall time: what goes on the wire.
    pub date: Date,
}

const MS_PER_DAY: u64 = 86_400_000;
const MS_PER_MINUTE: u64 = 60_000;

/// Nanoseconds of a duration, at most `u64::MAX` (584 years).
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds of a duration, at most `u64::MAX`.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Tick {
    /// Time from `earlier` to `self`, zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;
    /// Saturates at the end of time.
    fn add(self, duration: Duration) -> Tick {
        Tick(self.0.saturating_add(nanos(duration)))
    }
}

impl Date {
    /// Nearest whole second (half a second rounds up), at most `u32::MAX`.
    pub fn to_seconds_rounded(self) -> Seconds32 {
        Seconds32(u32::try_from(self.0.saturating_add(500) / 1000).unwrap_or(u32::MAX))
    }

    /// The whole second that has passed, at most `u32::MAX`.
    pub fn to_seconds_floor(self) -> Seconds32 {
        Seconds32(u32::try_from(self.0 / 1000).unwrap_or(u32::MAX))
    }

    /// Whole minutes since the epoch, rounded down, at most `u32::MAX`: the time in tunnel build records.
    pub fn to_minutes(self) -> u32 {
        u32::try_from(self.0 / MS_PER_MINUTE).unwrap_or(u32::MAX)
    }

    /// The start of a minute counted since the epoch.
    pub fn from_minutes(minutes: u32) -> Date {
        Date(u64::from(minutes) * MS_PER_MINUTE)
    }

    /// Whole days (UTC) since the epoch.
    pub fn day(self) -> u64 {
        self.0 / MS_PER_DAY
    }

    /// Time from `earlier` to `self`, zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Date) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The day (UTC) as eight ASCII digits `yyyyMMdd`, as routing keys and blinding use it. Years past 9999 give 9999.
    /// Source: Network database, "Routing key".
    pub fn yyyymmdd(self) -> [u8; 8] {
        let (year, month, day) = civil(self.day());
        let year = year.min(9999);
        let digit = |value: u64| b'0'.saturating_add(u8::try_from(value % 10).unwrap_or(0));
        [
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            digit(month / 10),
            digit(month),
            digit(day / 10),
            digit(day),
        ]
    }
}

/// Year, month and day of a day counted since 1970-01-01 in the Gregorian calendar. Counts in 400-year eras that begin on
/// March 1st of year 0, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_EPOCH: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let shifted = days.saturating_add(DAYS_TO_EPOCH);
    let era = shifted / DAYS_PER_ERA;
    let day_of_era = shifted % DAYS_PER_ERA;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

impl Add<Duration> for Date {
    type Output = Date;
    /// Saturates at the end of time.
    fn add(self, duration: Duration) -> Date {
        Date(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Date {
    type Output = Date;
    /// Saturates at the epoch.
    fn sub(self, duration: Duration) -> Date {
        Date(self.0.saturating_sub(millis(duration)))
    }
}

impl Seconds32 {
    /// The same moment in milliseconds.
    pub fn to_date(self) -> Date {
        Date(u64::from(self.0) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_days() {
        let text = |ms| String::from_utf8(Date(ms).yyyymmdd().to_vec()).unwrap();
        assert_eq!(text(0), "19700101");
        assert_eq!(text(951_782_400_000), "20000229");
        assert_eq!(text(951_868_799_999), "20000229");
        assert_eq!(text(951_868_800_000), "20000301");
        assert_eq!(text(1_767_225_600_000), "20260101");
        assert_eq!(text(4_107_542_400_000), "21000301");
        assert!(text(u64::MAX).starts_with("9999"));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Tick(u64::MAX) + Duration::from_secs(1), Tick(u64::MAX));
        assert_eq!(Tick(1).saturating_since(Tick(2)), Duration::ZERO);
        assert_eq!(Date(5) - Duration::from_secs(1), Date(0));
        assert_eq!(Date(1499).to_seconds_rounded(), Seconds32(1));
        assert_eq!(Date(1500).to_seconds_rounded(), Seconds32(2));
        assert_eq!(Date(1999).to_seconds_floor(), Seconds32(1));
        assert_eq!(Date(u64::MAX).to_seconds_rounded(), Seconds32(u32::MAX));
        assert_eq!(Seconds32(7).to_date(), Date(7000));
        assert_eq!(Date(119_999).to_minutes(), 1);
    }
}
