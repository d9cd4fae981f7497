//! Macros for builders of settings. Every field is optional; the host chooses the value of an unset
//! field.

/// Declares a block of settings: the struct, a setter for each field, and `or`.
///
/// A setter takes the type of its field. With `as into` it takes `impl Into`, and with `as texts`
/// any iterator of strings.
macro_rules! builder {
    (
        $(#[doc = $about:literal])*
        pub struct $block:ident {
            $($(#[doc = $doc:literal])* $field:ident: $kind:ty $(as $taken:ident)?;)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $block {
            $(pub(super) $field: Option<$kind>,)*
        }

        impl $block {
            /// A block with nothing set.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $($crate::options::builder::setter!($(#[doc = $doc])* $field: $kind $(as $taken)?);)*

            /// Fills unset settings from `base`.
            #[must_use]
            pub fn or(self, base: Self) -> Self {
                Self {
                    $($field: self.$field.or(base.$field),)*
                }
            }
        }
    };
}
pub(super) use builder;

/// Declares the setter of one field.
macro_rules! setter {
    ($(#[doc = $doc:literal])* $field:ident: $kind:ty) => {
        $(#[doc = $doc])*
        #[must_use]
        pub fn $field(mut self, $field: $kind) -> Self {
            self.$field = Some($field);
            self
        }
    };
    ($(#[doc = $doc:literal])* $field:ident: $kind:ty as into) => {
        $(#[doc = $doc])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$kind>) -> Self {
            self.$field = Some($field.into());
            self
        }
    };
    ($(#[doc = $doc:literal])* $field:ident: $kind:ty as texts) => {
        $(#[doc = $doc])*
        #[must_use]
        pub fn $field(mut self, $field: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.$field = Some($field.into_iter().map(Into::into).collect());
            self
        }
    };
}
pub(super) use setter;
