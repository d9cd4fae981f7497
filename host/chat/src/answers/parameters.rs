//! What a tool's JSON Schema says of each argument.

use mynah_core::Tool;

use crate::data::{Data, Object};
use crate::jinja;

/// How an argument is written where texts have no quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As a text without quotes.
    Text,
    /// As JSON, of these types.
    Json(Types),
    /// The schema does not name the argument.
    Unknown,
}

/// Some of the types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    /// Any type: a schema that says nothing of it.
    pub(super) const ANY: Self = Self(u8::MAX);

    const NAMES: [(&'static str, u8); 7] = [
        ("string", 1),
        ("integer", 2),
        ("number", 2),
        ("boolean", 4),
        ("null", 8),
        ("array", 16),
        ("object", 32),
    ];

    /// The types that a schema takes, as far as it says so itself or in a list of alternatives.
    fn of(schema: &Data) -> Self {
        let named = |name: &Data| {
            let name = name.as_text()?;
            Self::NAMES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, bit)| *bit)
        };
        let join = |bits: &mut dyn Iterator<Item = u8>| Self(bits.fold(0, |all, bit| all | bit));
        match (
            schema.get("type"),
            schema.get("anyOf").or(schema.get("oneOf")),
        ) {
            (Some(Data::List(names)), _) => join(&mut names.iter().filter_map(named)),
            (Some(name), _) => named(name).map_or(Self::ANY, Self),
            (None, Some(Data::List(schemas))) => {
                let alone = |schema: &Data| match schema.get("type") {
                    Some(name) => named(name).unwrap_or(u8::MAX),
                    None => u8::MAX,
                };
                join(&mut schemas.iter().map(alone))
            }
            _ => Self::ANY,
        }
    }

    /// Whether a value in JSON is of one of them.
    pub(super) fn take(self, json: &str) -> bool {
        let bit = match json.bytes().next() {
            Some(b'"') => 1,
            Some(b't' | b'f') => 4,
            Some(b'n') => 8,
            Some(b'[') => 16,
            Some(b'{') => 32,
            _ => 2,
        };
        self.0 & bit != 0
    }

    /// Whether a text is of them.
    pub(super) fn take_text(self) -> bool {
        self.take("\"")
    }
}

/// The arguments of a tool, in the order of its schema.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters {
    pub(super) all: Vec<Parameter>,
    /// The first rule for all arguments together that a list of single arguments cannot express.
    pub(super) beyond: Option<String>,
    /// What references in the schemas of arguments may refer to.
    definitions: Object,
}

/// An argument.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) schema: Data,
    pub(super) is_required: bool,
}

/// Largest size of the schemas of a tool's arguments, each with what its references refer to.
const MAX_BYTES: usize = 1 << 20;

/// What a schema of arguments may say besides its properties.
const EXPRESSED: [&str; 14] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "strict",
];

impl Parameters {
    pub(super) fn of(tool: &Tool) -> Self {
        let Some(schema) = tool.parameters.as_deref() else {
            return Self::default();
        };
        match Data::read(schema) {
            Ok(Data::Object(schema)) => Self::of_schema(&schema),
            _ => Self {
                beyond: Some("it is no JSON object".to_owned()),
                ..Self::default()
            },
        }
    }

    pub(super) fn of_schema(schema: &Object) -> Self {
        let beyond = schema.keys().find(|key| !EXPRESSED.contains(&key.as_str()));
        let kind = schema.get("type");
        let is_object = kind.is_none_or(|kind| kind.as_text() == Some("object"));
        let beyond = beyond.filter(|_| is_object).map(|key| format!("`{key}`"));
        let beyond = beyond.or((!is_object).then(|| "a type that is not `object`".to_owned()));
        let required = schema.get("required").and_then(Data::as_list);
        let required = required.unwrap_or_default();
        let properties = schema.get("properties").and_then(Data::as_object);
        let properties = properties.into_iter().flatten();
        let all: Vec<Parameter> = properties
            .map(|(name, of)| Parameter {
                name: name.clone(),
                schema: of.clone(),
                is_required: required.iter().any(|one| one.as_text() == Some(name)),
            })
            .collect();
        let definitions = ["$defs", "definitions"].into_iter().filter_map(|key| {
            let definitions = schema.get(key)?;
            Some((key.to_owned(), definitions.clone()))
        });
        let is_listed = |name: &&str| all.iter().any(|one| one.name == *name);
        let mut unlisted = required.iter().filter_map(Data::as_text);
        let unlisted = unlisted.find(|name| !is_listed(name));
        let unlisted = unlisted.map(|name| format!("`{name}` is required and has no schema"));
        Self {
            beyond: beyond.or(unlisted),
            all,
            definitions: definitions.collect(),
        }
    }

    /// The arguments of a tool, if a list of single arguments says all that its schema says.
    ///
    /// # Errors
    ///
    /// What the schema says beyond that.
    pub(super) fn enforceable(tool: &Tool) -> Result<Self, String> {
        Self::of(tool).only_expressed()
    }

    /// The same for an object within.
    ///
    /// # Errors
    ///
    /// What the schema says beyond a list of single arguments.
    pub(super) fn only_expressed(self) -> Result<Self, String> {
        if let Some(beyond) = &self.beyond {
            return Err(format!(
                "{beyond}: the model writes each argument alone, and this concerns all of them"
            ));
        }
        let bytes: usize = self.all.iter().map(|one| self.json(one).len()).sum();
        match bytes > MAX_BYTES {
            true => Err(format!(
                "with what their references refer to, the schemas of the arguments have {bytes} \
                 bytes: {MAX_BYTES} are possible"
            )),
            false => Ok(self),
        }
    }

    /// The schema of an argument as JSON, with what its references refer to.
    pub(super) fn json(&self, parameter: &Parameter) -> String {
        let json = |schema: &Data| jinja::json_text(schema).unwrap_or_else(|| "false".to_owned());
        let alone = json(&parameter.schema);
        match &parameter.schema {
            Data::Object(schema) if alone.contains("\"$ref\"") => {
                let mut whole = schema.clone();
                whole.extend(self.definitions.clone());
                json(&Data::Object(whole))
            }
            _ => alone,
        }
    }

    pub(super) fn kind(&self, name: &str) -> Kind {
        let parameter = self.all.iter().find(|one| one.name == name);
        parameter.map_or(Kind::Unknown, Parameter::kind)
    }
}

impl Parameter {
    pub(super) fn kind(&self) -> Kind {
        let is_text = self.schema.get("type").and_then(Data::as_text) == Some("string");
        match is_text || self.texts().is_some() {
            true => Kind::Text,
            false => Kind::Json(Types::of(&self.schema)),
        }
    }

    /// The texts that it may be, if the schema lists them.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        let one = self.schema.get("const").map(std::slice::from_ref);
        let list = self.schema.get("enum").and_then(Data::as_list);
        let list = one.or(list).filter(|list| !list.is_empty())?;
        list.iter().map(Data::as_text).collect()
    }
}
