//! Decimal numbers of any size, as bounds of JSON numbers.

use std::cmp::Ordering;

use serde_json::Number;

/// A decimal number. `whole` has no leading and `fraction` no trailing zeros, so that equal numbers
/// have equal digits. `0` is an empty `whole` and an empty `fraction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) is_negative: bool,
    pub(super) whole: String,
    pub(super) fraction: String,
}

impl Decimal {
    /// The value of a JSON number, as its shortest decimal form.
    pub(super) fn of(number: &Number) -> Self {
        let text = match number.as_f64() {
            // `Display` of a float writes all digits, and never an exponent.
            Some(float) if number.is_f64() => format!("{float}"),
            _ => number.to_string(),
        };
        Self::parse(&text).unwrap_or_else(Self::zero)
    }

    pub(super) fn zero() -> Self {
        Self {
            is_negative: false,
            whole: String::new(),
            fraction: String::new(),
        }
    }

    /// Reads digits with an optional sign and an optional fraction.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Self {
            is_negative: is_negative && !is_zero,
            whole,
            fraction,
        })
    }

    /// The number as JSON, without an exponent.
    pub(super) fn text(&self) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let point = if self.fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{}", self.whole_text(), self.fraction)
    }

    /// The digits before the point, at least one.
    pub(super) fn whole_text(&self) -> &str {
        match self.whole.as_str() {
            "" => "0",
            whole => whole,
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.fraction.is_empty()
    }

    /// The smallest whole number that is not less, or, if `strict`, that is greater.
    pub(super) fn ceil(&self, strict: bool) -> Self {
        let whole = Self {
            fraction: String::new(),
            ..self.clone()
        }
        .normal();
        match (self.is_whole(), self.is_negative) {
            (true, _) if strict => whole.plus_one(),
            (true, _) => whole,
            (false, true) => whole,
            (false, false) => whole.plus_one(),
        }
    }

    /// The greatest whole number that is not greater, or, if `strict`, that is less.
    pub(super) fn floor(&self, strict: bool) -> Self {
        self.negated().ceil(strict).negated()
    }

    pub(super) fn negated(&self) -> Self {
        Self {
            is_negative: !self.is_negative,
            ..self.clone()
        }
        .normal()
    }

    fn normal(mut self) -> Self {
        self.is_negative &= !self.is_zero();
        self
    }

    /// This whole number plus one.
    fn plus_one(&self) -> Self {
        let whole = match self.is_negative {
            true => less_one(&self.whole),
            false => more_one(&self.whole),
        };
        Self {
            is_negative: self.is_negative,
            whole,
            fraction: String::new(),
        }
        .normal()
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        let lengths = self.whole.len().cmp(&other.whole.len());
        lengths
            .then_with(|| self.whole.cmp(&other.whole))
            .then_with(|| self.fraction.cmp(&other.fraction))
    }

    /// The value as a whole number of `10^-digits`, if it fits.
    pub(super) fn scaled(&self, digits: usize) -> Option<i128> {
        let zeros = digits.checked_sub(self.fraction.len())?;
        let text = format!("0{}{}{}", self.whole, self.fraction, "0".repeat(zeros));
        let magnitude: i128 = text.parse().ok()?;
        Some(if self.is_negative {
            -magnitude
        } else {
            magnitude
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// The digits of a whole number plus one.
pub(super) fn more_one(whole: &str) -> String {
    let head = whole.trim_end_matches('9');
    let nines = whole.len() - head.len();
    let mut bytes = head.as_bytes().to_vec();
    match bytes.last_mut() {
        Some(last) => *last += 1,
        None => bytes.push(b'1'),
    }
    bytes.extend(std::iter::repeat_n(b'0', nines));
    bytes.into_iter().map(char::from).collect()
}

/// The digits of a whole number greater than zero, minus one.
fn less_one(whole: &str) -> String {
    let head = whole.trim_end_matches('0');
    let zeros = whole.len() - head.len();
    let mut bytes = head.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last -= 1;
    }
    bytes.extend(std::iter::repeat_n(b'9', zeros));
    let text: String = bytes.into_iter().map(char::from).collect();
    text.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_read_with_all_their_digits() {
        for (text, whole, fraction) in [
            ("18446744073709551615", "18446744073709551615", ""),
            ("1e21", "1000000000000000000000", ""),
            ("0.0001", "", "0001"),
            ("-2.50", "2", "5"),
        ] {
            let number: Number = serde_json::from_str(text).unwrap();
            let read = Decimal::of(&number);
            assert_eq!(
                (read.whole.as_str(), read.fraction.as_str()),
                (whole, fraction)
            );
            assert_eq!(read.is_negative, text.starts_with('-'));
        }
        assert_eq!(decimal("-0.0"), Decimal::zero());
    }

    #[test]
    fn whole_numbers_around_a_number_are_found() {
        for (text, strict, ceil, floor) in [
            ("1.5", false, "2", "1"),
            ("-1.5", false, "-1", "-2"),
            ("2", false, "2", "2"),
            ("2", true, "3", "1"),
            ("-1", true, "0", "-2"),
            ("0", true, "1", "-1"),
            ("-0.5", true, "0", "-1"),
            ("999", true, "1000", "998"),
            ("1000", true, "1001", "999"),
        ] {
            assert_eq!(decimal(text).ceil(strict), decimal(ceil), "{text}");
            assert_eq!(decimal(text).floor(strict), decimal(floor), "{text}");
        }
    }

    #[test]
    fn numbers_are_in_order() {
        let all = [
            "-10", "-9.5", "-9", "-0.1", "0", "0.05", "0.5", "1", "1.01", "9", "10",
        ];
        for (place, one) in all.iter().enumerate() {
            for (other_place, other) in all.iter().enumerate() {
                assert_eq!(decimal(one).cmp(&decimal(other)), place.cmp(&other_place));
            }
        }
    }
}
