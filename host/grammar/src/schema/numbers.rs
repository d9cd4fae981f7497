//! Regular expressions for the JSON numbers that a schema allows.
//!
//! Every number that they match can be read back: as a finite `f64`, and if it is whole and the
//! schema sets no bound, as an `i64`.

use llguidance::derivre::RegexAst;
use serde_json::Number;

use super::decimal::{Decimal, more_one};

/// Maximum number of digits of a whole number, and after the point. Readers accept far more, but a
/// model that repeats a digit would go on until its last token.
const MAX_DIGITS: usize = 40;
const MAX_FRACTION: usize = 20;

/// What a schema requires of a number.
#[derive(Debug, Clone, Default)]
pub(super) struct NumberRule {
    pub(super) is_integer: bool,
    /// The greatest lower bound, and whether the number must be greater.
    min: Option<(Decimal, bool)>,
    /// The least upper bound, and whether the number must be less.
    max: Option<(Decimal, bool)>,
    /// Numbers of which it must be a multiple.
    multiples: Vec<Decimal>,
    /// Numbers that it must not be.
    pub(super) excluded: Vec<Number>,
    /// Whether it must fit in an `f32`.
    is_single: bool,
}

impl NumberRule {
    pub(super) fn at_least(&mut self, bound: Decimal, is_strict: bool) {
        let is_new = self.min.as_ref().is_none_or(|(old, old_strict)| {
            bound > *old || (bound == *old && is_strict && !old_strict)
        });
        if is_new {
            self.min = Some((bound, is_strict));
        }
    }

    pub(super) fn at_most(&mut self, bound: Decimal, is_strict: bool) {
        let is_new = self.max.as_ref().is_none_or(|(old, old_strict)| {
            bound < *old || (bound == *old && is_strict && !old_strict)
        });
        if is_new {
            self.max = Some((bound, is_strict));
        }
    }

    pub(super) fn multiple_of(&mut self, divisor: Decimal) {
        self.multiples.push(divisor);
    }

    /// Adds the bounds that a format of OpenAPI or schemars implies. Returns whether it is one.
    pub(super) fn format(&mut self, format: &str) -> bool {
        let bounds = match format {
            "float" => {
                self.is_single = true;
                return true;
            }
            "double" => return true,
            _ => integer_bounds(format),
        };
        let Some((min, max)) = bounds else {
            return false;
        };
        self.at_least(min, false);
        self.at_most(max, false);
        true
    }

    /// The expression for these numbers, or `None` if there is no such number.
    pub(super) fn regex(&self) -> Result<Option<RegexAst>, String> {
        let regex = if self.is_integer {
            self.whole()
        } else {
            self.real()
        };
        let Some(mut parts) = regex else {
            return Ok(None);
        };
        if !self.add_multiples(&mut parts)? {
            return Ok(None);
        }
        for number in &self.excluded {
            let spellings = RegexAst::Regex(format!(
                "{}(\\.0+)?([eE].*)?",
                regex_syntax::escape(&number.to_string())
            ));
            parts.push(RegexAst::Not(Box::new(spellings)));
        }
        Ok(Some(RegexAst::And(parts)))
    }

    fn whole(&self) -> Option<Vec<RegexAst>> {
        let (mut min, mut max) = (
            self.min.as_ref().map(|(bound, strict)| bound.ceil(*strict)),
            self.max
                .as_ref()
                .map(|(bound, strict)| bound.floor(*strict)),
        );
        // Without a bound, it is a number that readers with 64 bits read.
        let (lowest, highest) = (bound("-9223372036854775808"), bound("9223372036854775807"));
        if min.as_ref().is_none_or(|min| *min <= highest) {
            max.get_or_insert(highest);
        }
        if max.as_ref().is_none_or(|max| *max >= lowest) {
            min.get_or_insert(lowest);
        }
        if let (Some(min), Some(max)) = (&min, &max)
            && min > max
        {
            return None;
        }
        let shape = format!("0|-?[1-9][0-9]{{0,{}}}", self.digits() - 1);
        let mut parts = vec![RegexAst::Regex(shape)];
        parts.extend(min.map(|min| RegexAst::Regex(lower_bound(&min, false))));
        parts.extend(max.map(|max| RegexAst::Regex(upper_bound(&max, false))));
        Some(parts)
    }

