//! Tests of the expressions for numbers.

use proptest::prelude::*;

use super::super::valid::compiled;
use super::*;

fn matches(rule: &NumberRule, text: &str) -> bool {
    let regex = rule.regex().unwrap().unwrap_or(RegexAst::NoMatch);
    compiled(&regex).unwrap().is_match(text)
}

fn rule(is_integer: bool, min: Option<(&str, bool)>, max: Option<(&str, bool)>) -> NumberRule {
    let mut rule = NumberRule {
        is_integer,
        ..NumberRule::default()
    };
    if let Some((min, strict)) = min {
        rule.at_least(bound(min), strict);
    }
    if let Some((max, strict)) = max {
        rule.at_most(bound(max), strict);
    }
    rule
}

#[test]
fn every_free_number_is_finite() {
    let any = NumberRule::default();
    for text in [
        "0",
        "-0.5",
        "1e5",
        "1E+05",
        "123.25e-200",
        "9.5e307",
        "12e259",
    ] {
        assert!(matches(&any, text), "{text}");
    }
    for text in [
        "1e400",
        "12e300",
        "-312E298675628",
        "01",
        "1.",
        ".5",
        "1e",
        "9e308",
    ] {
        assert!(!matches(&any, text), "{text}");
    }
    let widest = format!("{}.{}e259", "9".repeat(40), "9".repeat(20));
    assert!(matches(&any, &widest) && widest.parse::<f64>().unwrap().is_finite());
    let single = NumberRule {
        is_single: true,
        ..NumberRule::default()
    };
    let widest = format!("{}e20", "9".repeat(17));
    assert!(matches(&single, &widest) && widest.parse::<f32>().unwrap().is_finite());
    assert!(!matches(&single, "1e39"));
}

#[test]
fn whole_numbers_without_bounds_have_64_bits() {
    let any = rule(true, None, None);
    for (text, expected) in [
        ("9223372036854775807", true),
        ("9223372036854775808", false),
        ("-9223372036854775808", true),
        ("-9223372036854775809", false),
        ("0", true),
        // Readers of whole numbers refuse it.
        ("-0", false),
        ("1.0", false),
    ] {
        assert_eq!(matches(&any, text), expected, "{text}");
    }
    let wide = rule(true, None, Some(("18446744073709551615", false)));
    assert!(matches(&wide, "18446744073709551615"));
    assert!(!matches(&wide, "18446744073709551616"));
    let high = rule(true, Some(("1000000000000000000000", false)), None);
    assert!(matches(&high, "1000000000000000000000"));
}

#[test]
fn formats_set_the_bounds_of_their_type() {
    for (format, inside, outside) in [
        ("uint8", "255", "256"),
        ("int8", "-128", "-129"),
        ("uint32", "4294967295", "4294967296"),
        ("int64", "-9223372036854775808", "9223372036854775808"),
        ("uint64", "18446744073709551615", "-1"),
    ] {
        let mut rule = rule(true, None, None);
        assert!(rule.format(format));
        assert!(matches(&rule, inside), "{format}");
        assert!(!matches(&rule, outside), "{format}");
    }
    assert!(!NumberRule::default().format("date"));
}

#[test]
fn multiples_are_those_of_the_divisor() {
    let mut cents = rule(false, Some(("0", false)), None);
    cents.multiple_of(bound("0.01"));
    for (text, expected) in [
        ("0.07", true),
        ("12", true),
        ("0.075", false),
        ("1.20", true),
    ] {
        assert_eq!(matches(&cents, text), expected, "{text}");
    }
    let mut none = rule(true, Some(("8", false)), Some(("13", false)));
    none.multiple_of(bound("7"));
    assert!(none.regex().unwrap().is_none());
    let mut large = rule(true, None, None);
    large.multiple_of(bound("1000001"));
    assert!(large.regex().unwrap_err().contains("100000"));
}

#[test]
fn an_excluded_number_is_none_of_them() {
    let mut rule = rule(true, Some(("-128", false)), Some(("127", false)));
    rule.excluded.push(0.into());
    assert!(!matches(&rule, "0") && matches(&rule, "10") && matches(&rule, "-1"));
}

/// A number with up to 3 digits on both sides of the point.
fn numbers() -> impl Strategy<Value = String> {
    (any::<bool>(), 0u32..2000, prop::option::of("[0-9]{1,3}")).prop_map(
        |(is_negative, whole, fraction)| {
            let sign = if is_negative { "-" } else { "" };
            let fraction = fraction.map_or_else(String::new, |digits| format!(".{digits}"));
            format!("{sign}{whole}{fraction}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_number_matches_exactly_if_it_is_within_its_bounds(
        text in numbers(),
        min in prop::option::of((numbers(), any::<bool>())),
        max in prop::option::of((numbers(), any::<bool>())),
    ) {
        let borrowed = |bound: &Option<(String, bool)>| bound.clone();
        let (low, high) = (borrowed(&min), borrowed(&max));
        let rule = rule(
            false,
            low.as_ref().map(|(text, strict)| (text.as_str(), *strict)),
            high.as_ref().map(|(text, strict)| (text.as_str(), *strict)),
        );
        let value = bound(&text);
        let above = min.is_none_or(|(min, strict)| match strict {
            true => value > bound(&min),
            false => value >= bound(&min),
        });
        let below = max.is_none_or(|(max, strict)| match strict {
            true => value < bound(&max),
            false => value <= bound(&max),
        });
        prop_assert_eq!(matches(&rule, &text), above && below);
        let mut whole = rule;
        whole.is_integer = true;
        let is_whole = !text.contains('.') && text != "-0";
        prop_assert_eq!(matches(&whole, &text), above && below && is_whole);
    }
}
