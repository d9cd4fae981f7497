//! What of JSON Schema is supported, for `docs/supported.md`.

use mynah_settings::supported::{Support, Supported};

/// The rows of the page.
pub(super) const SUPPORTED: &[Supported] = &[
    Supported {
        construct: "`type`",
        support: Support::Yes,
        example: "{\"type\": [\"string\", \"null\"]}",
        note: "A value without a point is an `integer`; without bounds it has 64 \
                  bits.",
    },
    Supported {
        construct: "`enum`, `const`",
        support: Support::Yes,
        example: "{\"enum\": [\"a\", 1, {\"b\": [null]}]}",
        note: "The model writes each value in one spelling.",
    },
    Supported {
        construct: "`$ref`",
        support: Support::Yes,
        example: "{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"type\": \"integer\"}}}",
        note: "Within the schema, also to `$id` and `$anchor`, and in circles. \
                  Nothing is fetched.",
    },
    Supported {
        construct: "`allOf`, `anyOf`",
        support: Support::Yes,
        example: "{\"allOf\": [{\"anyOf\": [{\"type\": \"integer\"}, {\"type\": \
                  \"null\"}]}, {\"minimum\": 1}]}",
        note: "One value has up to 512 alternatives.",
    },
    Supported {
        construct: "`oneOf` of schemas that exclude each other",
        support: Support::Yes,
        example: "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}",
        note: "By type, listed values, or a required property.",
    },
    Supported {
        construct: "`oneOf` of others",
        support: Support::Partly,
        example: "{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}",
        note: "As `anyOf`: a value may match several of them.",
    },
    Supported {
        construct: "`not` with `type`, `const` or `enum`, `not: {}`",
        support: Support::Yes,
        example: "{\"type\": \"integer\", \"not\": {\"const\": 0}}",
        note: "",
    },
    Supported {
        construct: "`not` with other keywords",
        support: Support::No,
        example: "{\"not\": {\"minLength\": 3}}",
        note: "Check it in what reads the answer.",
    },
    Supported {
        construct: "`nullable` (OpenAPI 3.0)",
        support: Support::Yes,
        example: "{\"type\": \"integer\", \"nullable\": true}",
        note: "`null` is possible beside all that the schema says.",
    },
    Supported {
        construct: "`minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`",
        support: Support::Yes,
        example: "{\"type\": \"integer\", \"minimum\": 0, \"exclusiveMaximum\": \
                  18446744073709551615}",
        note: "To the last digit. Draft 4's flags count too.",
    },
    Supported {
        construct: "`multipleOf`",
        support: Support::Yes,
        example: "{\"type\": \"number\", \"multipleOf\": 0.01}",
        note: "Divisors of up to 100000, without the point.",
    },
    Supported {
        construct: "numbers without bounds",
        support: Support::Yes,
        example: "{\"type\": \"number\"}",
        note: "At most 40 digits before the point and 20 after it, and finite as a \
                  64-bit float. With bounds, without an exponent.",
    },
    Supported {
        construct: "`format` of numbers: `int8` to `int128`, `uint8` to `uint128`, \
                  `int`, `uint`, `float`, `double`",
        support: Support::Yes,
        example: "{\"type\": \"integer\", \"format\": \"uint32\"}",
        note: "They bound the number.",
    },
    Supported {
        construct: "`minLength`, `maxLength`",
        support: Support::Yes,
        example: "{\"type\": \"string\", \"minLength\": 1, \"maxLength\": 20}",
        note: "In characters (Unicode scalar values).",
    },
    Supported {
        construct: "`pattern`",
        support: Support::Yes,
        example: "{\"type\": \"string\", \"pattern\": \"^[a-z]+$\"}",
        note: "In the syntax of ECMA-262. All patterns together have up to 8192 \
                  bytes.",
    },
    Supported {
        construct: "`pattern` with look-around, back-references, word boundaries",
        support: Support::No,
        example: "{\"type\": \"string\", \"pattern\": \"^(?!x)\"}",
        note: "Leave them out, and check them in what reads the answer.",
    },
    Supported {
        construct: "`format` of strings: `base64url`, `byte`, `date`, `date-time`, \
                  `duration`, `email`, `hostname`, `idn-email`, `ip`, `ipv4`, `ipv6`, \
                  `json-pointer`, `time`, `ulid`, `uri`, `url`, `uuid`",
        support: Support::Yes,
        example: "{\"type\": \"string\", \"format\": \"date-time\"}",
        note: "Followed, where the standard only annotates. No 61st second, no year \
                  0.",
    },
    Supported {
        construct: "other values of `format`",
        support: Support::Partly,
        example: "{\"type\": \"string\", \"format\": \"password\"}",
        note: "They have no effect.",
    },
    Supported {
        construct: "`items`, `prefixItems`, `additionalItems`, a list in `items`",
        support: Support::Yes,
        example: "{\"prefixItems\": [{\"type\": \"string\"}], \"items\": false, \
                  \"type\": \"array\"}",
        note: "",
    },
    Supported {
        construct: "`minItems`, `maxItems`",
        support: Support::Yes,
        example: "{\"type\": \"array\", \"minItems\": 1, \"maxItems\": 30000}",
        note: "",
    },
    Supported {
        construct: "`uniqueItems` of listed items",
        support: Support::Yes,
        example: "{\"type\": \"array\", \"items\": {\"enum\": [\"a\", \"b\"]}, \
                  \"uniqueItems\": true}",
        note: "10 values, or more with a small `maxItems`. `uniqueItems: false` \
                  asks nothing.",
    },
    Supported {
        construct: "`uniqueItems` of other items",
        support: Support::No,
        example: "{\"type\": \"array\", \"items\": {\"type\": \"string\"}, \
                  \"uniqueItems\": true}",
        note: "Leave it out, and check it in what reads the answer.",
    },
    Supported {
        construct: "`contains`, `unevaluatedItems`",
        support: Support::No,
        example: "{\"contains\": {\"type\": \"string\"}}",
        note: "Check it in what reads the answer.",
    },
    Supported {
        construct: "`properties`, `required`",
        support: Support::Yes,
        example: "{\"type\": \"object\", \"properties\": {\"a\": true}, \"required\": \
                  [\"a\"]}",
        note: "In the order of the schema. 600 properties may be left out of one \
                  object.",
    },
    Supported {
        construct: "`additionalProperties`",
        support: Support::Yes,
        example: "{\"type\": \"object\", \"additionalProperties\": {\"type\": \
                  \"integer\"}}",
        note: "Others follow those of the schema, and no name is there twice. As \
                  the standard says, they are allowed unless it is `false`; small \
                  models often go on with them until `max_tokens`.",
    },
    Supported {
        construct: "`patternProperties`",
        support: Support::Yes,
        example: "{\"patternProperties\": {\"^x-\": {\"type\": \"string\"}}, \
                  \"additionalProperties\": false}",
        note: "32 patterns in one object.",
    },
    Supported {
        construct: "`propertyNames`",
        support: Support::Yes,
        example: "{\"propertyNames\": {\"pattern\": \"^[a-z]+$\"}, \
                  \"additionalProperties\": {\"type\": \"integer\"}}",
        note: "",
    },
    Supported {
        construct: "`minProperties`, `maxProperties`",
        support: Support::Yes,
        example: "{\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 3}",
        note: "",
    },
    Supported {
        construct: "`unevaluatedProperties`",
        support: Support::Yes,
        example: "{\"allOf\": [{\"properties\": {\"a\": true}}], \
                  \"unevaluatedProperties\": false}",
        note: "",
    },
    Supported {
        construct: "`if`, `then`, `else`",
        support: Support::No,
        example: "{\"if\": {\"required\": [\"a\"]}, \"then\": {\"required\": [\"b\"]}}",
        note: "Say it with `anyOf`. `if` alone asks nothing.",
    },
    Supported {
        construct: "`dependentRequired`, `dependentSchemas`, `dependencies`",
        support: Support::No,
        example: "{\"dependentRequired\": {\"a\": [\"b\"]}}",
        note: "Say it with `anyOf`.",
    },
    Supported {
        construct: "`$dynamicRef`, `$recursiveRef`",
        support: Support::No,
        example: "{\"$dynamicRef\": \"#a\"}",
        note: "Use `$ref`.",
    },
    Supported {
        construct: "`$schema` of drafts 4 to 2020-12 and of OpenAPI 3.1",
        support: Support::Yes,
        example: "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \
                  \"type\": \"boolean\"}",
        note: "Up to draft 7, what stands beside `$ref` has no effect.",
    },
    Supported {
        construct: "other values of `$schema`",
        support: Support::Partly,
        example: "{\"$schema\": \"https://json.example/own\", \"type\": \"boolean\"}",
        note: "Read as 2020-12.",
    },
    Supported {
        construct: "`title`, `description`, `default`, `examples`, `deprecated`, \
                  `readOnly`, `writeOnly`, `$comment`",
        support: Support::Yes,
        example: "{\"title\": \"T\", \"description\": \"D\", \"default\": 1, \
                  \"examples\": [1]}",
        note: "Annotations without an effect. The model doesn't see them.",
    },
    Supported {
        construct: "`contentEncoding`, `contentMediaType`, `discriminator`, `x-...`, \
                  unknown keywords",
        support: Support::Partly,
        example: "{\"type\": \"string\", \"contentEncoding\": \"base64\"}",
        note: "They have no effect.",
    },
    Supported {
        construct: "`x-whitespace`",
        support: Support::Yes,
        example: "{\"type\": \"object\", \"x-whitespace\": \"any\"}",
        note: "Of the host, at the root: `none`, `space` (the default: at most one \
                  after a comma and a colon) or `any`.",
    },
];