    fn real(&self) -> Option<Vec<RegexAst>> {
        if let (Some((min, min_strict)), Some((max, max_strict))) = (&self.min, &self.max)
            && (min > max || (min == max && (*min_strict || *max_strict)))
        {
            return None;
        }
        if self.min.is_none() && self.max.is_none() && self.multiples.is_empty() {
            return Some(vec![RegexAst::Regex(free(self.is_single))]);
        }
        let whole = match self.is_single {
            true => 38,
            false => self.digits(),
        };
        let shape = format!(
            "-?(0|[1-9][0-9]{{0,{}}})(\\.[0-9]{{1,{}}})?",
            whole - 1,
            self.fraction()
        );
        let mut parts = vec![RegexAst::Regex(shape)];
        let bounds = [
            self.min
                .as_ref()
                .map(|(min, strict)| lower_bound(min, *strict)),
            self.max
                .as_ref()
                .map(|(max, strict)| upper_bound(max, *strict)),
        ];
        parts.extend(bounds.into_iter().flatten().map(RegexAst::Regex));
        Some(parts)
    }

    /// Digits before the point, at most.
    fn digits(&self) -> usize {
        let bounds = [&self.min, &self.max].into_iter().flatten();
        let bounds = bounds.map(|(bound, _)| bound.whole.len() + 1);
        bounds.fold(MAX_DIGITS, usize::max)
    }

    /// Digits after the point, at most.
    fn fraction(&self) -> usize {
        let bounds = [&self.min, &self.max].into_iter().flatten();
        let bounds = bounds.map(|(bound, _)| bound.fraction.len() + 1);
        let multiples = self.multiples.iter().map(|divisor| divisor.fraction.len());
        bounds.chain(multiples).fold(MAX_FRACTION, usize::max)
    }

    /// Adds the expressions for multiples. Returns whether there can be any.
    fn add_multiples(&self, parts: &mut Vec<RegexAst>) -> Result<bool, String> {
        for divisor in &self.multiples {
            let digits = divisor.fraction.len();
            let places = u32::try_from(digits).unwrap_or(u32::MAX);
            let coefficient = divisor
                .scaled(digits)
                .and_then(|value| u32::try_from(value).ok());
            let coefficient = coefficient
                .filter(|value| *value <= MAX_DIVISOR)
                .ok_or_else(|| {
                    format!(
                        "the digits of a divisor must not exceed {MAX_DIVISOR}, without the point"
                    )
                })?;
            if let (Some((min, min_strict)), Some((max, max_strict))) = (&self.min, &self.max)
                && !has_multiple((min, *min_strict), (max, *max_strict), divisor)
            {
                return Ok(false);
            }
            parts.push(RegexAst::Concat(vec![
                RegexAst::Regex("-?".to_owned()),
                RegexAst::MultipleOf(coefficient, places),
            ]));
        }
        Ok(true)
    }
}

/// Maximum of a divisor, because the expression has a state for each remainder.
const MAX_DIVISOR: u32 = 100_000;

/// Whether a range contains a multiple. If the numbers are too large to tell, it may.
fn has_multiple(min: (&Decimal, bool), max: (&Decimal, bool), divisor: &Decimal) -> bool {
    let all = [min.0, max.0, divisor];
    let digits = all.iter().map(|number| number.fraction.len()).max();
    let digits = digits.unwrap_or_default();
    let scaled = |number: &Decimal| number.scaled(digits);
    let (Some(low), Some(high), Some(step)) = (scaled(min.0), scaled(max.0), scaled(divisor))
    else {
        return true;
    };
    let low = low + i128::from(min.1);
    let high = high - i128::from(max.1);
    step > 0 && high.div_euclid(step) * step >= low
}

