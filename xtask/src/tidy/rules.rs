//! The rules for one file's text. Pure.

/// The number of a line, from 1, and its problem.
pub(super) type Problem = (usize, String);

/// The attribute in the root of every crate of the workspace except the one that links llama.cpp,
/// so that the compiler enforces it.
const FORBID_UNSAFE: &str = "#![forbid(unsafe_code)]";
/// The root of the only crate that may have unsafe code.
const UNSAFE_CRATE: &str = "host/llama/src/lib.rs";
/// Maximum number of lines of a Rust file, so that one subject can be read in one sitting.
const MAX_LINES: usize = 500;

/// All problems of a file.
pub(super) fn check(name: &str, text: &str) -> Vec<Problem> {
    let mut problems = lines(text, whitespace);
    // Assembled, so that this file does not match itself.
    let machine = ["work", "root", "home"].map(|folder| format!(" /{folder}/"));
    let scratch = format!(" /{}/bash", "tmp");
    problems.extend(lines(text, |line| {
        let line = format!(" {}", line.replace(['`', '"', '\'', '=', ':', '('], " "));
        machine
            .iter()
            .chain([&scratch])
            .any(|path| line.contains(path))
            .then(|| "a path of one machine".to_owned())
    }));
    if name.ends_with(".rs") {
        problems.extend(rust(name, text));
    }
    let is_upstreams = ["wit/deps/", "wit/older/"]
        .iter()
        .any(|folder| name.starts_with(folder));
    if name.starts_with("wit/") && !is_upstreams && name.ends_with(".wit") {
        problems.extend(undocumented_wit(text));
    }
    problems
}

fn lines(text: &str, rule: impl Fn(&str) -> Option<String>) -> Vec<Problem> {
    (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| Some((number, rule(line)?)))
        .collect()
}

fn whitespace(line: &str) -> Option<String> {
    if line.ends_with([' ', '\t']) {
        Some("whitespace at the end".to_owned())
    } else if line.contains('\t') {
        Some("a tab".to_owned())
    } else {
        None
    }
}

fn rust(name: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push((
            1,
            "a file begins with what its subject is (`//!`)".to_owned(),
        ));
    }
    let count = text.lines().count();
    if count > MAX_LINES {
        problems.push((count, format!("{count} lines are more than one subject")));
    }
    let forbids = text.lines().any(|line| line == FORBID_UNSAFE);
    if is_root_of_a_crate(name) && name != UNSAFE_CRATE && !forbids {
        let what = format!("the root of a crate says `{FORBID_UNSAFE}`");
        problems.push((1, what));
    }
    problems
}

/// Whether rustc builds a crate of the workspace from this file. Crates for wasm contain generated
/// code and run in a sandbox, so they do not count.
fn is_root_of_a_crate(name: &str) -> bool {
    let is_root = [
        "src/lib.rs",
        "src/main.rs",
        "tests/suite/main.rs",
        "tests/build.rs",
    ];
    let is_root = is_root.iter().any(|root| name.ends_with(root));
    let is_program = name.starts_with("tests/src/bin/") && name.ends_with("/main.rs");
    let is_fuzzed = name.starts_with("fuzz/fuzz_targets/");
    let is_guest = ["examples/", "tests/guests/", "tests/core-guests/"];
    let is_guest = is_guest.iter().any(|folder| name.starts_with(folder));
    (is_root || is_program || is_fuzzed) && !is_guest
}

/// Items of a WIT file without a `///` before them.
fn undocumented_wit(text: &str) -> Vec<Problem> {
    let mut documented = false;
    // Open parentheses: items inside belong to the function before.
    let mut open = 0_usize;
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with("///") {
            documented = true;
        } else if !line.is_empty() && !line.starts_with('@') && !line.starts_with("//") {
            let is_inside = open > 0;
            open += line.matches('(').count();
            open = open.saturating_sub(line.matches(')').count());
            if is_inside {
                continue;
            }
            let no_item = ["}", "use ", "import ", "export ", "include "];
            if !documented && !no_item.iter().any(|begin| line.starts_with(begin)) {
                problems.push((number, "an item without a `///`".to_owned()));
            }
            documented = false;
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(name: &str, text: &str) -> Option<String> {
        check(name, text)
            .into_iter()
            .next()
            .map(|(line, what)| format!("{line}: {what}"))
    }

    #[test]
    fn a_clean_file_has_no_problems() {
        assert_eq!(first("src/a.rs", "//! A.\n\nfn a() {}\n"), None);
        assert_eq!(first("a.md", "Text.\n"), None);
    }

    #[test]
    fn leftovers_are_found_with_their_line() {
        assert_eq!(
            first("a.md", "x\ny \n"),
            Some("2: whitespace at the end".into())
        );
        assert_eq!(first("a.toml", "a = 1\t# b\n"), Some("1: a tab".into()));
        let path = format!("see `/{}/me`\n", "home");
        assert_eq!(
            first("a.md", &path),
            Some("1: a path of one machine".into())
        );
    }

    #[test]
    fn a_rust_file_says_its_subject_and_stays_short() {
        assert!(first("a.rs", "fn a() {}\n").is_some_and(|what| what.contains("subject")));
        let long = format!("//! A.\n{}", "\n".repeat(500));
        assert!(first("a.rs", &long).is_some_and(|what| what.contains("501 lines")));
    }

    #[test]
    fn the_root_of_every_crate_but_one_forbids_unsafe_code() {
        let root = "//! A.\n\nmod a;\n";
        for name in [
            "host/wasi/src/lib.rs",
            "xtask/src/main.rs",
            "fuzz/fuzz_targets/a.rs",
        ] {
            assert!(
                first(name, root).is_some_and(|what| what.contains("forbid")),
                "{name}"
            );
            let forbids = format!("//! A.\n\n{FORBID_UNSAFE}\n\nmod a;\n");
            assert_eq!(first(name, &forbids), None);
        }
        for name in [
            UNSAFE_CRATE,
            "host/wasi/src/a.rs",
            "examples/components/a/src/main.rs",
        ] {
            assert_eq!(first(name, root), None, "{name}");
        }
    }

    #[test]
    fn every_item_of_our_wit_is_documented() {
        let text =
            "/// P.\npackage a:b;\n\n/// I.\ninterface i {\n    use c.{d};\n\n    f: func();\n}\n";
        assert!(first("wit/a.wit", text).is_some_and(|what| what.starts_with("8: ")));
        assert_eq!(first("wit/deps/x/a.wit", text), None);
        assert_eq!(first("wit/older/x/a.wit", text), None);
        let several_lines = "/// P.\npackage a:b;\n\n/// I.\ninterface i {\n    /// F.\n    \
            @since(version = 0.1.0)\n    f: func(\n        a: u8,\n    ) -> u8;\n    \
            g: func();\n}\n";
        assert_eq!(
            first("wit/a.wit", several_lines),
            Some("11: an item without a `///`".into())
        );
    }
}
