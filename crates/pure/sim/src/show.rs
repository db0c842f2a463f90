//! Numbers for people.

use std::time::Duration;

/// `99.4 %`.
pub(crate) fn percent(permille: u64) -> String {
    format!("{} %", scaled(permille, 10))
}

/// `1.2 MB`; a kilobyte is 1,000 bytes.
pub(crate) fn bytes(value: u64) -> String {
    for (divisor, unit) in [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")] {
        if value >= divisor {
            return format!("{} {unit}", scaled(value, divisor));
        }
    }
    format!("{value} B")
}

/// `1.2 MB/s`.
pub(crate) fn rate(bytes_per_sec: u64) -> String {
    format!("{}/s", bytes(bytes_per_sec))
}

/// `850 ms`, `2.3 s`, `3 min 20 s` or `2 h 5 min`.
pub(crate) fn time(time: Duration) -> String {
    let (secs, millis) = (time.as_secs(), time.subsec_millis());
    let with = |whole: u64, unit: &str, rest: u64, rest_unit: &str| match rest {
        0 => format!("{whole} {unit}"),
        _ => format!("{whole} {unit} {rest} {rest_unit}"),
    };
    match secs {
        0 => format!("{millis} ms"),
        1..120 => format!("{} s", scaled(secs * 1_000 + u64::from(millis), 1_000)),
        120..7_200 => with(secs / 60, "min", secs % 60, "s"),
        _ => with(secs / 3_600, "h", secs % 3_600 / 60, "min"),
    }
}

/// `1 234 567`, with thin spaces that don't break.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// With one decimal, if there is one.
pub(crate) fn scaled(value: u64, divisor: u64) -> String {
    let tenths = value.saturating_mul(10).saturating_add(divisor / 2) / divisor.max(1);
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([percent(994), percent(1_000), percent(7)], ["99.4 %", "100 %", "0.7 %"]);
        assert_eq!([bytes(999), bytes(1_250), bytes(2_000_000)], ["999 B", "1.3 kB", "2 MB"]);
        assert_eq!(rate(1_500), "1.5 kB/s");
        let times = [850, 2_345, 200_000, 120_000, 7_500_000].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(times, ["850 ms", "2.3 s", "3 min 20 s", "2 min", "2 h 5 min"]);
        assert_eq!([count(12), count(1_234), count(1_234_567)], ["12", "1\u{202f}234", "1\u{202f}234\u{202f}567"]);
    }
}
