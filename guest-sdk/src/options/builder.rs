//! Builders of settings: each field may be set, and what isn't is left to the host.

/// Declares a block of settings: the struct, a method for each field, and merging.
macro_rules! builder {
    (
        $(#[doc = $about:literal])*
        pub struct $block:ident {
            $($(#[doc = $doc:literal])* $field:ident: $kind:ty;)*
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

            $(
                $(#[doc = $doc])*
                #[must_use]
                pub fn $field(mut self, $field: impl Into<$kind>) -> Self {
                    self.$field = Some($field.into());
                    self
                }
            )*

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
