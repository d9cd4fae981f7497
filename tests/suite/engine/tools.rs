//! Calls of tools and reasoning, on the real model, whose template knows neither: the tools are
//! described in the system message.

use mynah_core::{
    Conversation, Event, FinishReason, Message, Model, Outcome, Prompt, Reading, Role, Tool,
    ToolChoice, Tools,
};
use mynah_settings::{
    FormStart, ModelConfig, OutputForm, Reasoning, Sampling, Seed, Settings, Stopping,
};
use mynah_tests::solo;
use mynah_tests::tiny_model::TinyModel;
use serde_json::Value;

use crate::support::generations::start;

const PLACE: &str = r#"{"type": "object", "additionalProperties": false, "required": ["city"],
    "properties": {"city": {"type": "string", "maxLength": 12},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
        "unit": {"enum": ["celsius", "fahrenheit"]}}}"#;

fn tool(name: &str, parameters: Option<&str>) -> Tool {
    Tool {
        name: name.to_owned(),
        description: Some(format!("Gives the {name}")),
        parameters: parameters.map(str::to_owned),
        strict: false,
    }
}

fn asked(choice: ToolChoice, parallel: bool) -> Conversation {
    Conversation {
        messages: vec![Message::new(Role::User, "Is it raining in Oslo?")],
        tools: Tools {
            list: vec![tool("weather", Some(PLACE)), tool("time", None)],
            choice,
            parallel,
        },
        reading: Reading::Events,
        ..Conversation::default()
    }
}

fn drawn(seed: u32, max_tokens: u32) -> Settings {
    Settings {
        sampling: Sampling {
            temperature: Some(1.5),
            seed: Some(Seed::Fixed(seed)),
            ..Sampling::default()
        },
        stopping: Stopping {
            max_tokens: Some(max_tokens),
            ..Stopping::default()
        },
        ..Settings::default()
    }
}

/// An answer, as its events add up.
#[derive(Debug, Default)]
struct Answer {
    reasoning: String,
    text: String,
    calls: Vec<(String, String, String)>,
}

