//! The schemas that the SDK makes of Rust types: what they allow can be read as the type.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroI8, NonZeroU64};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use mynah_guest::{JsonForm, OutputForm, json_schema_with};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::promise::answer;

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are only read")]
struct Plain {
    name: String,
    size: Option<u16>,
    #[serde(default)]
    tags: Vec<char>,
    nested: Box<Option<Plain>>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are only read")]
enum External {
    Unit,
    New(i8),
    Two(u8, bool),
    Fields { a: f32 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[expect(dead_code, reason = "the fields are only read")]
enum Internal {
    A { x: u8 },
    B(Inner),
    C,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
#[expect(dead_code, reason = "the fields are only read")]
enum Adjacent {
    A(u8),
    B { y: String },
    C,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the fields are only read")]
enum Untagged {
    Number(u8),
    Text(String),
    Object { z: bool },
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are only read")]
struct Inner {
    value: i64,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the fields are only read")]
struct Flattened {
    a: u8,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields are only read")]
struct Strict {
    first_name: String,
    by_kind: HashMap<Kind, u8>,
}

#[derive(Deserialize, JsonSchema, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    OneThing,
    Other,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "it is only read")]
struct New(u32);

/// Reads what random choices of tokens make of the type's schema. Returns how many ended.
fn read<T: JsonSchema + DeserializeOwned>() -> usize {
    let mut runner = TestRunner::deterministic();
    let choices = prop::collection::vec(any::<u32>(), 150);
    let mut ended = 0;
    for form in [JsonForm::default(), JsonForm::default().white_space()] {
        let OutputForm::JsonSchema(text) = json_schema_with::<T>(form).unwrap() else {
            panic!("another form");
        };
        let schema: Value = serde_json::from_str(&text).unwrap();
        let taken = super::constraint(&schema);
        assert!(taken.is_ok(), "{}: {taken:?} of {text}", type_name::<T>());
        for _ in 0..12 {
            let choices = choices.new_tree(&mut runner).unwrap().current();
            let Some(text) = answer(&schema, &choices) else {
                continue;
            };
            ended += 1;
            let read: Result<T, _> = serde_json::from_str(&text);
            if let Err(error) = read {
                panic!("{}: {error}: {text} of {schema}", type_name::<T>());
            }
        }
    }
    ended
}

macro_rules! read_all {
    ($($type:ty),+ $(,)?) => {
        [$((type_name::<$type>(), read::<$type>())),+]
    };
}

#[test]
fn what_the_schema_of_a_type_allows_is_read_as_the_type() {
    let counts = read_all![
        u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, i128, u128, f32, f64, bool, char,
        String, (), Option<u8>, (u8, String), [i16; 3], Vec<f64>, VecDeque<bool>, BTreeSet<u8>,
        HashSet<String>, BTreeMap<String, f32>, HashMap<Kind, Vec<u8>>, NonZeroI8, NonZeroU64,
        IpAddr, Ipv4Addr, Ipv6Addr, Duration, SystemTime, Range<u8>, Result<u8, String>, Value,
        Plain, External, Internal, Adjacent, Untagged, Flattened, Strict, New,
    ];
    for (name, ended) in counts {
        assert!(ended > 0, "no answer of {name} ended");
    }
}
