//! The JSON of a guest, as templates see it: numbers as they were given, keys in their order.
//!
//! `serde_json` makes a fraction of a whole number that does not fit 64 bits. Python does not, and
//! an identifier must reach the prompt unchanged.

use indexmap::IndexMap;
use serde_json::Value as Json;

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    /// A whole number, as its digits.
    Whole(String),
    Fraction(f64),
    Text(String),
    List(Vec<Self>),
    Object(Object),
}

/// An object. If a key occurs twice, the last value counts, as in Python.
pub(crate) type Object = IndexMap<String, Data>;

impl Data {
    /// Reads a JSON text.
    ///
    /// # Errors
    ///
    /// What is wrong, with line and column. More than 128 levels are refused.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        // It reports mistakes, so the reader may rely on valid JSON.
        let _: Json = serde_json::from_str(text)?;
        Ok(Reader { rest: text }.value())
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object with these keys.
    pub(crate) fn object<const N: usize>(pairs: [(&str, Self); N]) -> Self {
        let pairs = pairs.into_iter();
        Self::Object(pairs.map(|(key, value)| (key.to_owned(), value)).collect())
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value of a key, if it is an object that has the key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }
}

/// Reads JSON that is known to be valid.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Data {
        self.skip_space();
        match self.rest.bytes().next() {
            Some(b'{') => {
                let mut object = Object::new();
                self.items('}', |reader| {
                    let key = reader.string();
                    reader.skip_space();
                    reader.take(1);
                    object.insert(key, reader.value());
                });
                Data::Object(object)
            }
            Some(b'[') => {
                let mut list = Vec::new();
                self.items(']', |reader| list.push(reader.value()));
                Data::List(list)
            }
            Some(b'"') => Data::Text(self.string()),
            _ => self.word(),
        }
    }

    /// What stands between two brackets, separated by commas.
    fn items(&mut self, close: char, mut item: impl FnMut(&mut Self)) {
        self.take(1);
        loop {
            self.skip_space();
            match self.rest.chars().next() {
                Some(',') => {
                    self.take(1);
                    self.skip_space();
                }
                Some(next) if next != close => {}
                _ => break,
            }
            item(self);
        }
        self.take(1);
    }

    fn string(&mut self) -> String {
        let mut is_escaped = false;
        let closes = |byte: u8| {
            let closes = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            closes
        };
        let end = self.rest.bytes().skip(1).position(closes);
        let written = self.take(end.map_or(self.rest.len(), |end| end + 2));
        serde_json::from_str(written).unwrap_or_default()
    }

    /// `null`, a truth value or a number.
    fn word(&mut self) -> Data {
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | ']' | '}');
        let word = self.take(self.rest.find(ends).unwrap_or(self.rest.len()));
        match word {
            "null" | "" => Data::Null,
            "true" => Data::Bool(true),
            "false" => Data::Bool(false),
            "-0" => Data::Whole("0".to_owned()),
            number if number.contains(['.', 'e', 'E']) => {
                Data::Fraction(number.parse().unwrap_or(f64::NAN))
            }
            digits => Data::Whole(digits.to_owned()),
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn as_json(data: &Data) -> Json {
        match data {
            Data::Null => Json::Null,
            Data::Bool(is) => Json::Bool(*is),
            Data::Whole(digits) => serde_json::from_str(digits).unwrap(),
            Data::Fraction(number) => Json::from(*number),
            Data::Text(text) => Json::from(text.as_str()),
            Data::List(list) => list.iter().map(as_json).collect(),
            Data::Object(of) => of.iter().map(|(k, v)| (k.clone(), as_json(v))).collect(),
        }
    }

    #[test]
    fn whole_numbers_keep_their_digits() {
        let data = Data::read(" [12345678901234567890123, -0, 1e2, -7 ] ").unwrap();
        let whole = |digits: &str| Data::Whole(digits.to_owned());
        let expected = [
            whole("12345678901234567890123"),
            whole("0"),
            Data::Fraction(100.0),
            whole("-7"),
        ];
        assert_eq!(data, Data::List(expected.to_vec()));
    }

    #[test]
    fn a_key_that_occurs_twice_has_its_last_value_in_its_first_place() {
        let data = Data::read(r#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        let pairs = data.as_object().unwrap().iter();
        let pairs: Vec<_> = pairs.map(|(key, value)| (key.as_str(), value)).collect();
        let whole = |digits: &str| Data::Whole(digits.to_owned());
        assert_eq!(pairs, [("a", &whole("3")), ("b", &whole("2"))]);
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (-1e9..1e9).prop_map(Json::from),
            ".{0,8}".prop_map(Json::from),
            r#"[\\"\]}\n,]{0,6}"#.prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::hash_map(r#"[a"\\]{0,3}"#, inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_read_as_serde_json_reads_it(json in json(), is_pretty in any::<bool>()) {
            let text = match is_pretty {
                true => serde_json::to_string_pretty(&json).unwrap(),
                false => json.to_string(),
            };
            prop_assert_eq!(as_json(&Data::read(&text).unwrap()), json);
        }

        #[test]
        fn what_is_no_json_is_refused(text in r#"[\[\]{}",:01a ]{0,12}"#) {
            let expected = serde_json::from_str::<Json>(&text);
            prop_assert_eq!(Data::read(&text).is_ok(), expected.is_ok());
        }
    }
}
