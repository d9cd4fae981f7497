//! The configuration file: all its sections and all its problems.

use std::collections::BTreeMap;

use anyhow::Result;
use mynah_settings::{Operator, OtherKey, Place, Problem, Reading};

use super::own::{OTHERS, Own};
use super::source::Source;
use crate::logging;

/// A configuration file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The settings of the engine's sections.
    pub(super) operator: Operator,
    /// Warnings about the file.
    pub(super) warnings: Vec<Problem>,
    /// The place of each setting in the file.
    pub(super) places: BTreeMap<String, Place>,
    /// The keys of this program's sections, in the order of the file.
    pub(super) keys: Vec<OtherKey>,
    pub(super) own: Own,
}

/// Reads a file, TOML or JSON, and reports all problems at once. With `strict`, warnings are
/// problems.
pub(super) fn parse(source: &Source, strict: bool) -> Result<File> {
    let (file, errors) = read(source, strict);
    if errors.is_empty() {
        Ok(file)
    } else {
        Err(source.refuse(&errors))
    }
}

/// Reads what can be read of a file, with its warnings. The file cannot be used if there are
/// errors.
pub(super) fn read(source: &Source, strict: bool) -> (File, Vec<Problem>) {
    let text = source.text().as_bytes();
    let reading = if source.is_json() {
        Reading::json_with(text, &OTHERS)
    } else {
        Reading::toml_with(text, &OTHERS)
    };
    let (own, of_own) = Own::read(reading.others());
    let filter = logging::wrong_filter(&reading.operator().logging).map(|problem| Problem {
        place: reading.place(&problem.path),
        ..problem
    });
    let mut problems = reading.problems().to_vec();
    problems.extend(of_own);
    problems.extend(filter);
    problems.sort_by_key(|problem| problem.place);
    let (errors, warnings): (Vec<Problem>, Vec<Problem>) = problems
        .into_iter()
        .partition(|problem| problem.is_operators_error(strict));
    let file = File {
        operator: reading.operator().clone(),
        warnings,
        places: reading.places(),
        keys: reading.others().to_vec(),
        own,
    };
    (file, errors)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::own::RUN_KEYS;
    use crate::mistakes;

    fn read(text: &str) -> Result<File, String> {
        let source = Source::new(Path::new("mynah.toml"), text.to_owned());
        parse(&source, false).map_err(|error| mistakes::lines(&error).join("\n"))
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let file = read(example).unwrap();
        assert!(file.own.models.contains_key("default"));
        for key in RUN_KEYS {
            assert!(
                example.contains(&format!("\n{key} = ")),
                "`{key}` is missing in the example"
            );
        }
    }

    #[test]
    fn the_keys_of_run_are_those_of_its_struct() {
        // Each key with a wrong type is accepted or refused for its type, never for its name.
        for key in RUN_KEYS {
            let told = read(&format!("[run]\n{key} = 1.5\n")).unwrap_err();
            assert!(told.contains(&format!("`run.{key}`")), "{told}");
        }
    }

    #[test]
    fn all_unknown_keys_are_told_at_once_with_their_place() {
        let told = read("[model]\nqueue_size = 1\n[backend]\n\nqueue_sise = 1\n[run]\ndir = 1\n")
            .unwrap_err();
        for words in [
            "mynah.toml:2:1: `model.queue_size` is no setting: it belongs in `backend`",
            "mynah.toml:5:1: `backend.queue_sise` is no setting: did you mean `queue_size`?",
            "mynah.toml:7:1: `run.dir` is no setting: did you mean `dirs`?",
        ] {
            assert!(told.contains(words), "`{words}` in: {told}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_with_its_key_and_place() {
        for (text, words) in [
            (
                "[model]\nthreads = \"many\"\n",
                "mynah.toml:2:11: `model.threads` is \"many\", it must be a whole number",
            ),
            (
                "[backend]\nqueue_size = -1\n",
                "mynah.toml:2:14: `backend.queue_size` is -1",
            ),
            (
                "[run]\ntimeout = \"soon\"\n",
                "mynah.toml:2:11: `run.timeout`: \"soon\": ",
            ),
            (
                "[run]\ntimeout = 30\n",
                "`run.timeout` is 30, it must be a text in quotes, such as \"30s\"",
            ),
            (
                "[run]\nallow_host_status = 1\n",
                "`run.allow_host_status` is 1, it must be true or false",
            ),
            ("[run]\nmax_memory = \"1 potato\"\n", "`run.max_memory`"),
            (
                "[run]\ndirs = [\"a\",\n  \"::b\"]\n",
                "mynah.toml:3:3: `run.dirs`",
            ),
            (
                "[run]\ndirs = \"a\"\n",
                "`run.dirs` is \"a\", it must be a list of texts in quotes, such as",
            ),
            (
                "[run]\nnn_preload = [\"a:GGML:CPU:a.gguf\", 7]\n",
                "mynah.toml:2:36: `run.nn_preload` is 7, it must be a text in quotes",
            ),
            (
                "[models]\na = 'a.gguf'\n[run]\nnn_preload = ['a:GGML:CPU:b.gguf']\n",
                "mynah.toml:4:14: `run.nn_preload`: the model `a` is granted twice",
            ),
            (
                "[models]\ndefault = 1\n",
                "mynah.toml:2:11: `models.default`",
            ),
            (
                "model = 1\n",
                "mynah.toml:1:9: `model` is 1, it must be a section",
            ),
            (
                "run = 1\n",
                "mynah.toml:1:7: `run` is 1, it must be a section",
            ),
            ("[[model]]\n", "it must be a section"),
            (
                "{\"run\": {\"dirs\": \"a\"}}",
                "mynah.toml:1:18: `run.dirs` is \"a\", it must be a list",
            ),
            (
                "{\"run\": {\"dirs\": [\"a\",\n  \"::b\"]}}",
                "mynah.toml:2:3: `run.dirs`: \"::b\": give a folder",
            ),
            (
                "{\"run\": {\"weight\": 1, \"weight\": 2}}",
                "`run.weight` contradicts `run.weight`: keep one of them",
            ),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(words), "`{words}` in: {told}");
            assert_eq!(told.lines().count(), 1, "told once: {told}");
        }
    }

    #[test]
    fn the_engines_and_the_programs_problems_are_told_together() {
        let told = read("[model]\nthreads = true\nx = 1\n[run]\ninstances = 'x'\n").unwrap_err();
        for words in ["`model.threads`", "`model.x`", "`run.instances`"] {
            assert!(told.contains(words), "{told}");
        }
    }

    /// Newcomer 8 and 9.
    #[test]
    fn every_problem_of_every_section_has_a_line_in_the_order_of_the_file() {
        let told = read(
            "[models]\na = 1\nb = ''\n[run]\nmetrics = 'localhost'\nweight = 0\ntimeout = 30\n\
             max_priority = 'top'\ninstances = 1001\nenv = ['=x', 1]\nmax_memory = '1 gigabyte'\n\
             ditrs = 1\n[sampling]\ntop_p = 3\n[logging]\nfilter = 'mynah::tsak=info'\n",
        )
        .unwrap_err();
        let begins: Vec<&str> = told
            .lines()
            .map(|line| line.split(' ').nth(1).unwrap())
            .collect();
        let expected = [
            "`models.a`",
            "`models.b`",
            "`run.metrics`:",
            "`run.weight`",
            "`run.timeout`",
            "`run.max_priority`:",
            "`run.instances`",
            "`run.env`:",
            "`run.env`",
            "`run.max_memory`:",
            "`run.ditrs`",
            "`sampling.top_p`",
            "`logging.filter`:",
        ];
        assert_eq!(begins, expected, "{told}");
        for words in [
            "an IP address or `localhost`, and a port",
            "a size is a number with a unit, such as 64MiB",
            "did you mean `mynah::task`?",
        ] {
            assert!(told.contains(words), "`{words}` in: {told}");
        }
    }

    /// Newcomer 8: any key with any wrong value is reported beside any other.
    #[test]
    fn each_pair_of_wrong_keys_gives_two_lines() {
        for first in RUN_KEYS {
            for second in RUN_KEYS.into_iter().filter(|key| *key != first) {
                for (format, wrong) in [("toml", "1.5"), ("toml", "[[]]"), ("json", "{}")] {
                    let text = match format {
                        "json" => {
                            format!("{{\"run\":{{\"{first}\":{wrong},\"{second}\":{wrong}}}}}")
                        }
                        _ => format!("[run]\n{first} = {wrong}\n{second} = {wrong}\n"),
                    };
                    let told = read(&text).unwrap_err();
                    assert_eq!(told.lines().count(), 2, "{text}: {told}");
                }
            }
        }
    }

    #[test]
    fn text_that_is_not_toml_is_refused() {
        let told = read("[model]\nthreads = \n").unwrap_err();
        assert!(told.starts_with("mynah.toml:2:"), "{told}");
        assert!(told.contains("not TOML"), "{told}");
        let twice = read("[model]\nthreads = 1\nthreads = 2\n").unwrap_err();
        assert!(twice.contains("mynah.toml:3:1"), "{twice}");
        assert!(read("{\"model\": ").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn json_is_read_with_the_programs_sections() {
        let file = read(
            r#"{"temp": 0.5, "models": {"a": "a.gguf"}, "run": {"instances": 2, "env": ["K=v"]}}"#,
        )
        .unwrap();
        assert_eq!(file.operator.settings.sampling.temperature, Some(0.5));
        assert_eq!(file.own.run.instances, Some(2));
        assert_eq!(file.own.models.len(), 1);
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        let file = read("").unwrap();
        assert!(file.own.models.is_empty());
        assert_eq!(file.operator, Operator::default());
    }
}
