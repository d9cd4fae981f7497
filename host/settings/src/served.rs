//! Declares the operator's settings of a model: the blocks of documents, and the one struct that
//! they make.

/// Declares the operator's blocks, each as [`block!`](crate::block::block) does, and the struct of
/// effective values. The struct has a field with a default for each setting, and the fields after
/// `with`, which are not in a block. Settings after `beside` exist only in documents.
macro_rules! served {
    (
        $(#[doc = $about:literal])*
        pub struct $config:ident with {
            $($(#[doc = $own_doc:literal])* pub $own:ident: $own_type:ty,)*
        }
        $(
            $(#[doc = $block_about:literal])*
            pub struct $block:ident in $section:literal {
                $(
                    $(#[doc = $doc:literal])*
                    $field:ident: $kind:ty $(= $default:expr)? $(, else $unset:literal)?,
                    $name:literal, [$($also:literal),*], $rule:expr
                    $(, flag($flag:literal, $value:literal $(= $alone:literal)?, $help:expr))?;
                )*
            }
            $(beside {
                $(
                    $(#[doc = $by_doc:literal])*
                    $by:ident: $by_kind:ty, else $by_unset:literal,
                    $by_name:literal, [$($by_also:literal),*], $by_rule:expr
                    $(, flag(
                        $by_flag:literal, $by_value:literal $(= $by_alone:literal)?, $by_help:expr
                    ))?;
                )*
            })?
        )*
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $config {
            $($(
                $(#[doc = $doc])*
                pub $field: $crate::block::block!(@type [$kind] [$($default)?]),
            )*)*
            $($(#[doc = $own_doc])* pub $own: $own_type,)*
        }

        impl Default for $config {
            fn default() -> Self {
                Self {
                    $($($field: $crate::served::served!(@default [$($default)?]),)*)*
                    $($own: <$own_type>::default(),)*
                }
            }
        }

        impl $config {
            /// Checks the range of each setting.
            fn check_each(&self, check: &mut $crate::problem::Check) {
                $($crate::block::Block::check(&$block::of(self), check);)*
            }
        }

        #[cfg(test)]
        impl $config {
            /// The names of the fields that are settings.
            pub(crate) const FIELDS: &'static [&'static str] = &[$($(stringify!($field)),*),*];
        }

        $(
            $crate::block::block! {
                $(#[doc = $block_about])*
                pub struct $block in $section {
                    $(
                        $(#[doc = $doc])*
                        $field: $kind $(= $default)? $(, else $unset)?, $name, [$($also),*], $rule
                        $(, flag($flag, $value $(= $alone)?, $help))?;
                    )*
                    $($(
                        $(#[doc = $by_doc])*
                        $by: $by_kind, else $by_unset, $by_name, [$($by_also),*], $by_rule
                        $(, flag($by_flag, $by_value $(= $by_alone)?, $by_help))?;
                    )*)?
                }
            }

            impl $block {
                /// Sets in `config` the values that are set here.
                pub(crate) fn apply(&self, config: &mut $config) {
                    $(if let Some(value) = self.$field.clone() {
                        config.$field = value.into();
                    })*
                }

                /// The effective values.
                fn of(config: &$config) -> Self {
                    Self {
                        $($field: config.$field.clone().into(),)*
                        $($($by: None,)*)?
                    }
                }
            }
        )*
    };
    (@default [$default:expr]) => { $default };
    (@default []) => { None };
}
pub(crate) use served;
