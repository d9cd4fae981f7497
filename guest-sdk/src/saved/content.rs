//! The content of a message in JSON, for `#[serde(with)]`: a string if it is one text, and a list
//! of parts otherwise.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Part;

pub(crate) fn serialize<S: Serializer>(content: &[Part], serializer: S) -> Result<S::Ok, S::Error> {
    match content {
        [Part::Text(text)] => text.serialize(serializer),
        parts => parts.serialize(serializer),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Part>, D::Error> {
    deserializer.deserialize_any(Content)
}

// Not an untagged enum, because the errors of those don't say what is wrong.
struct Content;

impl<'de> Visitor<'de> for Content {
    type Value = Vec<Part>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![Part::Text(text.to_owned())])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(parts))
    }
}
