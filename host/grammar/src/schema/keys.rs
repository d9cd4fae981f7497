//! Which names of properties an answer has used, so that none occurs twice in one object.
//!
//! A grammar can't say that two free names differ. This follows the answer beside the grammar. It
//! relies on it for everything else: the answer is JSON, and each name has one spelling.

use std::collections::BTreeSet;

/// An object or array that is not closed yet.
#[derive(Debug, Clone)]
enum Open {
    Array,
    Object(BTreeSet<Vec<u8>>),
}

/// Where an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Between tokens of JSON. The next string is the name of a property, or is not.
    Between { is_name_next: bool },
    /// In a string that is no name. The next character may be escaped.
    Text { is_escaped: bool },
    /// In the name of a property, of which this is there.
    Name { text: Vec<u8>, is_escaped: bool },
}

/// The names that are used in the objects of an answer that are not closed.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    open: Vec<Open>,
    place: Place,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            open: Vec::new(),
            place: Place::Between {
                is_name_next: false,
            },
        }
    }

    /// Whether any open object has a name that could repeat.
    pub(crate) fn has_names(&self) -> bool {
        let mut open = self.open.iter();
        open.any(|open| matches!(open, Open::Object(names) if !names.is_empty()))
    }

    /// Follows the answer. Returns whether a name is now there twice.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> bool {
        let mut is_twice = false;
        for byte in bytes {
            is_twice |= self.step(*byte);
        }
        is_twice
    }

    fn step(&mut self, byte: u8) -> bool {
        match &mut self.place {
            Place::Between { is_name_next } => match byte {
                b'{' => {
                    self.open.push(Open::Object(BTreeSet::new()));
                    *is_name_next = true;
                }
                b'[' => {
                    self.open.push(Open::Array);
                    *is_name_next = false;
                }
                b'}' | b']' => {
                    self.open.pop();
                    *is_name_next = false;
                }
                b',' => *is_name_next = matches!(self.open.last(), Some(Open::Object(_))),
                b':' => *is_name_next = false,
                b'"' if *is_name_next => {
                    self.place = Place::Name {
                        text: Vec::new(),
                        is_escaped: false,
                    };
                }
                b'"' => self.place = Place::Text { is_escaped: false },
                _ => {}
            },
            Place::Text { is_escaped } => match byte {
                b'"' if !*is_escaped => {
                    self.place = Place::Between {
                        is_name_next: false,
                    };
                }
                _ => *is_escaped = byte == b'\\' && !*is_escaped,
            },
            Place::Name { text, is_escaped } => match byte {
                b'"' if !*is_escaped => {
                    let text = std::mem::take(text);
                    self.place = Place::Between {
                        is_name_next: false,
                    };
                    if let Some(Open::Object(names)) = self.open.last_mut() {
                        return !names.insert(text);
                    }
                }
                _ => {
                    text.push(byte);
                    *is_escaped = byte == b'\\' && !*is_escaped;
                }
            },
        }
        false
    }

    /// Whether these bytes, which come next, would complete a name that is there already.
    pub(crate) fn would_repeat(&self, bytes: &[u8]) -> bool {
        // Each name that begins and ends in the bytes takes two quotes.
        let quotes = bytes.iter().filter(|byte| **byte == b'"').count();
        match &self.place {
            Place::Between { .. } => quotes >= 2 && self.near(bytes).advance(bytes),
            Place::Text { .. } => quotes >= 3 && self.near(bytes).advance(bytes),
            Place::Name { .. } if quotes >= 3 => self.near(bytes).advance(bytes),
            Place::Name { text, is_escaped } => {
                let Some(end) = end_of_string(bytes, *is_escaped) else {
                    return false;
                };
                let rest = bytes.get(..end).unwrap_or_default();
                let name = [text.as_slice(), rest].concat();
                matches!(self.open.last(), Some(Open::Object(names)) if names.contains(&name))
            }
        }
    }

    /// How many objects and arrays are open with these bytes, at most. 0 within a string, where
    /// brackets mostly mean nothing.
    pub(crate) fn depth_after(&self, bytes: &[u8]) -> usize {
        let opening = bytes.iter().filter(|byte| matches!(byte, b'{' | b'['));
        match self.place {
            Place::Between { .. } => self.open.len() + opening.count(),
            Place::Text { .. } | Place::Name { .. } => 0,
        }
    }

    /// The state with these bytes.
    pub(crate) fn after(&self, bytes: &[u8]) -> Self {
        let mut after = self.near(bytes);
        after.advance(bytes);
        after
    }

    /// The state with only as many open objects as these bytes can close. Copying the names of all
    /// would take long.
    fn near(&self, bytes: &[u8]) -> Self {
        let closing = bytes.iter().filter(|byte| matches!(byte, b'}' | b']'));
        let from = self.open.len().saturating_sub(closing.count() + 1);
        Self {
            open: self.open.get(from..).unwrap_or_default().to_vec(),
            place: self.place.clone(),
        }
    }

    /// Whether the name that comes next or is begun may be one that is there already.
    pub(crate) fn may_repeat(&self) -> bool {
        let Some(Open::Object(names)) = self.open.last() else {
            return false;
        };
        match &self.place {
            Place::Between { is_name_next } => *is_name_next && !names.is_empty(),
            Place::Text { .. } => false,
            Place::Name { text, .. } => {
                let mut from = names.range(text.clone()..);
                from.next().is_some_and(|name| name.starts_with(text))
            }
        }
    }
}

