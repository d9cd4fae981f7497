//! What is supported of GBNF, for `docs/supported.md`.

use mynah_settings::supported::Supported;

/// The constructs of GBNF, and what llama.cpp's reader takes beyond its description.
pub(crate) const SUPPORTED: &[Supported] = &[
    Supported::yes(
        "`name ::= ...`",
        "root ::= a-1\na-1 ::= \"x\"",
        "Letters, digits and `-`.",
    ),
    Supported::yes(
        "a rule that is defined twice",
        "root ::= a\na ::= \"x\"\na ::= \"y\"",
        "The last definition counts, as in llama.cpp. The log says so.",
    ),
    Supported::yes("`# comment`", "# first\nroot ::= \"x\" # last", ""),
    Supported::yes("`\"text\"`", "root ::= \"text\" \"\"", ""),
    Supported::yes(
        "`\\n`, `\\r`, `\\t`, `\\\\`, `\\\"`, `\\[`, `\\]`, `\\-`",
        "root ::= \"\\n\\r\\t\\\\\\\"\\[\\]\\-\"",
        "",
    ),
    Supported::yes(
        "`\\xHH`, `\\uHHHH`, `\\UHHHHHHHH`",
        "root ::= \"\\x41\\u00e9\\U0001F600\"",
        "A character's code, not a byte.",
    ),
    Supported::yes("`[a-z_]`, `[^a-z]`", "root ::= [a-z_] [^a-z] [a-]", ""),
    Supported::yes(
        "code 0, surrogates, and codes above 10FFFF",
        "root ::= [^\\x00-\\x1F\\uD800-\\uDFFF\\UFFFFFFFF] | \"\\x00\"",
        "No text has them, so a class means the same without them. A sequence that needs one is \
         left out. If nothing is left, the grammar is refused.",
    ),
    Supported::yes("`.`", "root ::= .", "Any character, a line feed too."),
    Supported::yes(
        "`a b`, `a \\| b`, an empty sequence",
        "root ::= \"a\" \"b\" | \"c\" |",
        "",
    ),
    Supported::yes(
        "`( ... )`",
        "root ::= ((\"a\" | \"b\")\n\"c\")",
        "Up to 1,000 deep.",
    ),
    Supported::yes("`*`, `+`, `?`", "root ::= \"a\"* [b]+ (\"c\")? \"d\"*?", ""),
    Supported::yes(
        "`{m}`, `{m,}`, `{m,n}`",
        "root ::= \"a\"{2} \"b\"{1,} \"c\"{0,3}",
        "Up to 100,000, exactly. llama.cpp refuses a minimum above 2,000, and takes a maximum \
         above it as none.",
    ),
    Supported::yes(
        "`{0}`, `{0,0}`",
        "root ::= \"a\" \"b\"{0} \"c\"{0,0}",
        "Nothing.",
    ),
    Supported::yes(
        "`<token>`, `<[7]>`",
        "root ::= <think> <[97]>",
        "The token with this text or name, or this number.",
    ),
    Supported::yes(
        "`!<token>`, `!<[7]>`",
        "root ::= !<think>* <think>",
        "Any other token that does not end the answer. At most 64 different tokens in a grammar.",
    ),
    Supported::partly(
        "a token where the grammar also allows its text",
        "root ::= <[97]> \"b\" | \"ac\"",
        "Only the token is followed.",
    ),
    Supported::yes(
        "a token that ends the answer, at the end",
        "root ::= \"a\" <end>",
        "The answer ends there. llama.cpp takes it, and then finds no token that goes on.",
    ),
    Supported::no(
        "a token that ends the answer, elsewhere",
        "root ::= \"a\" <end> \"b\"",
        "Remove it.",
    ),
    Supported::yes(
        "left recursion",
        "root ::= root \"a\" | \"a\"",
        "llama.cpp refuses it.",
    ),
    Supported::no(
        "`[]`, `[^]`",
        "root ::= \"a\" []",
        "llama.cpp takes them as `\"\"`. Write that.",
    ),
    Supported::no(
        "`[z-a]`",
        "root ::= [z-a]",
        "llama.cpp takes it as a range without characters. Swap its ends.",
    ),
    Supported::no(
        "`{,n}`",
        "root ::= \"a\"{,3}",
        "llama.cpp refuses it, too. Write `{0,n}`.",
    ),
    Supported::no(
        "`{3,2}`",
        "root ::= \"a\"{3,2}",
        "llama.cpp never ends on it.",
    ),
    Supported::no(
        "a character with code 0 that is not an escape",
        "root ::= \"a\0\"",
        "It ends the text for llama.cpp. Write `\\x00`.",
    ),
];
