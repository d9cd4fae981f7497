//! Declares a block of settings: its fields, and for each field its spellings, range, default, help
//! and flag.
//!
//! The macro makes from the one declaration the typed structs, the check of ranges, the merging of
//! levels, the reading of documents, the flags, the tables of the documentation and the JSON
//! Schema. They cannot disagree.

use serde_json::Value as Json;

use super::flag_value::{FlagInfo, FlagValue};
use super::kind::Kind;
use super::problem::{Check, Problem};
use super::value::Value;

/// A setting's description, which does not depend on its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyInfo {
    /// Its name in documents.
    pub(crate) name: &'static str,
    /// Other names, with underscores.
    pub(crate) also: &'static [&'static str],
    /// The help: the field's documentation.
    pub(crate) help: &'static str,
    /// The allowed values, in words that follow "it must be".
    pub(crate) allowed: fn() -> String,
    /// The default: a value as JSON, or words that say what holds instead of a value.
    pub(crate) default: fn() -> Result<Json, &'static str>,
    /// JSON Schema of the value.
    pub(crate) schema: fn() -> Json,
    /// The flag of the command line that sets it.
    pub(crate) flag: Option<FlagInfo>,
    /// The version of the contract that is to have it as a field. Users of older versions set it as
    /// JSON.
    pub(crate) since: Option<&'static str>,
}

/// How to read and write one setting of a block.
#[derive(Debug)]
pub(crate) struct Key<B> {
    pub(crate) info: KeyInfo,
    /// Reads a document's value. Returns `false` if the value has another type.
    pub(crate) read: fn(&mut B, &Value) -> bool,
    /// Reads a flag's value. The error says which values are allowed.
    pub(crate) give: fn(&mut B, FlagValue) -> Result<(), String>,
    /// The value in words, if it is out of range.
    pub(crate) refuse: fn(&B) -> Option<String>,
    /// The value, if it is set.
    pub(crate) json: fn(&B) -> Option<Json>,
}

/// A block of settings. Each setting may be unset.
pub(crate) trait Block: Sized + 'static {
    /// The name of the section in documents, which is also the first part of the path of each
    /// setting.
    const SECTION: &'static str;
    /// Its settings.
    const KEYS: &'static [Key<Self>];

    /// Checks all ranges.
    fn check(&self, check: &mut Check) {
        for key in Self::KEYS {
            if let Some(value) = (key.refuse)(self) {
                let path = format!("{}.{}", Self::SECTION, key.info.name);
                check.that(false, || Problem::new(path, value, (key.info.allowed)()));
            }
        }
    }
}

/// A block of any type, for loops over all blocks.
pub(crate) trait AnyBlock {
    fn section(&self) -> &'static str;
    fn len(&self) -> usize;
    fn info(&self, index: usize) -> Option<&'static KeyInfo>;
    fn read(&mut self, index: usize, value: &Value) -> bool;
    fn give(&mut self, index: usize, value: FlagValue) -> Result<(), String>;
    fn refuse(&self, index: usize) -> Option<String>;
    fn json(&self, index: usize) -> Option<Json>;
}

impl<B: Block> AnyBlock for B {
    fn section(&self) -> &'static str {
        B::SECTION
    }

    fn len(&self) -> usize {
        B::KEYS.len()
    }

    fn info(&self, index: usize) -> Option<&'static KeyInfo> {
        B::KEYS.get(index).map(|key| &key.info)
    }

    fn read(&mut self, index: usize, value: &Value) -> bool {
        B::KEYS
            .get(index)
            .is_some_and(|key| (key.read)(self, value))
    }

    fn give(&mut self, index: usize, value: FlagValue) -> Result<(), String> {
        match B::KEYS.get(index) {
            Some(key) => (key.give)(self, value),
            None => Ok(()),
        }
    }

    fn refuse(&self, index: usize) -> Option<String> {
        B::KEYS.get(index).and_then(|key| (key.refuse)(self))
    }

    fn json(&self, index: usize) -> Option<Json> {
        B::KEYS.get(index).and_then(|key| (key.json)(self))
    }
}

/// A default value as JSON.
pub(super) fn default_json<K: Kind>(value: &K) -> Result<Json, &'static str> {
    Ok(value.json())
}