/// Where the string ends that the bytes continue.
fn end_of_string(bytes: &[u8], mut is_escaped: bool) -> Option<usize> {
    bytes.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn is_twice(text: &str) -> bool {
        Keys::new().advance(text.as_bytes())
    }

    #[test]
    fn a_name_may_be_in_two_objects_but_not_twice_in_one() {
        for text in [
            r#"{"a":1,"b":{"a":1}}"#,
            r#"[{"a":1},{"a":2}]"#,
            r#"{"a":"b","b":"a","c":["a","a"]}"#,
            r#"{"a\"":1,"a":2}"#,
            r#"{"a": {"x":{}}, "x": [{"a":1}]}"#,
            r#"{"a":"\\","b":"\"","":1}"#,
        ] {
            assert!(!is_twice(text), "{text}");
        }
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1},"c":[],"a":2}"#,
            r#"[[{"x":{"b":"}","b":1}}]]"#,
            r#"{"":1,"":1}"#,
            r#"{"a\\":1,"a\\":1}"#,
        ] {
            assert!(is_twice(text), "{text}");
        }
    }

    #[test]
    fn what_would_repeat_a_name_is_known_before() {
        let mut keys = Keys::new();
        keys.advance(br#"{"ab":1,"a"#);
        assert!(keys.may_repeat());
        assert!(keys.would_repeat(br#"b""#) && keys.would_repeat(br#"b":"#));
        assert!(!keys.would_repeat(b"b") && !keys.would_repeat(br#"bc""#));
        assert!(!keys.after(b"x").may_repeat());
        assert!(keys.after(b"b").may_repeat());
        assert!(!keys.after(br#"c":"#).may_repeat());
        assert!(keys.after(br#"c":1,"#).may_repeat());
    }

    #[test]
    fn what_would_repeat_a_name_is_known_wherever_the_answer_is() {
        for (begun, next, expected) in [
            (r#"{"a":1"#, r#","a""#, true),
            (r#"{"a":1"#, r#","b""#, false),
            (r#"{"a":"x"#, r#"","a":"#, true),
            (r#"{"a":"x"#, r#"","#, false),
            (r#"{"a":{"b":1"#, r#"},"a":1"#, true),
            (r#"{"a":{"b":1"#, r#"},"b":1"#, false),
            (r#"{"a\"b":1,"a\"#, r#""b""#, true),
            (r#"{"a":1,"b"#, r#"":1,"a":"#, true),
            (r#"{"a":1,"b"#, r#"":1,"c":"#, false),
        ] {
            let mut keys = Keys::new();
            keys.advance(begun.as_bytes());
            assert_eq!(
                keys.would_repeat(next.as_bytes()),
                expected,
                "{begun} {next}"
            );
        }
    }

    /// JSON text with names of which many are equal.
    fn texts() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1".to_owned()),
            "[ab\\\\{}\\[\\],:]{0,4}".prop_map(|text| Value::from(text).to_string()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = "[ab\"]{0,2}".prop_map(|name| Value::from(name).to_string());
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec((name, inner), 0..4).prop_map(|properties| {
                    let one = |(name, value): &(String, String)| format!("{name}: {value}");
                    let all: Vec<String> = properties.iter().map(one).collect();
                    format!("{{{}}}", all.join(", "))
                }),
            ]
        })
    }

    /// The number of properties of all objects, as a reader that keeps the last one finds it.
    fn properties(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(properties).sum(),
            Value::Object(map) => map.len() + map.values().map(properties).sum::<usize>(),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn a_name_is_there_twice_exactly_if_a_reader_loses_a_property(text in texts()) {
            let value: Value = serde_json::from_str(&text).unwrap();
            let mut outside = String::new();
            let mut in_text = false;
            let mut escaped = false;
            for char in text.chars() {
                match char {
                    '"' if !escaped => in_text = !in_text,
                    _ if !in_text => outside.push(char),
                    _ => {}
                }
                escaped = in_text && char == '\\' && !escaped;
            }
            let written = outside.matches(':').count();
            // What a lost property contains is lost too, so this is no exact number.
            prop_assert_eq!(is_twice(&text), properties(&value) < written);
        }
    }
}
