//! From values to places on an axis, in integers.

use crate::show;

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// The values at its ends.
    least: u64,
    most: u64,
    /// Values that are written.
    pub(super) ticks: Vec<u64>,
    /// What a tick's number counts.
    pub(super) unit: &'static str,
    divisor: u64,
    logarithmic: bool,
}

/// About so many ticks.
const TICKS: u64 = 5;

impl Scale {
    /// From 0 to about the most, in steps of 1, 2 or 5. `units` are divisors with names, the smallest first.
    pub(super) fn linear(most: u64, units: &[(u64, &'static str)]) -> Self {
        let (divisor, unit) = fitting(most, units);
        let step = step_of(most.max(1).div_ceil(TICKS));
        let most = most.max(1).div_ceil(step) * step;
        let ticks = (0..=most / step).map(|index| index * step).collect();
        Self { least: 0, most, ticks, unit, divisor, logarithmic: false }
    }

    /// Thousandths as per cent, up to all.
    pub(super) fn share() -> Self {
        Self { least: 0, most: 1_000, ticks: vec![0, 250, 500, 750, 1_000], unit: "%", divisor: 10, logarithmic: false }
    }

    /// Milliseconds from 0 to exactly the most.
    pub(super) fn time(most_ms: u64) -> Self {
        const STEPS: [u64; 15] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400];
        let most = most_ms.max(1);
        let step = STEPS.iter().map(|secs| secs * 1_000).find(|step| most / step <= 8).unwrap_or(most.div_ceil(8));
        let (divisor, unit) = if step < 60_000 { (1_000, "s") } else { (60_000, "min") };
        let ticks = (0..=most / step).map(|index| index * step).collect();
        Self { least: 0, most, ticks, unit, divisor, logarithmic: false }
    }

    /// Milliseconds, every step along the axis a multiplication.
    pub(super) fn logarithmic(least_ms: u64, most_ms: u64) -> Self {
        let steps = || (0..12).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
        let least = steps().take_while(|step| *step <= least_ms.max(1)).last().unwrap_or(1);
        let most = steps().find(|step| *step >= most_ms && *step > least).unwrap_or(u64::MAX);
        let all = || steps().filter(|step| (least..=most).contains(step));
        let few = all().count() <= 10;
        let ticks = all().filter(|step| few || step.to_string().starts_with('1')).collect();
        Self { least, most, ticks, unit: "s", divisor: 1_000, logarithmic: true }
    }

    /// Where a value is, of a length.
    pub(super) fn place(&self, value: u64, length: u64) -> u64 {
        let value = value.clamp(self.least, self.most);
        let on_line = |value: u64| if self.logarithmic { logarithm(value) } else { u128::from(value) };
        let (least, most) = (on_line(self.least), on_line(self.most));
        let place = (on_line(value) - least) * u128::from(length) / (most - least).max(1);
        u64::try_from(place).unwrap_or(length)
    }

    /// What is written at a tick.
    pub(super) fn label(&self, tick: u64) -> String {
        match self.divisor {
            1 => show::count(tick),
            divisor if tick > 0 && tick < divisor / 10 => format!("0.{:02}", tick * 100 / divisor),
            divisor => show::scaled(tick, divisor),
        }
    }
}

/// The largest unit of which there are two.
fn fitting(most: u64, units: &[(u64, &'static str)]) -> (u64, &'static str) {
    let fits = |unit: &&(u64, &'static str)| unit.0 * 2 <= most;
    units.iter().rev().find(fits).or(units.first()).copied().unwrap_or((1, ""))
}

/// The next 1, 2 or 5 with zeros.
fn step_of(value: u64) -> u64 {
    let power = 10_u64.pow(value.checked_ilog10().unwrap_or(0));
    [1, 2, 5].into_iter().map(|digit| digit * power).find(|step| *step >= value).unwrap_or(power.saturating_mul(10))
}

/// In 1024ths of a doubling; straight between doublings, which nobody sees.
fn logarithm(value: u64) -> u128 {
    let value = value.max(1);
    let whole = value.ilog2();
    let rest = u128::from(value) - (1_u128 << whole);
    u128::from(whole) * 1_024 + ((rest * 1_024) >> whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!([1, 3, 5, 6, 70, 200].map(step_of), [1, 5, 5, 10, 100, 200]);
        let scale = Scale::linear(4_300_000, &[(1, "B"), (1_000, "kB"), (1_000_000, "MB")]);
        assert_eq!((scale.most, scale.unit), (5_000_000, "MB"));
        let labels: Vec<_> = scale.ticks.iter().map(|tick| scale.label(*tick)).collect();
        assert_eq!(labels, ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(Scale::linear(0, &[(1, "B")]).ticks, [0, 1]);
    }

    #[test]
    fn values_have_places() {
        let scale = Scale::time(600_000);
        assert_eq!([0, 300_000, 600_000, 700_000].map(|value| scale.place(value, 100)), [0, 50, 100, 100]);
        let scale = Scale::logarithmic(120, 9_000);
        assert_eq!(scale.ticks, [100, 200, 500, 1_000, 2_000, 5_000, 10_000]);
        assert_eq!(scale.label(100), "0.1");
        let places: Vec<_> = scale.ticks.iter().map(|tick| scale.place(*tick, 1_000)).collect();
        assert!(places.is_sorted_by(|one, next| next - one > 100), "{places:?}");
        assert_eq!(scale.place(1, 1_000), 0);
    }
}
