//! The flag in the declaration of a setting, and the values that a flag takes.

use std::time::Duration;

use super::value::Value;

/// The syntax of a flag's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagForm {
    /// A whole number of 0 or more.
    Whole,
    /// A whole number that may be negative. -1 has a special meaning.
    Signed,
    /// A number.
    Number,
    /// A number of bytes, with a unit.
    Size,
    /// A duration, with a unit.
    Duration,
    /// True or false. The flag without a value means true.
    Switch,
    /// A text, such as a name.
    Text,
    /// A text. The flag may be repeated.
    Texts,
}

/// The value of a flag.
#[derive(Debug, Clone, PartialEq)]
pub enum FlagValue {
    /// For [`FlagForm::Whole`] and [`FlagForm::Signed`].
    Whole(i64),
    /// For [`FlagForm::Number`].
    Number(f32),
    /// For [`FlagForm::Size`], in bytes.
    Size(u64),
    /// For [`FlagForm::Duration`].
    Duration(Duration),
    /// For [`FlagForm::Switch`].
    Switch(bool),
    /// For [`FlagForm::Text`].
    Text(String),
    /// For [`FlagForm::Texts`], in the order of the command line.
    Texts(Vec<String>),
}

impl From<FlagValue> for Value {
    fn from(value: FlagValue) -> Self {
        match value {
            FlagValue::Whole(whole) => Self::Integer(whole.into()),
            FlagValue::Number(number) => Self::Float(number.into()),
            FlagValue::Size(bytes) => Self::Integer(bytes.into()),
            FlagValue::Duration(time) => {
                Self::Integer(i128::try_from(time.as_millis()).unwrap_or(i128::MAX))
            }
            FlagValue::Switch(is_on) => Self::Bool(is_on),
            FlagValue::Text(text) => Self::Text(text),
            FlagValue::Texts(texts) => Self::List(texts.into_iter().map(Self::Text).collect()),
        }
    }
}

/// The flag in the declaration of a setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlagInfo {
    /// The name, without leading hyphens.
    pub(crate) name: &'static str,
    /// The placeholder of the value in the help.
    pub(crate) value_name: &'static str,
    /// The value of the flag without a value, if that is allowed.
    pub(crate) alone: Option<&'static str>,
    /// The help text.
    pub(crate) help: &'static str,
    /// The syntax of the value.
    pub(crate) form: fn() -> FlagForm,
    /// Checks a text as a value. The error describes the expected value.
    pub(crate) check: fn(String) -> Result<(), String>,
}
