//! What of JSON Schema is supported, for `docs/supported.md`.

use mynah_settings::supported::Supported;

/// The rows of the page.
pub(super) const SUPPORTED: &[Supported] = &[
    Supported::yes(
        "`type`",
        "{\"type\": [\"string\", \"null\"]}",
        "A value without a point is an `integer`; without bounds it has 64 \
                  bits.",
    ),
    Supported::yes(
        "`enum`, `const`",
        "{\"enum\": [\"a\", 1, {\"b\": [null]}]}",
        "The model writes each value in one spelling.",
    ),
    Supported::yes(
        "`$ref`",
        "{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"type\": \"integer\"}}}",
        "Within the schema, also to `$id` and `$anchor`, and in circles. \
                  Nothing is fetched.",
    ),
    Supported::yes(
        "`allOf`, `anyOf`",
        "{\"allOf\": [{\"anyOf\": [{\"type\": \"integer\"}, {\"type\": \
                  \"null\"}]}, {\"minimum\": 1}]}",
        "One value has up to 512 alternatives.",
    ),
    Supported::yes(
        "`oneOf` of schemas that exclude each other",
        "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}",
        "By type, listed values, or a required property.",
    ),
    Supported::partly(
        "`oneOf` of others",
        "{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}",
        "As `anyOf`: a value may match several of them.",
    ),
    Supported::yes(
        "`not` with `type`, `const` or `enum`, `not: {}`",
        "{\"type\": \"integer\", \"not\": {\"const\": 0}}",
        "",
    ),
    Supported::no(
        "`not` with other keywords",
        "{\"not\": {\"minLength\": 3}}",
        "Check it in what reads the answer.",
    ),
    Supported::yes(
        "`nullable` (OpenAPI 3.0)",
        "{\"type\": \"integer\", \"nullable\": true}",
        "`null` is possible beside all that the schema says.",
    ),
    Supported::yes(
        "`minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`",
        "{\"type\": \"integer\", \"minimum\": 0, \"exclusiveMaximum\": \
                  18446744073709551615}",
        "To the last digit. Draft 4's flags count too.",
    ),
    Supported::yes(
        "`multipleOf`",
        "{\"type\": \"number\", \"multipleOf\": 0.01}",
        "Divisors of up to 100000, without the point; so is the product of several.",
    ),
    Supported::yes(
        "numbers without bounds",
        "{\"type\": \"number\"}",
        "At most 40 digits before the point and 20 after it, and finite as a \
                  64-bit float. With bounds, without an exponent.",
    ),
    Supported::yes(
        "`format` of numbers: `int8` to `int128`, `uint8` to `uint128`, \
                  `int`, `uint`, `float`, `double`",
        "{\"type\": \"integer\", \"format\": \"uint32\"}",
        "They bound the number.",
    ),
    Supported::yes(
        "`minLength`, `maxLength`",
        "{\"type\": \"string\", \"minLength\": 1, \"maxLength\": 20}",
        "In characters (Unicode scalar values).",
    ),
    Supported::yes(
        "`pattern`",
        "{\"type\": \"string\", \"pattern\": \"^[a-z]+$\"}",
        "In the syntax of ECMA-262. All patterns together have up to 8192 \
                  bytes.",
    ),
    Supported::no(
        "`pattern` with look-around, back-references, word boundaries",
        "{\"type\": \"string\", \"pattern\": \"^(?!x)\"}",
        "Leave them out, and check them in what reads the answer.",
    ),
    Supported::yes(
        "`format` of strings: `base64url`, `byte`, `date`, `date-time`, \
                  `duration`, `email`, `hostname`, `idn-email`, `ip`, `ipv4`, `ipv6`, \
                  `json-pointer`, `time`, `ulid`, `uri`, `url`, `uuid`",
        "{\"type\": \"string\", \"format\": \"date-time\"}",
        "Followed, where the standard only annotates. No 61st second, no year \
                  0, a capital `T` and `Z`, no quoted name in an e-mail address.",
    ),
    Supported::partly(
        "other values of `format`",
        "{\"type\": \"string\", \"format\": \"password\"}",
        "They have no effect.",
    ),
    Supported::yes(
        "`items`, `prefixItems`, `additionalItems`, a list in `items`",
        "{\"prefixItems\": [{\"type\": \"string\"}], \"items\": false, \
                  \"type\": \"array\"}",
        "",
    ),
    Supported::yes(
        "`minItems`, `maxItems`",
        "{\"type\": \"array\", \"minItems\": 1, \"maxItems\": 30000}",
        "",
    ),
    Supported::yes(
        "`uniqueItems` of listed items",
        "{\"type\": \"array\", \"items\": {\"enum\": [\"a\", \"b\"]}, \
                  \"uniqueItems\": true}",
        "10 values, or more with a small `maxItems`. `uniqueItems: false` \
                  asks nothing.",
    ),
    Supported::no(
        "`uniqueItems` of other items",
        "{\"type\": \"array\", \"items\": {\"type\": \"string\"}, \
                  \"uniqueItems\": true}",
        "Leave it out, and check it in what reads the answer.",
    ),
    Supported::no(
        "`contains`, `unevaluatedItems`",
        "{\"contains\": {\"type\": \"string\"}}",
        "Check it in what reads the answer.",
    ),
    Supported::yes(
        "`properties`, `required`",
        "{\"type\": \"object\", \"properties\": {\"a\": true}, \"required\": \
                  [\"a\"]}",
        "In the order of the schema. 600 properties may be left out of one \
                  object.",
    ),
    Supported::no(
        "`required: true` at a property (draft 3)",
        "{\"properties\": {\"a\": {\"required\": true}}, \
                  \"type\": \"object\"}",
        "List the property in `required` of its object.",
    ),
    Supported::yes(
        "`additionalProperties`",
        "{\"type\": \"object\", \"additionalProperties\": {\"type\": \
                  \"integer\"}}",
        "Others follow those of the schema, and no name is there twice. As \
                  the standard says, they are allowed unless it is `false`; small \
                  models often go on with them until `max_tokens`.",
    ),
    Supported::yes(
        "`patternProperties`",
        "{\"patternProperties\": {\"^x-\": {\"type\": \"string\"}}, \
                  \"additionalProperties\": false}",
        "32 patterns in one object.",
    ),
    Supported::yes(
        "`propertyNames`",
        "{\"propertyNames\": {\"pattern\": \"^[a-z]+$\"}, \
                  \"additionalProperties\": {\"type\": \"integer\"}}",
        "",
    ),
    Supported::yes(
        "`minProperties`, `maxProperties`",
        "{\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 3}",
        "",
    ),
    Supported::yes(
        "`unevaluatedProperties`",
        "{\"allOf\": [{\"properties\": {\"a\": true}}], \
                  \"unevaluatedProperties\": false}",
        "",
    ),
    Supported::no(
        "`if`, `then`, `else`",
        "{\"if\": {\"required\": [\"a\"]}, \"then\": {\"required\": [\"b\"]}}",
        "Say it with `anyOf`. `if` alone asks nothing, except beside \
                  `unevaluatedProperties`.",
    ),
    Supported::no(
        "`dependentRequired`, `dependentSchemas`, `dependencies`",
        "{\"dependentRequired\": {\"a\": [\"b\"]}}",
        "Say it with `anyOf`.",
    ),
    Supported::no(
        "`$dynamicRef`, `$recursiveRef`",
        "{\"$dynamicRef\": \"#a\"}",
        "Use `$ref`.",
    ),
    Supported::yes(
        "`$schema` of drafts 4 to 2020-12 and of OpenAPI 3.1",
        "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \
                  \"type\": \"boolean\"}",
        "Up to draft 7, what stands beside `$ref` has no effect.",
    ),
    Supported::partly(
        "other values of `$schema`",
        "{\"$schema\": \"https://json.example/own\", \"type\": \"boolean\"}",
        "Read as 2020-12, draft 3 as draft 4.",
    ),
    Supported::yes(
        "`title`, `description`, `default`, `examples`, `deprecated`, \
                  `readOnly`, `writeOnly`, `$comment`",
        "{\"title\": \"T\", \"description\": \"D\", \"default\": 1, \
                  \"examples\": [1]}",
        "Annotations without an effect. The model doesn't see them.",
    ),
    Supported::partly(
        "`contentEncoding`, `contentMediaType`, `discriminator`, `x-...`, \
                  unknown keywords",
        "{\"type\": \"string\", \"contentEncoding\": \"base64\"}",
        "They have no effect.",
    ),
    Supported::yes(
        "`x-whitespace`",
        "{\"type\": \"object\", \"x-whitespace\": \"any\"}",
        "Of the host, at the root: `none`, `space` (the default: at most one \
                  after a comma and a colon) or `any`.",
    ),
];

#[cfg(test)]
mod tests {
    use mynah_settings::supported::{Support, section, table};

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
