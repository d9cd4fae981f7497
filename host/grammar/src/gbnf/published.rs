//! Grammars with the constructs of those that llama.cpp publishes, and of those that it makes of
//! JSON Schemas.

use super::super::tests::{grammars, has_form};
use mynah_settings::OutputForm;

struct Published {
    name: &'static str,
    grammar: &'static str,
    fits: &'static [&'static str],
    fits_not: &'static [&'static str],
}

const PUBLISHED: &[Published] = &[
    Published {
        name: "arithmetic",
        grammar: r#"
root ::= (sum "=" blank factor "\n")+
sum ::= factor ([-+*/] blank factor)*
factor ::= name | figures | "(" blank sum ")" blank
name ::= [a-z] [a-z0-9_]* blank
figures ::= [0-9]+ blank
blank ::= [ \t\n]*
"#,
        fits: &["a+(2 - b1)/3 = x\n", "1=1\n2=2\n"],
        fits_not: &["a+=x\n", "1=1"],
    },
    Published {
        name: "c",
        grammar: r#"
root ::= (function)*
function ::= type blank word "(" parameter? ")" "{" statement* "}"
type ::= "int" | "float" | "char"
word ::= [a-zA-Z_] [a-zA-Z_0-9]*
parameter ::= type blank word
statement ::= (
    ( type blank word blank "=" blank value ";" ) |
    ( "return" blank value ";" ) |
    ( "while" "(" test ")" "{" statement* "}" ) |
    ( "//" [^\n]* "\n" )
)
test ::= value ("<=" | "<" | "==" | "!=" | ">=" | ">") value
value ::= word | number | unary
unary ::= "-" value
number ::= [0-9]+
blank ::= ([ \t\n]+)
"#,
        fits: &["int f(int a){while(a<=-9){// no\nreturn a;}}", ""],
        fits_not: &["int f(int a){return a}"],
    },
    Published {
        name: "chess",
        grammar: r#"
# The first move has a number.
root ::= "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+
move ::= (pawn | piece | castle) [+#]?
piece ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBQR])?
castle ::= "O-O" "-O"?
"#,
        fits: &["1. e4 e5\n2. Nf3 O-O-O+\n"],
        fits_not: &["1. e4 e5\n", "1. e9 e5\n2. a1 a2\n"],
    },
    Published {
        name: "english",
        grammar: r##"
root ::= en-letter+ ([ \t\n] en-letter+)*
en-letter ::= letter | digit | mark
letter ::= [a-zA-Z]
digit ::= [0-9]
mark ::= [!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]
"##,
        fits: &["A [b] \\ c-d!"],
        fits_not: &["é", ""],
    },
    Published {
        name: "japanese",
        grammar: r#"
root ::= sign+ ([ \t\n] sign+)*
sign ::= hiragana | katakana | mark | kanji
hiragana ::= [ぁ-ゟ]
katakana ::= [ァ-ヿ]
mark ::= [、-〾]
kanji ::= [一-龿]
"#,
        fits: &["日本の カタ。"],
        fits_not: &["日a"],
    },
    Published {
        name: "json_arr",
        grammar: r#"
root ::= arr
value ::= object | array | string | number | ("true" | "false" | "null") ws
arr ::= "[\n" ws ( value (",\n" ws value)* )? "]"
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [1-9] [0-9]{0,15})? ws
# White space ends where a model could go on for ever.
ws ::= | " " | "\n" [ \t]{0,20}
"#,
        fits: &["[\n1,\n {\"a\": [true, \"\\u00e9\"]}]", "[\n]"],
        fits_not: &["[1]", "[\n\"\t\"]"],
    },
    Published {
        name: "list",
        grammar: r#"
root ::= item+

# Excludes line breaks, one of them beyond ASCII.
item ::= "- " [^\r\n\x0b\x0c\x85\u2028\u2029]+ "\n"
"#,
        fits: &["- one\n- zwei é\n"],
        fits_not: &["- a\u{85}b\n", "- a\u{2028}\n", "one\n"],
    },
    Published {
        name: "a schema's object with optional properties, as the converter writes it",
        grammar: r##"a-kv ::= "\"a\"" space ":" space integer
b-kv ::= "\"b\"" space ":" space b
b ::= "[" space (string ("," space string){0,2})? "]" space
b-rest ::= ( "," space c-kv )?
c ::= ("\"x\"" | "\"y\"" | "null") space
c-kv ::= "\"c\"" space ":" space c
char ::= [^"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt] | "u" [0-9a-fA-F]{4})
integer ::= ("-"? integral-part) space
integral-part ::= [0] | [1-9] [0-9]{0,15}
root ::= "{" space a-kv ( "," space ( b-kv b-rest | c-kv ) )? "}" space
space ::= | " " | "\n"{1,2} [ \t]{0,20}
string ::= "\"" char* "\"" space
"##,
        fits: &[
            "{\"a\": 0, \"b\": [\"é\",\"\\n\"], \"c\":null}",
            "{\"a\":-12}",
            "{\n\n\t\"a\":1,\"c\":\"y\"}",
        ],
        fits_not: &["{}", "{\"a\":01}", "{\"a\":1,\"c\":null,\"b\":[]}"],
    },
    Published {
        name: "a schema's numbers, formats and any value, as the converter writes them",
        grammar: r##"root ::= "[" space count "," space id "," space date "," space value "]" space
count ::= ([1-8] [0-9] | [9] [0-9] | "100") space
id ::= "\"" [0-9a-fA-F]{8} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{12} "\"" space
date ::= "\"" [0-9]{4} "-" ( "0" [1-9] | "1" [0-2] ) "-" ( "0" [1-9] | [1-2] [0-9] | "3" [0-1] ) "\"" space
value ::= object | array | string | number | boolean | null
object ::= "{" space ( string ":" space value ("," space string ":" space value)* )? "}" space
array ::= "[" space ( value ("," space value)* )? "]" space
string ::= "\"" char* "\"" space
char ::= [^"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt] | "u" [0-9a-fA-F]{4})
number ::= ("-"? integral-part) ("." decimal-part)? ([eE] [-+]? integral-part)? space
integral-part ::= [0] | [1-9] [0-9]{0,15}
decimal-part ::= [0-9]{1,16}
boolean ::= ("true" | "false") space
null ::= "null" space
space ::= | " " | "\n"{1,2} [ \t]{0,20}
"##,
        fits: &["[42,\"0123abcd-0123-0123456789ab\", \"2026-02-29\", {\"x\": [-1.5e-3]}]"],
        fits_not: &["[7,\"0123abcd-0123-0123456789ab\",\"2026-13-01\",1]"],
    },
];

#[test]
fn grammars_like_those_of_llama_cpp_work() {
    let grammars = grammars();
    for published in PUBLISHED {
        // From another system, too.
        for line in ["\n", "\r\n"] {
            let text = published.grammar.replace('\n', line);
            let form = OutputForm::Gbnf(text);
            for (texts, expected) in [(published.fits, true), (published.fits_not, false)] {
                for text in texts {
                    let found = has_form(&grammars, &form, text);
                    assert_eq!(found, expected, "{}: {text:?}", published.name);
                }
            }
        }
    }
}
