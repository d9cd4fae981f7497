//! Builders of settings: each field may be set, and what isn't is left to the host.

/// Declares a block of settings: the struct, a method for each field, and merging. A method takes
/// its field's own type; `as into` takes what becomes it, `as texts` anything that gives texts.
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
            /// Nothing set.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $($crate::options::builder::setter!($(#[doc = $doc])* $field: $kind $(as $taken)?);)*

            /// These settings, and those of `base` where these say nothing.
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

/// The method of one field.
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
