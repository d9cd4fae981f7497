//! The tokens of a model, as a grammar names them.

/// A model's tokens.
pub(crate) trait Tokens {
    /// Number of tokens. The ids are 0 to this minus one.
    fn count(&self) -> u32;

    /// The token with this text or name, if there is exactly one.
    fn find(&self, name: &str) -> Option<u32>;

    /// Whether the token ends an answer.
    fn is_end(&self, id: u32) -> bool;

    /// Whether the token can be part of an answer: it has a text or a name.
    fn is_usable(&self, id: u32) -> bool;

    /// The bytes of the token in an answer. Empty for one that has a name only.
    fn text(&self, id: u32) -> Vec<u8>;
}