#[cfg(test)]
mod tests {
    use mynah_settings::supported::{section, table};

    use super::*;
    use crate::schema::formats;
    use crate::schema::{compile, read};

    #[test]
    fn every_example_is_taken_noted_or_refused_as_its_row_says() {
        for row in SUPPORTED {
            let result = read(row.example).and_then(|schema| compile(&schema));
            match (row.support, result) {
                (Support::Yes, Ok(compiled)) => {
                    assert!(
                        compiled.notes.is_empty(),
                        "{}: {:?}",
                        row.construct,
                        compiled.notes
                    );
                }
                (Support::Partly, Ok(compiled)) => {
                    assert!(!compiled.notes.is_empty(), "{}", row.construct);
                }
                (Support::No, Err(reason)) => {
                    assert!(reason.starts_with("`/"), "{}: {reason}", row.construct);
                }
                (_, Ok(_)) => panic!("{} is taken", row.construct),
                (_, Err(reason)) => panic!("{}: {reason}", row.construct),
            }
        }
    }

    #[test]
    fn the_page_has_these_rows_and_all_formats() {
        let page = include_str!("../../../../docs/supported.md");
        let rows = table(SUPPORTED);
        assert_eq!(section(page, "JSON Schema"), Some(rows.as_str()), "{rows}");
        for format in formats::KNOWN {
            assert!(rows.contains(&format!("`{format}`")), "{format}");
        }
    }
}
