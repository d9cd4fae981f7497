//! The types of settings' values: how to read a value from a document, check its range, and show
//! it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::flag_value::{FlagForm, FlagValue};
use super::value::Value;

/// A type of values. Each setting chooses a `Rule`, which limits the values.
pub(crate) trait Kind: Sized {
    type Rule;

    /// Reads a document's value. Returns `None` if the value has another type, or if this type
    /// cannot hold it.
    fn read(value: &Value, rule: &Self::Rule) -> Option<Self>;

    /// How a flag of the command line writes a value.
    fn flag_form(_: &Self::Rule) -> FlagForm {
        FlagForm::Text
    }

    /// Reads a flag's value. The error says which values are allowed.
    fn of_flag(value: FlagValue, rule: &Self::Rule) -> Result<Self, String> {
        let read = Self::read(&value.into(), rule);
        read.ok_or_else(|| format!("give {}", Self::allowed(rule)))
    }

    /// The value as an error message shows it, if it is out of range.
    fn refuse(&self, rule: &Self::Rule) -> Option<String>;

    /// The allowed values, in words that follow "it must be".
    fn allowed(rule: &Self::Rule) -> String;

    /// The value as JSON. TOML and messages show it in the same way.
    fn json(&self) -> Json;

    /// The JSON Schema of the allowed values.
    fn schema(rule: &Self::Rule) -> Json;
}

/// A whole number's range, and the values that -1 and -2 stand for, if any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<T> {
    least: T,
    most: T,
    minus_one: Option<T>,
    minus_two: Option<T>,
    note: &'static str,
}

impl<T> Whole<T> {
    pub(crate) const fn new(least: T, most: T) -> Self {
        Self {
            least,
            most,
            minus_one: None,
            minus_two: None,
            note: "",
        }
    }

    /// In documents, -1 stands for this value, as in llama.cpp's programs.
    pub(crate) const fn minus_one(mut self, means: T) -> Self
    where
        T: Copy,
    {
        self.minus_one = Some(means);
        self
    }

    /// In documents, -2 stands for this value, as in llama.cpp's programs.
    pub(crate) const fn minus_two(mut self, means: T) -> Self
    where
        T: Copy,
    {
        self.minus_two = Some(means);
        self
    }

    /// A note on special values, such as "0: off".
    pub(crate) const fn note(mut self, note: &'static str) -> Self
    where
        T: Copy,
    {
        self.note = note;
        self
    }
}

fn noted(range: String, note: &str) -> String {
    if note.is_empty() {
        range
    } else {
        format!("{range} ({note})")
    }
}

macro_rules! whole {
    ($($kind:ty => $form:ident),*) => {$(
        impl Kind for $kind {
            type Rule = Whole<$kind>;

            fn flag_form(rule: &Self::Rule) -> FlagForm {
                if rule.minus_one.or(rule.minus_two).is_some() {
                    FlagForm::Signed
                } else {
                    FlagForm::$form
                }
            }

            fn read(value: &Value, rule: &Self::Rule) -> Option<Self> {
                match value {
                    Value::Integer(-1) if rule.minus_one.is_some() => rule.minus_one,
                    Value::Integer(-2) if rule.minus_two.is_some() => rule.minus_two,
                    Value::Integer(whole) => Self::try_from(*whole).ok(),
                    // Scripts write 512.0 for 512.
                    Value::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
                        #[expect(
                            clippy::cast_possible_truncation,
                            reason = "whole, and small enough"
                        )]
                        let whole = *float as i128;
                        Self::read(&Value::Integer(whole), rule)
                    }
                    _ => None,
                }
            }

            fn refuse(&self, rule: &Self::Rule) -> Option<String> {
                (!(rule.least..=rule.most).contains(self)).then(|| self.to_string())
            }

            fn allowed(rule: &Self::Rule) -> String {
                let Whole { least, most, note, .. } = rule;
                let range = if *most == Self::MAX {
                    format!("a whole number, {least} or more")
                } else {
                    format!("a whole number from {least} to {most}")
                };
                noted(range, note)
            }

            fn json(&self) -> Json {
                json!(self)
            }

            fn schema(rule: &Self::Rule) -> Json {
                let (least, most) = (rule.least, rule.most);
                let numbers = json!({"type": "integer", "minimum": least, "maximum": most});
                let named = [(-1, rule.minus_one), (-2, rule.minus_two)];
                let named = named.into_iter().filter(|(_, means)| means.is_some());
                let mut any: Vec<Json> = named.map(|(name, _)| json!({"const": name})).collect();
                if any.is_empty() {
                    return numbers;
                }
                any.push(numbers);
                json!({"anyOf": any})
            }
        }
    )*};
}

