//! Tests of sections that other parts of the program read, of places, and of both formats.

use super::*;
use crate::Document;

const OTHERS: [OtherSection; 2] = [
    OtherSection {
        name: "run",
        keys: Some(&["dirs", "env"]),
    },
    OtherSection {
        name: "models",
        keys: None,
    },
];

/// What is said about a document, one problem after the other.
fn problems(document: &str) -> Vec<String> {
    let reading = Reading::json_with(document.as_bytes(), &OTHERS);
    reading.problems().iter().map(ToString::to_string).collect()
}

fn place(line: u32, column: u32) -> Place {
    Place { line, column }
}

#[test]
fn keys_of_other_sections_are_handed_on_with_their_places() {
    let json =
        "{\"run\": {\"env\": null,\n \"dirs\": [\"a\", 2]},\n\"models\": {\"m\": {\"x\": 1}}}";
    let toml = "[run]\ndirs = [\"a\", 2]\n[models]\nm = {x = 1}\n";
    let of_json = Reading::json_with(json.as_bytes(), &OTHERS);
    let of_toml = Reading::toml_with(toml.as_bytes(), &OTHERS);
    for (reading, [dirs, first, second, model]) in [
        (
            of_json,
            [place(2, 10), place(2, 11), place(2, 16), place(3, 17)],
        ),
        (
            of_toml,
            [place(2, 8), place(2, 9), place(2, 14), place(4, 5)],
        ),
    ] {
        assert!(reading.problems().is_empty(), "{:?}", reading.problems());
        let list = vec![Document::Text("a".to_owned()), Document::Integer(2)];
        let table = vec![("x".to_owned(), Document::Integer(1))];
        let wanted = [
            OtherKey {
                section: "run",
                key: "dirs".to_owned(),
                value: Document::List(list),
                place: dirs,
                items: vec![first, second],
            },
            OtherKey {
                section: "models",
                key: "m".to_owned(),
                value: Document::Table(table),
                place: model,
                items: Vec::new(),
            },
        ];
        assert_eq!(reading.others(), wanted);
        assert_eq!(
            (reading.place("run.dirs"), reading.place("run.env")),
            (Some(dirs), None)
        );
        let places = [
            ("models.m".to_owned(), model),
            ("run.dirs".to_owned(), dirs),
        ];
        assert_eq!(reading.places(), BTreeMap::from(places.clone()));
        let document = reading.for_operator(true).unwrap();
        assert_eq!(document.places, BTreeMap::from(places));
    }
}