async fn answer(model: &Model, asked: Conversation, settings: Settings) -> (Answer, Outcome) {
    let mut generation = start(model, Prompt::Messages(asked), settings)
        .await
        .unwrap();
    let mut answer = Answer::default();
    loop {
        for event in generation.next().await.unwrap() {
            match event {
                Event::Token(_) => {}
                Event::Reasoning(piece) => answer.reasoning += &piece,
                Event::Text(piece) => answer.text += &piece,
                Event::ToolCallStart { index, id, name } => {
                    assert_eq!(index as usize, answer.calls.len());
                    answer.calls.push((id, name, String::new()));
                }
                Event::ToolCallArguments { index, text } => {
                    assert_eq!(index as usize + 1, answer.calls.len());
                    assert!(!text.is_empty());
                    answer.calls.last_mut().unwrap().2 += &text;
                }
                Event::Finished(outcome) => return (answer, outcome),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_call_parses_and_fits_its_schema_whatever_the_seed() {
    let validator = jsonschema::validator_for(&serde_json::from_str(PLACE).unwrap()).unwrap();
    let model = solo();
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..200 {
        if tasks.len() == 20 {
            tasks.join_next().await.unwrap().unwrap();
        }
        let (model, validator) = (model.clone(), validator.clone());
        tasks.spawn(async move {
            let asked = asked(ToolChoice::Required, false);
            let (answer, outcome) = answer(&model, asked, drawn(seed, 200)).await;
            assert_eq!(
                outcome.reason,
                FinishReason::ToolCalls,
                "{seed}: {answer:?}"
            );
            assert_eq!(
                (answer.text.as_str(), answer.calls.len()),
                ("", 1),
                "{seed}"
            );
            let (id, name, arguments) = &answer.calls[0];
            assert!(!id.is_empty());
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            match name.as_str() {
                "weather" => assert!(validator.is_valid(&arguments), "{seed}: {arguments}"),
                "time" => assert_eq!(arguments, serde_json::json!({}), "{seed}"),
                other => panic!("{seed}: {other}"),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn the_named_tool_is_called_and_the_same_seed_gives_the_same_call() {
    let named = || asked(ToolChoice::Named("time".to_owned()), false);
    let (first, outcome) = answer(&solo(), named(), drawn(7, 100)).await;
    assert_eq!(outcome.reason, FinishReason::ToolCalls);
    assert_eq!(first.calls.len(), 1);
    assert_eq!(
        (first.calls[0].1.as_str(), first.calls[0].2.as_str()),
        ("time", "{}")
    );
    let (second, _) = answer(&solo(), named(), drawn(7, 100)).await;
    assert_eq!(first.calls, second.calls);
}

#[tokio::test]
async fn a_call_that_the_limit_cuts_off_is_told_by_the_reason() {
    let (_, outcome) = answer(&solo(), asked(ToolChoice::Required, false), drawn(1, 6)).await;
    assert_eq!(outcome.reason, FinishReason::MaxTokens);
}

#[tokio::test]
async fn without_a_call_the_answer_is_text() {
    for seed in 0..4 {
        let (answer, outcome) =
            answer(&solo(), asked(ToolChoice::None, true), drawn(seed, 40)).await;
        assert!(
            answer.calls.is_empty() && !answer.text.is_empty(),
            "{answer:?}"
        );
        assert_ne!(outcome.reason, FinishReason::ToolCalls);
    }
}

#[tokio::test]
async fn the_model_may_call_or_answer_in_a_form() {
    let settings = |seed| Settings {
        output: OutputForm::JsonSchema(r#"{"type": "integer"}"#.to_owned()).into(),
        ..drawn(seed, 200)
    };
    for seed in 0..8 {
        let asked = asked(ToolChoice::Auto, false);
        let (answer, outcome) = answer(&solo(), asked, settings(seed)).await;
        match outcome.reason {
            FinishReason::ToolCalls => assert_eq!(answer.calls.len(), 1, "{answer:?}"),
            FinishReason::EndOfGeneration => {
                answer.text.parse::<i128>().unwrap();
            }
            FinishReason::MaxTokens => {}
            other => panic!("{other:?}: {answer:?}"),
        }
    }
}

/// A template whose answers begin within the reasoning.
const THINKING: &str = "{% for message in messages %}<{{ message.role }}>\
    {% if message.reasoning_content %}<think>\n{{ message.reasoning_content }}\n</think>\n\n\
    {% endif %}{{ message.content }}</{{ message.role }}>\n{% endfor %}\
    {% if add_generation_prompt %}<assistant><think>\n{% endif %}";

/// A tiny model that thinks, whose words mean nothing.
fn thinking() -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thinking.gguf");
    let file = TinyModel {
        chat_template: Some(THINKING.to_owned()),
        ..TinyModel::default()
    };
    file.write_to(&path).unwrap();
    let model = mynah_engine::load(&path, ModelConfig::default(), |_| {}).unwrap();
    (folder, model)
}

fn question() -> Conversation {
    Conversation {
        messages: vec![Message::new(Role::User, "Is it raining?")],
        reading: Reading::Events,
        ..Conversation::default()
    }
}

#[tokio::test]
async fn reasoning_ends_with_its_budget_and_then_the_form_holds() {
    let (_folder, model) = thinking();
    for (seed, budget) in [(1, 0), (2, 1), (3, 5), (4, 40)] {
        let settings = Settings {
            reasoning: Reasoning {
                budget: Some(budget),
                ..Reasoning::default()
            },
            output: OutputForm::JsonSchema(r#"{"enum": ["yes", "no"]}"#.to_owned()).into(),
            ..drawn(seed, 200)
        };
        let (answer, outcome) = answer(&model, question(), settings).await;
        assert_eq!(outcome.reason, FinishReason::EndOfGeneration, "{answer:?}");
        assert!(
            ["\"yes\"", "\"no\""].contains(&answer.text.as_str()),
            "{answer:?}"
        );
        assert!(!answer.reasoning.contains("</think>"), "{answer:?}");
        let usage = outcome.usage;
        assert!(usage.reasoning_tokens >= budget, "{usage:?}");
        assert!(usage.reasoning_tokens < usage.generated_tokens, "{usage:?}");
        // One token may be white space alone.
        assert!(budget > 0 || answer.reasoning.is_empty(), "{answer:?}");
        assert!(budget < 5 || !answer.reasoning.is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_form_that_begins_with_the_first_token_leaves_no_reasoning() {
    let (_folder, model) = thinking();
    let settings = Settings {
        reasoning: Reasoning {
            form_start: Some(FormStart::FirstToken),
            ..Reasoning::default()
        },
        output: OutputForm::Regex("a{3}".to_owned()).into(),
        ..drawn(1, 50)
    };
    let (answer, outcome) = answer(&model, question(), settings).await;
    assert_eq!(
        (answer.text.as_str(), answer.reasoning.as_str()),
        ("aaa", "")
    );
    assert_eq!(outcome.usage.reasoning_tokens, 0);
}

#[tokio::test]
async fn in_text_reasoning_is_as_the_model_writes_it() {
    let (_folder, model) = thinking();
    let settings = |budget| Settings {
        reasoning: Reasoning {
            budget,
            ..Reasoning::default()
        },
        ..drawn(3, 30)
    };
    let asked = || Conversation {
        reading: Reading::Text,
        ..question()
    };
    let (free, _) = answer(&model, asked(), settings(None)).await;
    assert!(free.reasoning.is_empty() && !free.text.is_empty());
    let (bounded, _) = answer(&model, asked(), settings(Some(4))).await;
    assert!(bounded.text.contains("</think>"), "{bounded:?}");
}
