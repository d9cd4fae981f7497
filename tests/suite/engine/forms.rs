//! Answers with an output form, on the real model: JSON Schema, regular expression, Lark and GBNF.

use mynah_core::{Error, FinishReason, Prompt};
use mynah_settings::{Output, OutputForm, Sampling, Seed, Settings, Stopping};
use mynah_tests::{cargo_component_wasm, model_path, solo};

use crate::support::command::run;
use crate::support::generations::{finish, start, text};

const PERSON: &str = r#"{"type": "object", "additionalProperties": false, "required": ["name", "age"],
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 150}}}"#;

fn with(form: impl Into<Output>, temperature: f32, seed: u32, max_tokens: u32) -> Settings {
    Settings {
        sampling: Sampling {
            temperature: Some(temperature),
            seed: Some(Seed::Fixed(seed)),
            ..Sampling::default()
        },
        stopping: Stopping {
            max_tokens: Some(max_tokens),
            ..Stopping::default()
        },
        output: form.into(),
        ..Settings::default()
    }
}

fn schema(text: &str) -> OutputForm {
    OutputForm::JsonSchema(text.to_owned())
}

async fn answer(prompt: Prompt, settings: Settings) -> (String, FinishReason) {
    let mut generation = start(&solo(), prompt, settings).await.unwrap();
    let (text, outcome) = finish(&mut generation).await;
    (text, outcome.reason)
}

#[tokio::test]
async fn an_answer_of_a_schema_parses_or_says_why_not() {
    let validator = jsonschema::validator_for(&serde_json::from_str(PERSON).unwrap()).unwrap();
    for (temperature, seed) in [(0.0, 1), (1.0, 1), (1.0, 2), (3.0, 3), (3.0, 4)] {
        let prompt = text("Tell me about somebody.");
        let (said, reason) = answer(prompt, with(schema(PERSON), temperature, seed, 120)).await;
        assert_eq!(reason, FinishReason::EndOfGeneration, "{said}");
        let value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert!(validator.is_valid(&value), "{said}");
    }
    // An answer that was cut short has the right reason.
    let (said, reason) = answer(
        text("Tell me about somebody."),
        with(schema(PERSON), 0.0, 1, 4),
    )
    .await;
    assert_eq!(reason, FinishReason::MaxTokens, "{said}");
    assert!(
        serde_json::from_str::<serde_json::Value>(&said).is_err(),
        "{said}"
    );
}

#[tokio::test]
async fn an_answer_of_an_expression_or_a_grammar_has_its_form() {
    let date = OutputForm::Regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]".to_owned());
    let (said, reason) = answer(text("The date is"), with(date, 1.0, 5, 60)).await;
    assert_eq!(
        (said.len(), reason),
        (10, FinishReason::EndOfGeneration),
        "{said}"
    );
    assert_eq!(said.matches('-').count(), 2, "{said}");
    let colours = ["red", "green", "blue"];
    let lark = OutputForm::Lark("start: \"red\" | \"green\" | \"blue\"\n".to_owned());
    let gbnf = OutputForm::Gbnf("root ::= \"red\" | \"green\" | \"blue\"".to_owned());
    for form in [lark, gbnf] {
        for seed in 1..4 {
            let (said, reason) = answer(
                text("My favourite colour is"),
                with(form.clone(), 2.0, seed, 20),
            )
            .await;
            assert!(colours.contains(&said.as_str()), "{form:?}: {said}");
            assert_eq!(reason, FinishReason::EndOfGeneration);
        }
    }
}

#[tokio::test]
async fn a_form_that_cannot_be_is_refused_and_harms_nobody() {
    let deep = [
        "{\"items\":".repeat(2000),
        "{}".to_owned(),
        "}".repeat(2000),
    ]
    .concat();
    let long = "x".repeat(OutputForm::MAX_BYTES);
    for form in [
        schema("{"),
        schema("[]"),
        schema(r##"{"$ref": "#/nowhere"}"##),
        schema(r#"{"type": "nothing"}"#),
        schema(&deep),
        schema(&long),
        OutputForm::Regex("(".into()),
        OutputForm::Regex("a{5,2}".into()),
        OutputForm::Lark("start: nowhere".into()),
        OutputForm::Lark("\0".into()),
        OutputForm::Gbnf("root ::= nowhere".into()),
        OutputForm::Gbnf("root ::= root \"a\"".into()),
        OutputForm::Gbnf("root ::= \"a\"{1000000000}".into()),
        OutputForm::Gbnf("\0".into()),
        OutputForm::Gbnf(["(".repeat(20_000), ")".repeat(20_000)].concat()),
    ] {
        let shown = format!("{form:?}").chars().take(80).collect::<String>();
        let started = start(&solo(), text("x"), with(form, 0.0, 1, 8))
            .await
            .map(drop);
        let Err(refused) = started else {
            panic!("{shown} was taken");
        };
        assert!(
            matches!(refused, Error::OutputForm { .. }),
            "{shown}: {refused}"
        );
        assert!(refused.to_string().len() < 2000, "{shown}: {refused}");
    }
    let (said, _) = answer(
        text("The capital of France is"),
        with(Output::free(), 0.0, 1, 4),
    )
    .await;
    assert!(said.contains("Paris"), "{said}");
}

#[tokio::test]
async fn answers_with_a_form_and_without_run_side_by_side() {
    let settings = || {
        [
            with(schema(PERSON), 0.0, 1, 60),
            with(Output::free(), 0.0, 1, 20),
            with(OutputForm::Regex("(ab|ba){3}".into()), 1.0, 2, 20),
        ]
    };
    let prompt = || text("The capital of France is");
    let mut alone = Vec::new();
    for settings in settings() {
        alone.push(answer(prompt(), settings).await.0);
    }
    let model = solo();
    let mut together = Vec::new();
    for settings in settings() {
        together.push(start(&model, prompt(), settings).await.unwrap());
    }
    for (generation, alone) in together.iter_mut().zip(alone) {
        assert_eq!(finish(generation).await.0, alone);
    }
}

#[test]
fn the_example_extract_answers_with_an_object() {
    let model = format!("default={}", model_path().display());
    let wasm = cargo_component_wasm("extract").display().to_string();
    let said = run(&[
        "run",
        "--model",
        &model,
        &wasm,
        "Anna and Ben meet in Rome to sing.",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let event: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(
        event["title"].is_string() && event["people"].is_array(),
        "{event}"
    );
}