whole!(u32 => Whole, u64 => Size, i32 => Signed);

/// The inclusive range of a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number {
    least: f32,
    most: f32,
    note: &'static str,
}

impl Number {
    pub(crate) const fn new(least: f32, most: f32, note: &'static str) -> Self {
        Self { least, most, note }
    }
}

impl Kind for f32 {
    type Rule = Number;

    fn flag_form(_: &Number) -> FlagForm {
        FlagForm::Number
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "settings are single precision, as llama.cpp's are; the range is checked after"
    )]
    fn read(value: &Value, _: &Self::Rule) -> Option<Self> {
        match value {
            Value::Integer(whole) => Some(*whole as Self),
            Value::Float(float) => Some(*float as Self),
            _ => None,
        }
    }

    fn refuse(&self, rule: &Self::Rule) -> Option<String> {
        // NaN is in no range.
        (!(rule.least..=rule.most).contains(self)).then(|| self.to_string())
    }

    fn allowed(rule: &Self::Rule) -> String {
        let Number { least, most, note } = rule;
        noted(format!("a number from {least:?} to {most:?}"), note)
    }

    fn json(&self) -> Json {
        // Converted via its shortest text: 0.1, not 0.10000000149011612.
        self.to_string()
            .parse()
            .map_or(Json::Null, |double: f64| json!(double))
    }

    fn schema(rule: &Self::Rule) -> Json {
        json!({"type": "number", "minimum": rule.least.json(), "maximum": rule.most.json()})
    }
}

/// The rule of a type without a range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Any;

impl Kind for bool {
    type Rule = Any;

    fn flag_form(_: &Any) -> FlagForm {
        FlagForm::Switch
    }

    fn read(value: &Value, _: &Any) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    fn refuse(&self, _: &Any) -> Option<String> {
        None
    }

    fn allowed(_: &Any) -> String {
        "true or false".to_owned()
    }

    fn json(&self) -> Json {
        json!(self)
    }

    fn schema(_: &Any) -> Json {
        json!({"type": "boolean"})
    }
}

/// The range of a duration, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Millis {
    least: u64,
    most: u64,
    /// The upper end in words.
    most_is: &'static str,
}

impl Millis {
    /// From 0 to a day.
    pub(crate) const UP_TO_A_DAY: Self = Self {
        least: 0,
        ..Self::TO_A_DAY
    };

    /// From a millisecond to a day.
    pub(crate) const TO_A_DAY: Self = Self {
        least: 1,
        most: 24 * 60 * 60 * 1000,
        most_is: "a day",
    };

    /// From a second to a year.
    pub(crate) const A_SECOND_TO_A_YEAR: Self = Self {
        least: 1000,
        most: 365 * 24 * 60 * 60 * 1000,
        most_is: "a year",
    };
}

impl Kind for Duration {
    type Rule = Millis;

    fn flag_form(_: &Millis) -> FlagForm {
        FlagForm::Duration
    }

    /// Keeps fractions of a millisecond, which a document cannot write.
    fn of_flag(value: FlagValue, rule: &Millis) -> Result<Self, String> {
        match value {
            FlagValue::Duration(time) => Ok(time),
            _ => Err(format!("give {}", Self::allowed(rule))),
        }
    }

    fn read(value: &Value, rule: &Millis) -> Option<Self> {
        let millis = u64::read(value, &Whole::new(rule.least, rule.most))?;
        Some(Self::from_millis(millis))
    }

    fn refuse(&self, rule: &Millis) -> Option<String> {
        let millis = self.as_millis();
        let range = u128::from(rule.least)..=u128::from(rule.most);
        // A fraction of a millisecond above the limit is out of range too.
        let is_in = range.contains(&millis) && *self <= Self::from_millis(rule.most);
        (!is_in).then(|| millis.to_string())
    }

    fn allowed(rule: &Millis) -> String {
        format!(
            "a whole number of milliseconds from {} to {} ({})",
            rule.least, rule.most, rule.most_is
        )
    }

    fn json(&self) -> Json {
        json!(u64::try_from(self.as_millis()).unwrap_or(u64::MAX))
    }

    fn schema(rule: &Millis) -> Json {
        u64::schema(&Whole::new(rule.least, rule.most))
    }
}

