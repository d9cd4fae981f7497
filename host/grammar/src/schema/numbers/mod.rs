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

/// Maximum number of digits of a bound before or after the point, without zeros at the end. The
/// expression nests as deep.
const MAX_BOUND_DIGITS: usize = 100;

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
        let bounds = [&self.min, &self.max].into_iter().flatten();
        let digits = |digits: &str| digits.trim_end_matches('0').len();
        if bounds
            .map(|(bound, _)| digits(&bound.whole).max(digits(&bound.fraction)))
            .any(|digits| digits > MAX_BOUND_DIGITS)
        {
            return Err(format!(
                "`minimum`, `maximum`: a bound has more than {MAX_BOUND_DIGITS} digits"
            ));
        }
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
        if !self.excluded.is_empty() {
            let excluded = self.excluded.iter().map(|number| {
                let number = regex_syntax::escape(&number.to_string());
                RegexAst::Regex(format!("{number}(\\.0+)?([eE].*)?"))
            });
            parts.push(RegexAst::Not(Box::new(RegexAst::Or(excluded.collect()))));
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
        // The expression has a state for each remainder of each divisor.
        let mut states = 1u32;
        for divisor in &self.multiples {
            let digits = divisor.fraction.len();
            let places = u32::try_from(digits).unwrap_or(u32::MAX);
            let coefficient = divisor
                .scaled(digits)
                .and_then(|value| u32::try_from(value).ok());
            let product = coefficient.and_then(|value| states.checked_mul(value));
            states = product.unwrap_or(u32::MAX);
            let coefficient = coefficient
                .filter(|_| states <= MAX_DIVISOR)
                .ok_or_else(|| {
                    format!(
                        "`multipleOf`: the digits of a divisor must not exceed {MAX_DIVISOR}, \
                         without the point, nor must the product of several divisors of one number"
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
    let whole = bound.whole_text();
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
    let whole = bound.whole_text();
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

fn head(digits: &str) -> Option<(u8, &str)> {
    let first = digits.bytes().next()?;
    Some((first - b'0', digits.get(1..)?))
}

/// As many digits, of the same or a greater number.
fn digits_from(digits: &str) -> String {
    let Some((first, rest)) = head(digits) else {
        return String::new();
    };
    if digits.bytes().all(|digit| digit == b'0') {
        return format!("[0-9]{{{}}}", digits.len());
    }
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
mod tests;
