//! Formats numbers in few characters.

use bytesize::ByteSize;
use mynah_core::Percentiles;

/// A number in at most six characters.
pub(super) fn count(number: u64) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("E", 1_000_000_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("T", 1_000_000_000_000),
        ("G", 1_000_000_000),
        ("M", 1_000_000),
        ("k", 1000),
    ];
    // Numbers below 100,000 are exact.
    if number < 100_000 {
        return number.to_string();
    }
    let unit = UNITS.iter().find(|(_, size)| number >= *size);
    unit.map_or_else(String::new, |(unit, size)| {
        let tenths = number / (size / 10);
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    })
}

/// A rate per second.
pub(super) fn rate(number: f64) -> String {
    if !number.is_finite() {
        return "-".to_owned();
    }
    if number < 1000.0 {
        return format!("{number:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates"
    )]
    count(number as u64)
}

pub(super) fn bytes(number: u64) -> String {
    ByteSize(number).display().iec().to_string()
}

/// A share from 0.0 to 1.0 as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", clamped(share) * 100.0)
}

/// A share limited to the range 0.0 to 1.0; NaN becomes 0.0.
pub(super) fn clamped(share: f64) -> f64 {
    if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    }
}

/// A part as a share of the whole.
#[expect(clippy::cast_precision_loss, reason = "a share")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    clamped(part as f64 / whole.max(1) as f64)
}

/// A time in milliseconds, in at most seven characters.
pub(super) fn millis(time: Option<f64>) -> String {
    let Some(time) = time.filter(|time| time.is_finite()) else {
        return "-".to_owned();
    };
    match time {
        time if time < 10.0 => format!("{time:.1} ms"),
        time if time < 1000.0 => format!("{time:.0} ms"),
        time if time < 100_000.0 => format!("{:.1} s", time / 1000.0),
        time => seconds(time / 1000.0),
    }
}

/// A whole number of milliseconds.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn whole_millis(time: Option<u64>) -> String {
    millis(time.map(|time| time as f64))
}

/// A time in seconds, in the largest unit of which it has at least two.
pub(super) fn seconds(time: f64) -> String {
    match time {
        time if time < 120.0 => format!("{time:.0} s"),
        time if time < 7200.0 => format!("{:.0} min", time / 60.0),
        time if time < 172_800.0 => format!("{:.0} h", time / 3600.0),
        time => format!("{:.0} d", (time / 86_400.0).min(9999.0)),
    }
}

/// The median and the 99th percentile.
pub(super) fn p50_and_p99(times: &Percentiles) -> String {
    format!("{} / {}", millis(times.p50_ms), millis(times.p99_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short() {
        let told = [0, 99_999, 100_000, 1_250_000, u64::MAX].map(count);
        assert_eq!(told, ["0", "99999", "100.0k", "1.2M", "18.4E"]);
        assert!((0..64).all(|bits| count(u64::MAX >> bits).len() <= 6));
        let told = [0.0, 12.34, 1e6, f64::NAN, f64::INFINITY].map(rate);
        assert_eq!(told, ["0.0", "12.3", "1.0M", "-", "-"]);
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let told = [0.25, 12.0, 1500.0, 600_000.0, 1e12, f64::NAN].map(|time| millis(Some(time)));
        assert_eq!(told, ["0.2 ms", "12 ms", "1.5 s", "10 min", "9999 d", "-"]);
        assert_eq!(millis(None), "-");
    }

    #[test]
    fn a_share_is_one_whatever_comes() {
        let told = [f64::NAN, -1.0, 0.5, 2.0, f64::INFINITY].map(percent);
        assert_eq!(told, ["0 %", "0 %", "50 %", "100 %", "100 %"]);
        assert!(share(0, 0) < f64::EPSILON && share(9, 3) > 0.99);
    }
}