#[test]
fn problems_of_other_sections_are_told_as_those_of_settings() {
    for (document, words) in [
        (
            r#"{"run": 5}"#,
            "1:9: `run` is 5, it must be a section: settings in a table under `run`",
        ),
        (
            r#"{"run": {"dir": 1}}"#,
            "1:10: `run.dir` is no setting: did you mean `dirs`?",
        ),
        (
            r#"{"run": {"quux": 1}}"#,
            "`run.quux` is no setting: `run` has `dirs`, `env`",
        ),
        (
            r#"{"run": {"top-k": 1}}"#,
            "`run.top-k` is no setting: it belongs in `sampling`",
        ),
        (
            r#"{"sampling": {"dirs": 1}}"#,
            "`sampling.dirs` is no setting: it belongs in `run`",
        ),
        (
            r#"{"dirs": 1}"#,
            "`dirs` is no setting: it belongs in `run`",
        ),
        (r#"{"modells": 1}"#, "did you mean the section `models`?"),
        (r#"{"quux": 1}"#, "`logging`, `run`, `models`"),
        (
            r#"{"run": {"env": 1e999}}"#,
            "1:17: `run.env`: this value can't be read",
        ),
        (
            r#"{"models": {"a": 1, "a": 1}}"#,
            "1:21: `models.a` repeats `models.a`",
        ),
        (
            r#"{"models": {"a": 1, "a": 2}}"#,
            "`models.a` contradicts `models.a`",
        ),
    ] {
        let told = problems(document);
        assert!(
            told.len() == 1 && told[0].contains(words),
            "`{words}` in: {told:?}"
        );
    }
    // The same key in another section is another one.
    assert!(problems(r#"{"models": {"dirs": 1}, "run": {"dirs": 2}}"#).is_empty());
}

#[test]
fn only_a_value_that_is_harmless_is_tolerated() {
    let document = br#"{"model": {"ctx_size": 0}, "temp": -1, "quux": 1}"#;
    let reading = Reading::json(document).tolerating(|problem| problem.path != "temp");
    let told: Vec<String> = reading.problems().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3);
    assert!(
        told[0].contains("`model.ctx_size` has no effect: only the operator"),
        "{told:?}"
    );
    assert!(told[1].contains("`temp` is -1, it must be"), "{told:?}");
    assert!(told[2].contains("`quux` is no setting"), "{told:?}");
}

#[test]
fn what_can_be_read_is_read_beside_what_cannot() {
    let reading = Reading::json(br#"{"temp": 0.5, "sampling": {"top_k": "x", "min_p": 0.1}}"#);
    let sampling = &reading.operator().settings.sampling;
    assert_eq!(
        (sampling.temperature, sampling.top_k, sampling.min_p),
        (Some(0.5), None, Some(0.1))
    );
    assert_eq!(reading.problems().len(), 1);
    assert_eq!(reading.place("sampling.min_p"), Some(place(1, 51)));
    let before = Reading::json(br#"{"top_k": 5, "sampling": {"top_k": "x"}}"#);
    assert_eq!(before.operator().settings.sampling.top_k, Some(5));
}

#[test]
fn columns_count_characters_and_lines_begin_after_their_end() {
    let places = Places::of("a\n\u{e9}b\n".as_bytes());
    let at = [0, 1, 2, 4, 5, 6].map(|at| places.place(at));
    assert_eq!(
        at,
        [
            place(1, 1),
            place(1, 2),
            place(2, 1),
            place(2, 2),
            place(2, 3),
            place(3, 1)
        ]
    );
}

#[test]
fn a_document_is_read_up_to_its_bound() {
    let of = |bytes: usize| {
        let mut document = br#"{"temp": 0.5}"#.to_vec();
        document.resize(bytes, b' ');
        Reading::json(&document).problems().len()
    };
    assert_eq!((of(262_144), of(262_145)), (0, 1));
}

#[test]
fn a_document_that_is_no_json_is_told_with_the_place() {
    for (document, words) in [
        ("{\n\n \"temp\": x}", "3:10: not JSON: expected value"),
        ("{\"temp\": 1,}", "1:12: not JSON: key must be a string"),
        ("\n{\"temp\": 1}\nx", "3:1: not JSON: trailing characters"),
        (
            "\"text\"",
            "1:1: settings must be a JSON object, this is a text",
        ),
        ("true", "this is true or false"),
        ("false", "this is true or false"),
        ("-1", "this is a number"),
        ("[1]", "this is a list"),
    ] {
        let told = problems(document);
        assert!(
            told.len() == 1 && told[0].starts_with(words) || told[0].ends_with(words),
            "{told:?}"
        );
        assert!(!told[0].contains("at line"), "{told:?}");
    }
}

#[test]
fn a_table_is_shown_as_one_and_a_setting_is_none() {
    assert_eq!(
        problems(r#"{"sampling": {"top_k": {"a": 1}}}"#),
        ["1:24: `sampling.top_k` is a table, it must be a whole number, -1 or more (0 or -1: all)"]
    );
    let table = Node::Table(Vec::new()).to_string();
    let broken = Node::Broken("it is broken".to_owned()).to_string();
    let value = Node::Value(Document::Integer(1)).to_string();
    assert_eq!([table, broken, value], ["a table", "it is broken", "1"]);
}

#[test]
fn groups_are_those_of_sampling() {
    assert!(
        problems(r#"{"dry": {"base": 2}, "sampling": {"xtc": {"threshold": 0.2}}}"#).is_empty()
    );
    let told = problems(r#"{"stopping": {"dry": {"base": 2}}}"#);
    assert!(
        told.len() == 1 && told[0].contains("`stopping.dry` is no setting"),
        "{told:?}"
    );
}

#[test]
fn a_weak_key_gives_way_without_a_word_where_both_say_the_same() {
    for (document, column) in [
        (
            r#"{"model": {"n_predict": 6}, "stopping": {"max_tokens": 6}}"#,
            56,
        ),
        (
            r#"{"stopping": {"max_tokens": 6}, "model": {"n_predict": 6}}"#,
            29,
        ),
    ] {
        let reading = Reading::json(document.as_bytes());
        assert!(reading.problems().is_empty(), "{:?}", reading.problems());
        assert_eq!(reading.place("stopping.max_tokens"), Some(place(1, column)));
    }
    // Two weak ones are the same setting twice.
    let told = problems(r#"{"model": {"n_predict": 5, "n-predict": 6}}"#);
    assert!(told[0].contains("contradicts"), "{told:?}");
}

#[test]
fn toml_has_times_and_tables_and_must_be_text() {
    let document = b"[models]\na = 2020-01-01\nb.c = [1, {d = 0b11}]\n";
    let reading = Reading::toml_with(document, &OTHERS);
    let values: Vec<&Document> = reading.others().iter().map(|one| &one.value).collect();
    let inner = Document::Table(vec![("d".to_owned(), Document::Integer(3))]);
    let list = Document::List(vec![Document::Integer(1), inner]);
    let table = Document::Table(vec![("c".to_owned(), list)]);
    assert_eq!(values, [&Document::Text("2020-01-01".to_owned()), &table]);
    let told = |document: &[u8]| {
        let reading = Reading::toml_with(document, &OTHERS);
        reading
            .problems()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        told(b"a = 1\n\xff").starts_with("2:1: not TOML"),
        "{}",
        told(b"a = 1\n\xff")
    );
    let beyond = told(b"[models]\na = 999999999999999999999999999999999999999999\n");
    assert_eq!(
        beyond,
        "2:5: `models.a`: no setting has a value of this type"
    );
    let order = Reading::toml_with(b"[models]\nz = 1\na = 2\n", &OTHERS);
    let keys: Vec<&str> = order.others().iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["z", "a"]);
}

#[test]
fn toml_is_read_with_places() {
    let document = "n_predict = 7\n[sampling]\ntop-k = 0x10\ntemp = nan\n[run]\ndirs = 1\n\
        other = 2\n[models]\nany = 'x'\n";
    let others = [
        OtherSection {
            name: "run",
            keys: Some(&["dirs"]),
        },
        OtherSection {
            name: "models",
            keys: None,
        },
    ];
    let reading = Reading::toml_with(document.as_bytes(), &others);
    assert_eq!(reading.operator.settings.sampling.top_k, Some(16));
    assert_eq!(reading.operator.settings.stopping.max_tokens, Some(7));
    let told = reading.for_operator(false).unwrap_err().to_string();
    assert!(told.contains("4:8: `sampling.temp` is NaN"), "{told}");
    assert!(
        told.contains("7:1: `run.other` is no setting: `run` has `dirs`"),
        "{told}"
    );
    let broken = Reading::toml_with(b"[sampling]\ntemp = \n", &[])
        .for_operator(false)
        .unwrap_err();
    assert!(broken.to_string().contains("2:"), "{broken}");
}
