//! Numbers as Python writes them.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr, ValueKind};

/// A whole number beyond 128 bits. Templates can print it, but not calculate with it.
#[derive(Debug)]
pub(super) struct LargeNumber(String);

impl Object for LargeNumber {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a whole number that is written with these digits.
pub(super) fn whole(digits: &str) -> Value {
    if let Ok(number) = digits.parse::<i64>() {
        return Value::from(number);
    }
    match digits.parse::<i128>() {
        Ok(number) => Value::from(number),
        Err(_) => Value::from_object(LargeNumber(digits.to_owned())),
    }
}

/// Whether it is a whole number beyond 128 bits.
pub(super) fn is_large(value: &Value) -> bool {
    value.downcast_object_ref::<LargeNumber>().is_some()
}

/// The fraction, if it is one.
pub(super) fn fraction(value: &Value) -> Option<f64> {
    let is_fraction = value.kind() == ValueKind::Number && !value.is_integer();
    is_fraction.then(|| f64::try_from(value.clone()).ok())?
}

/// A fraction as Python's `repr` writes it: the shortest digits that read back.
pub(super) fn fraction_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Rust changes to an exponent at the same sizes, but writes it without sign and zero.
    let written = format!("{number:?}");
    match written.split_once('e') {
        None => written,
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_written_as_in_python() {
        for (number, expected) in [
            (1e-7, "1e-07"),
            (1e22, "1e+22"),
            (1.5e300, "1.5e+300"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (123_456_789.125, "123456789.125"),
            (1e-4, "0.0001"),
            (9.9e-5, "9.9e-05"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (5e-324, "5e-324"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(fraction_text(number), expected);
        }
    }

    #[test]
    fn whole_numbers_of_any_size_keep_their_digits() {
        for digits in [
            "0",
            "-7",
            "9223372036854775808",
            "12345678901234567890123",
            "170141183460469231731687303715884105728",
        ] {
            assert_eq!(whole(digits).to_string(), digits);
            assert_eq!(is_large(&whole(digits)), digits.len() > 38);
        }
    }
}