/// Declares a block. Each field has a type, a default (or a description of it after `else`), a name
/// in documents, other names, and a range. With `=> InForce`, the macro also declares a struct of
/// the effective settings.
///
/// A field may end with `flag("name", "VALUE", "help")`, its command line flag. `"VALUE" = "x"`
/// means that the flag without a value is `x`. It may also end with `since("0.2.0")`, the version
/// of the contract that has the setting as a field.
macro_rules! block {
    (
        $(#[doc = $about:literal])*
        pub struct $block:ident $(=> $in_force:ident)? in $section:literal {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $kind:ty $(= $default:expr)? $(, else $unset:literal)?, $name:literal,
                [$($also:literal),*], $rule:expr
                $(, flag($flag:literal, $value:literal $(= $alone:literal)?, $help:expr))?
                $(, since($since:literal))?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $block {
            $($(#[doc = $doc])* pub $field: Option<$kind>,)*
        }

        impl $block {
            /// These settings, with those of `base` for the unset ones.
            #[must_use]
            pub fn or(self, base: &Self) -> Self {
                Self {
                    $($field: self.$field.or_else(|| base.$field.clone()),)*
                }
            }
        }

        impl $crate::block::Block for $block {
            const SECTION: &'static str = $section;
            const KEYS: &'static [$crate::block::Key<Self>] = &[
                $($crate::block::Key {
                    info: $crate::block::KeyInfo {
                        name: $name,
                        also: &[$($also),*],
                        help: concat!($($doc, "\n"),*),
                        allowed: || <$kind as $crate::kind::Kind>::allowed(&$rule),
                        default: || {
                            $crate::block::block!(@default [$kind] [$($default)?] [$($unset)?])
                        },
                        schema: || <$kind as $crate::kind::Kind>::schema(&$rule),
                        flag: $crate::block::block!(
                            @flag [$kind] [$rule] [$($flag, $value, [$($alone)?], $help)?]
                        ),
                        since: $crate::block::block!(@since [$($since)?]),
                    },
                    read: |block, value| {
                        let read = <$kind as $crate::kind::Kind>::read(value, &$rule);
                        let is_read = read.is_some();
                        block.$field = read.or(block.$field.take());
                        is_read
                    },
                    give: |block, value| {
                        block.$field = Some(<$kind as $crate::kind::Kind>::of_flag(value, &$rule)?);
                        Ok(())
                    },
                    refuse: |block| {
                        let value = block.$field.as_ref()?;
                        $crate::kind::Kind::refuse(value, &$rule)
                    },
                    json: |block| block.$field.as_ref().map($crate::kind::Kind::json),
                },)*
            ];
        }

        $crate::block::block!(@in_force $block [$($in_force)?] {
            $($(#[doc = $doc])* $field [$kind] [$($default)?])*
        });
    };
    (@in_force $block:ident [] { $($any:tt)* }) => {};
    (@in_force $block:ident [$in_force:ident] {
        $($(#[doc = $doc:literal])* $field:ident [$kind:ty] [$($default:expr)?])*
    }) => {
        #[doc = concat!("[`", stringify!($block), "`] as they are in force for one generation.")]
        #[derive(Debug, Clone, PartialEq)]
        pub struct $in_force {
            $($(#[doc = $doc])* pub $field: $crate::block::block!(@type [$kind] [$($default)?]),)*
        }

        #[cfg(test)]
        impl $in_force {
            /// The names of the fields.
            pub(crate) const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];
        }

        impl $block {
            /// The settings in force: these settings, and the defaults for those that are unset.
            pub(crate) fn in_force(self) -> $in_force {
                $in_force {
                    $($field: $crate::block::block!(@value self.$field, [$($default)?]),)*
                }
            }
        }
    };
    (@type [$kind:ty] [$default:expr]) => { $kind };
    (@type [$kind:ty] []) => { Option<$kind> };
    (@value $value:expr, [$default:expr]) => { $value.unwrap_or_else(|| $default) };
    (@value $value:expr, []) => { $value };
    (@default [$kind:ty] [$default:expr] []) => { $crate::block::default_json::<$kind>(&$default) };
    (@default [$kind:ty] [] [$unset:literal]) => { Err($unset) };
    (@flag [$kind:ty] [$rule:expr] []) => { None };
    (
        @flag [$kind:ty] [$rule:expr]
        [$flag:literal, $value:literal, [$($alone:literal)?], $help:expr]
    ) => {
        Some($crate::flag_value::FlagInfo {
            name: $flag,
            value_name: $value,
            alone: $crate::block::block!(@since [$($alone)?]),
            help: $help,
            form: || <$kind as $crate::kind::Kind>::flag_form(&$rule),
            check: |text| {
                let text = $crate::flag_value::FlagValue::Text(text);
                <$kind as $crate::kind::Kind>::of_flag(text, &$rule).map(drop)
            },
        })
    };
    (@since []) => { None };
    (@since [$since:literal]) => { Some($since) };
}
pub(crate) use block;
