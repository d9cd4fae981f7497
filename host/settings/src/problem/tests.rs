//! Tests of how problems are told, and of which are errors.

use super::*;

/// A problem of each kind, with what it says, what it says about the value, and whether it is a
/// warning, and an error of an operator's document.
fn all() -> Vec<(Problem, &'static str, &'static str, bool, bool)> {
    let of = |fault| Problem {
        path: "a.b".to_owned(),
        place: None,
        fault,
    };
    let twice = |is_equal| Fault::Twice {
        first: "a.c".to_owned(),
        is_equal,
    };
    let unreadable = Fault::Unreadable {
        reason: "not JSON".to_owned(),
    };
    let hint = "did you mean `a.c`?".to_owned();
    let reason = "it is for a server".to_owned();
    vec![
        (
            Problem::new("a.b", 7, "less"),
            "`a.b` is 7, it must be less",
            "less",
            false,
            true,
        ),
        (
            of(Fault::Unknown { hint }),
            "`a.b` is no setting: did you mean `a.c`?",
            "did you mean `a.c`?",
            true,
            true,
        ),
        (
            of(twice(true)),
            "`a.b` repeats `a.c`: keep one of them",
            "keep one of them",
            true,
            false,
        ),
        (
            of(twice(false)),
            "`a.b` contradicts `a.c`: keep one of them",
            "keep one of them",
            false,
            true,
        ),
        (
            of(Fault::NoEffect { reason }),
            "`a.b` has no effect: it is for a server",
            "it is for a server",
            true,
            false,
        ),
        (of(unreadable), "`a.b`: not JSON", "not JSON", false, true),
    ]
}

#[test]
fn each_problem_says_where_it_is_and_what_to_do() {
    for (mut problem, words, allowed, is_warning, is_error) in all() {
        assert_eq!(problem.to_string(), words);
        assert_eq!(problem.allowed(), allowed, "{words}");
        let value = if words.contains("is 7") { "7" } else { "" };
        assert_eq!(problem.value(), value, "{words}");
        assert_eq!(problem.is_warning(), is_warning, "{words}");
        assert_eq!(problem.is_operators_error(false), is_error, "{words}");
        assert!(problem.is_operators_error(true), "{words}");
        problem.place = Some(Place {
            line: 3,
            column: 14,
        });
        assert_eq!(problem.to_string(), format!("3:14: {words}"));
    }
    let document = Problem {
        path: String::new(),
        place: None,
        fault: Fault::Unreadable {
            reason: "not TOML".to_owned(),
        },
    };
    assert_eq!(document.to_string(), "not TOML");
}

#[test]
fn a_check_tells_all_problems_at_once() {
    let mut check = Check::default();
    check.that(true, || unreachable!("it holds"));
    for (path, holds) in [("a", false), ("b", true), ("c", false)] {
        check.that(holds, || Problem::new(path, 1, "2"));
    }
    let error = check.done().unwrap_err().to_string();
    assert_eq!(error, "`a` is 1, it must be 2; `c` is 1, it must be 2");
    Check::default().done().unwrap();
}