fn bound(text: &str) -> Decimal {
    Decimal::parse(text).unwrap_or_else(Decimal::zero)
}

/// The bounds of an integer format. `int` and `uint` are `isize` and `usize` of schemars.
fn integer_bounds(format: &str) -> Option<(Decimal, Decimal)> {
    let (min, max) = match format {
        "int8" => ("-128", "127"),
        "int16" => ("-32768", "32767"),
        "int32" => ("-2147483648", "2147483647"),
        "int64" | "int" => ("-9223372036854775808", "9223372036854775807"),
        "int128" => (
            "-170141183460469231731687303715884105728",
            "170141183460469231731687303715884105727",
        ),
        "uint8" => ("0", "255"),
        "uint16" => ("0", "65535"),
        "uint32" => ("0", "4294967295"),
        "uint64" | "uint" => ("0", "18446744073709551615"),
        "uint128" => ("0", "340282366920938463463374607431768211455"),
        _ => return None,
    };
    Some((bound(min), bound(max)))
}

/// Whether the format is about numbers.
pub(super) fn is_number_format(format: &str) -> bool {
    NumberRule::default().format(format)
}

/// Any number that fits: the digits before the point and the exponent together stay below the
/// greatest power of ten of an `f64` (1.8e308) or an `f32` (3.4e38).
fn free(is_single: bool) -> String {
    let sign_of_exponent = "[eE][+-]?";
    if is_single {
        return format!(
            "-?(0|[1-9][0-9]{{0,16}})(\\.[0-9]{{1,{MAX_FRACTION}}})?\
             ({sign_of_exponent}(0?[0-9]|1[0-9]|20))?"
        );
    }
    let exponent = "(0?[0-9]{1,2}|1[0-9]{2}|2[0-5][0-9])";
    format!(
        "-?(0|[1-9][0-9]{{0,{}}})(\\.[0-9]{{1,{MAX_FRACTION}}})?({sign_of_exponent}{exponent})?\
         |-?[0-9](\\.[0-9]{{1,{MAX_FRACTION}}})?{sign_of_exponent}(2[0-9]{{2}}|30[0-7])",
        MAX_DIGITS - 1
    )
}

const ANY_FRACTION: &str = "(\\.[0-9]+)?";

/// Numbers without an exponent that are at least the bound, or greater if `strict`.
fn lower_bound(bound: &Decimal, strict: bool) -> String {
    let any = format!("[0-9]+{ANY_FRACTION}");
    if bound.is_negative {
        format!("{any}|-({})", magnitude_to(bound, strict))
    } else if bound.is_zero() && !strict {
        format!("{any}|-0(\\.0+)?")
    } else {
        magnitude_from(bound, strict)
    }
}

/// Numbers without an exponent that are at most the bound, or less if `strict`.
fn upper_bound(bound: &Decimal, strict: bool) -> String {
    let any = format!("-[0-9]+{ANY_FRACTION}");
    if bound.is_negative {
        format!("-({})", magnitude_from(&bound.negated(), strict))
    } else if bound.is_zero() && strict {
        format!("-({})", magnitude_from(bound, true))
    } else if bound.is_zero() {
        format!("{any}|0(\\.0+)?")
    } else {
        format!("{any}|{}", magnitude_to(bound, strict))
    }
}

/// Numbers without a sign that are at least the magnitude of the bound.
fn magnitude_from(bound: &Decimal, strict: bool) -> String {
    let whole = whole_digits(bound);
    let above = more_one(&bound.whole);
    let mut ways = vec![
        format!("({}){ANY_FRACTION}", digits_from(&above)),
        format!("[1-9][0-9]{{{},}}{ANY_FRACTION}", above.len()),
    ];
    ways.push(match (bound.is_whole(), strict) {
        (true, false) => format!("{whole}{ANY_FRACTION}"),
        (true, true) => format!("{whole}\\.[0-9]*[1-9][0-9]*"),
        (false, _) => format!("{whole}\\.{}", fraction_from(&bound.fraction, strict)),
    });
    ways.join("|")
}

