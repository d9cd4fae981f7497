//! What becomes of each keyword of JSON Schema and its relatives.

/// What happens to a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    /// It is followed.
    Followed,
    /// It says nothing about which values are valid.
    Annotation,
    /// It has no effect, which the log says: it is unknown, or its name suggests an effect.
    Noted,
    /// It can't be followed, and what to do instead.
    Refused(&'static str),
}

const CHECK: &str = "leave it out, and check it in what reads the answer";

/// What happens to the keyword.
pub(super) fn of(keyword: &str) -> Keyword {
    match keyword {
        "$ref" | "additionalItems" | "additionalProperties" | "allOf" | "anyOf" | "const"
        | "enum" | "exclusiveMaximum" | "exclusiveMinimum" | "format" | "items" | "maxItems"
        | "maxLength" | "maxProperties" | "maximum" | "minItems" | "minLength"
        | "minProperties" | "minimum" | "multipleOf" | "not" | "nullable" | "oneOf" | "pattern"
        | "patternProperties" | "prefixItems" | "properties" | "propertyNames" | "required"
        | "type" | "unevaluatedProperties" | "uniqueItems" => Keyword::Followed,
        "$anchor" | "$comment" | "$defs" | "$dynamicAnchor" | "$id" | "$schema" | "$vocabulary"
        | "components" | "default" | "definitions" | "deprecated" | "description" | "example"
        | "examples" | "id" | "readOnly" | "title" | "writeOnly" | "x-whitespace"
        // They count beside other keywords only, which decide.
        | "else" | "maxContains" | "minContains" | "then" => Keyword::Annotation,
        "if" => Keyword::Refused("say it with `anyOf`, one schema for each case"),
        "dependentRequired" | "dependentSchemas" | "dependencies" => {
            Keyword::Refused("say it with `anyOf`, with the property and without it")
        }
        "contains" => Keyword::Refused(CHECK),
        "unevaluatedItems" => Keyword::Refused("use `items` or `maxItems`"),
        "$dynamicRef" | "$recursiveRef" => Keyword::Refused("use `$ref`"),
        "extends" => Keyword::Refused("use `allOf`"),
        "disallow" => Keyword::Refused("use `not`"),
        "divisibleBy" => Keyword::Refused("use `multipleOf`"),
        "x-guidance" => Keyword::Refused(
            "the host sets these options; `x-whitespace` is the one for white space",
        ),
        _ => Keyword::Noted,
    }
}