/// The rule of a list of texts: how many there may be, and how long each may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts {
    pub(crate) most: usize,
    pub(crate) bytes: usize,
}

impl Kind for Vec<String> {
    type Rule = Texts;

    fn flag_form(_: &Texts) -> FlagForm {
        FlagForm::Texts
    }

    fn read(value: &Value, _: &Texts) -> Option<Self> {
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        match value {
            Value::List(list) => list.iter().map(text).collect(),
            // A single text instead of a list, as in WasmEdge's `reverse-prompt`. An empty one is
            // an empty list.
            Value::Text(one) if one.is_empty() => Some(Self::new()),
            one => Some(vec![text(one)?]),
        }
    }

    fn refuse(&self, rule: &Texts) -> Option<String> {
        if self.len() > rule.most {
            return Some(format!("a list of {}", self.len()));
        }
        let lengths = 1..=rule.bytes;
        let bad = self.iter().find(|text| !lengths.contains(&text.len()))?;
        Some(format!("a list with a string of {} bytes", bad.len()))
    }

    fn allowed(rule: &Texts) -> String {
        let Texts { most, bytes } = rule;
        format!("a list of at most {most} strings of 1 to {bytes} bytes")
    }

    fn json(&self) -> Json {
        json!(self)
    }

    fn schema(rule: &Texts) -> Json {
        let text = json!({"type": "string", "minLength": 1, "maxLength": rule.bytes});
        let texts = json!({"type": "array", "items": text, "maxItems": rule.most});
        json!({"anyOf": [{"type": "string"}, texts]})
    }
}

/// A type whose values are names. `Display` gives a value's name.
pub(crate) trait Named: Copy + fmt::Display + FromStr<Err: fmt::Display> + 'static {
    /// All values.
    const ALL: &'static [Self];
}

/// Makes an array of the slice that `strum` gives.
pub(crate) const fn all_of<T: Copy, const COUNT: usize>(variants: &[T]) -> [T; COUNT] {
    match variants.first_chunk() {
        Some(all) => *all,
        None => unreachable!(),
    }
}

/// Gives a type, whose names `strum` derives, a list of its values and conversions to and from
/// text. Errors call a value `$what`.
macro_rules! names {
    ($type:ident, $what:literal) => {
        impl $type {
            /// All values, in their order.
            pub const ALL: [Self; <Self as strum::EnumCount>::COUNT] =
                $crate::kind::all_of(<Self as strum::VariantArray>::VARIANTS);

            /// The name, as used everywhere outside Rust.
            #[must_use]
            pub fn name(self) -> &'static str {
                self.into()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> std::result::Result<Self, String> {
                let named = Self::ALL.iter().find(|one| one.name() == text);
                named.copied().ok_or_else(|| {
                    let names: Vec<&str> = Self::ALL.iter().map(|one| one.name()).collect();
                    format!(
                        concat!("`{}` is no ", $what, ": give one of {}"),
                        text,
                        names.join(", ")
                    )
                })
            }
        }
    };
}
pub(crate) use names;

/// Like [`names`], and makes the type usable as a setting's type.
macro_rules! named {
    ($type:ident, $what:literal) => {
        $crate::kind::names!($type, $what);

        impl $crate::kind::Named for $type {
            const ALL: &'static [Self] = &Self::ALL;
        }
    };
}
pub(crate) use named;

/// The names, in order.
pub(crate) fn all_names<T: Named>() -> Vec<String> {
    T::ALL.iter().map(ToString::to_string).collect()
}

impl<T: Named> Kind for T {
    type Rule = Any;

    fn read(value: &Value, _: &Any) -> Option<Self> {
        let Value::Text(text) = value else {
            return None;
        };
        T::ALL.iter().copied().find(|one| one.to_string() == *text)
    }

    /// Parses the name as the type itself does. Its error lists all names.
    fn of_flag(value: FlagValue, rule: &Any) -> Result<Self, String> {
        match value {
            FlagValue::Text(text) => text.parse().map_err(|error| format!("{error}")),
            _ => Err(format!("give {}", Self::allowed(rule))),
        }
    }

    fn refuse(&self, _: &Any) -> Option<String> {
        None
    }

    fn allowed(_: &Any) -> String {
        format!("one of {}", all_names::<T>().join(", "))
    }

    fn json(&self) -> Json {
        json!(self.to_string())
    }

    fn schema(_: &Any) -> Json {
        json!({"enum": all_names::<T>()})
    }
}

#[cfg(test)]
mod tests;