/// Numbers without a sign that are at most the magnitude of the bound, which is not zero.
fn magnitude_to(bound: &Decimal, strict: bool) -> String {
    let whole = whole_digits(bound);
    let mut ways = Vec::new();
    if !bound.whole.is_empty() {
        ways.push(format!("0{ANY_FRACTION}"));
        if bound.whole.len() > 1 {
            let shorter = bound.whole.len() - 2;
            ways.push(format!("[1-9][0-9]{{0,{shorter}}}{ANY_FRACTION}"));
        }
        if let Some(below) = digits_below(&bound.whole) {
            ways.push(format!("({below}){ANY_FRACTION}"));
        }
    }
    match (bound.is_whole(), strict) {
        (true, false) => ways.push(format!("{whole}(\\.0+)?")),
        (true, true) => {}
        (false, _) => ways.push(format!(
            "{whole}(\\.({}))?",
            fraction_to(&bound.fraction, strict)
        )),
    }
    ways.join("|")
}

fn whole_digits(bound: &Decimal) -> &str {
    if bound.whole.is_empty() {
        "0"
    } else {
        &bound.whole
    }
}

fn head(digits: &str) -> Option<(u8, &str)> {
    let first = digits.bytes().next()?;
    Some((first - b'0', digits.get(1..)?))
}

/// As many digits, of the same or a greater number.
fn digits_from(digits: &str) -> String {
    let Some((first, rest)) = head(digits) else {
        return String::new();
    };
    let same = format!("{first}{}", group(&digits_from(rest)));
    if first == 9 {
        return same;
    }
    format!("{same}|[{}-9][0-9]{{{}}}", first + 1, rest.len())
}

/// As many digits, of a smaller number without a leading zero. `None` if there is none.
fn digits_below(digits: &str) -> Option<String> {
    fn below(digits: &str, least: u8) -> Option<String> {
        let (first, rest) = head(digits)?;
        let less =
            (first > least).then(|| format!("[{least}-{}][0-9]{{{}}}", first - 1, rest.len()));
        let same = below(rest, 0).map(|rest| format!("{first}{}", group(&rest)));
        match (less, same) {
            (Some(less), Some(same)) => Some(format!("{less}|{same}")),
            (less, same) => less.or(same),
        }
    }
    below(digits, 1)
}

/// Digits after the point of the same or a greater number, strictly greater if `strict`.
fn fraction_from(digits: &str, strict: bool) -> String {
    let Some((first, rest)) = head(digits) else {
        return match strict {
            true => "[0-9]*[1-9][0-9]*".to_owned(),
            false => "[0-9]*".to_owned(),
        };
    };
    let same = format!("{first}{}", group(&fraction_from(rest, strict)));
    match first {
        9 => group(&same),
        _ => group(&format!("{same}|[{}-9][0-9]*", first + 1)),
    }
}

/// Digits after the point of the same or a smaller number, strictly smaller if `strict`. `digits`
/// is not empty and does not end with a zero.
fn fraction_to(digits: &str, strict: bool) -> String {
    let Some((first, rest)) = head(digits) else {
        return "0*".to_owned();
    };
    let mut ways = Vec::new();
    if first > 0 {
        ways.push(format!("[0-{}][0-9]*", first - 1));
    }
    match rest.is_empty() {
        false => ways.push(format!("{first}({})?", fraction_to(rest, strict))),
        true if !strict => ways.push(format!("{first}0*")),
        true => {}
    }
    ways.join("|")
}

fn group(regex: &str) -> String {
    if regex.contains('|') {
        format!("({regex})")
    } else {
        regex.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use llguidance::derivre::RegexBuilder;
    use proptest::prelude::*;

    use super::*;

    fn matches(rule: &NumberRule, text: &str) -> bool {
        let mut builder = RegexBuilder::new();
        let regex = rule.regex().unwrap().unwrap_or(RegexAst::NoMatch);
        let expr = builder.mk(&regex).unwrap();
        builder.to_regex(expr).is_match(text)
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
}
