//! Promise: every function of the contract works, with every field set.
//!
//! The build of this guest for each published version is kept in `tests/fixtures/`. It must run
//! unchanged as long as the version is served, so the guest only relies on what cannot change.

use mynah_test_guests::bindings::mynah::llm::backend_status;
use mynah_test_guests::bindings::mynah::llm::conversation::{
    Conversation, Media, Message, Part, Role, Tool, ToolCall, ToolChoice,
};
use mynah_test_guests::bindings::mynah::llm::embedding::embed;
use mynah_test_guests::bindings::mynah::llm::errors::Error;
use mynah_test_guests::bindings::mynah::llm::generation::{
    Event, FinishReason, Generation, Outcome, Prompt, start,
};
use mynah_test_guests::bindings::mynah::llm::llm_config::{
    Origin, configure, configure_json, effective, load_by_name_with_config,
};
use mynah_test_guests::bindings::mynah::llm::ranking::rank;
use mynah_test_guests::bindings::mynah::llm::settings::{
    BiasTarget, FormStart, LogitBias, Memory, OutputForm, Priority, Reasoning, SamplerName,
    Sampling, Scheduling, Seed, Settings, Stopping, Thinking,
};
use mynah_test_guests::bindings::mynah::llm::tokens::{count, detokenise, tokenise};
use mynah_test_guests::bindings::wasi::nn::graph::load_by_name;
use mynah_test_guests::bindings::wasi::nn::inference::GraphExecutionContext;
use mynah_test_guests::{Done, Failure, context, ensure};

/// Seed of the random draws.
const SEED: u32 = 7;

fn main() -> Done {
    let context = context()?;
    configure(&context, &settings(4)).map_err(refused)?;
    let all = effective(&context).map_err(refused)?;
    let tokens = all.iter().find(|one| one.path == "stopping.max_tokens");
    ensure!(
        tokens.is_some_and(|one| one.value == "4" && matches!(one.origin, Origin::Session)),
        "{tokens:?}"
    );
    let warnings = configure_json(
        &context,
        r#"{"sampling": {"temp": 0.0}, "no-such-setting": 1}"#,
        false,
    );
    let warnings = warnings.map_err(refused)?;
    ensure!(
        warnings.len() == 1 && warnings[0].line == Some(1) && warnings[0].column.is_some(),
        "{warnings:?}"
    );

    for prompt in [
        Prompt::Text("Once upon a time".to_owned()),
        Prompt::Conversation(conversation(ToolChoice::None)),
        Prompt::Tokens(vec![1, 70, 71]),
    ] {
        let generation = start(&context, &prompt, &settings(3)).map_err(refused)?;
        let answer = read(&generation)?;
        let outcome = &answer.outcome;
        ensure!(outcome.seed == SEED, "{answer:?}");
        ensure!(
            answer.tokens == outcome.usage.generated_tokens as usize && answer.tokens <= 3,
            "{answer:?}"
        );
        ensure!(
            answer.calls.is_empty() && outcome.usage.reasoning_tokens == 0,
            "{answer:?}"
        );
    }
    calls(&context)?;
    files(&context)?;
    tokens_of(&context)?;

    // The guest waits on the pollable, never in `next`.
    let prompt = Prompt::Text("Once upon a time".to_owned());
    let generation = start(&context, &prompt, &settings(100)).map_err(refused)?;
    let ready = generation.subscribe();
    ready.block();
    drop(ready);
    let events = generation.poll_next().map_err(refused)?;
    ensure!(events.is_some(), "ready without an event");
    generation.cancel();
    let answer = read(&generation)?;
    ensure!(
        matches!(
            answer.outcome.reason,
            FinishReason::Cancelled | FinishReason::MaxTokens | FinishReason::EndOfGeneration
        ),
        "{answer:?}"
    );

    // A model that generates text does not rank.
    let documents = ["a".to_owned(), "b".to_owned()];
    let ranked = rank(&context, "a", &documents, &settings(1));
    ensure!(matches!(ranked, Err(Error::Unsupported(_))), "{ranked:?}");

    let found = embed(&context, std::slice::from_ref(&prompt), &settings(1)).map_err(refused)?;
    ensure!(
        found.vectors.len() == 1 && !found.vectors[0].is_empty() && found.prompt_tokens > 0,
        "{found:?}"
    );

    let graph = load_by_name("default").map_err(mynah_guest::Error::from)?;
    let about = backend_status::model(&graph).map_err(refused)?;
    ensure!(about.context_size > 0, "{about:?}");
    let sessions = backend_status::sessions(&graph).map_err(refused)?;
    ensure!(sessions.mine.len() == 1, "{sessions:?}");
    let json = backend_status::json(&graph, backend_status::Kind::Model).map_err(refused)?;
    ensure!(json.starts_with('{'), "{json}");
    // Figures that are not granted.
    let hidden = [
        backend_status::queue(&graph).map(drop),
        backend_status::memory(&graph).map(drop),
        backend_status::performance(&graph).map(drop),
    ];
    for one in hidden {
        ensure!(matches!(one, Err(Error::Unsupported(_))), "{one:?}");
    }

    let loaded = load_by_name_with_config("default", r#"{"n_predict": 1}"#, true);
    let loaded = loaded.map_err(refused)?;
    ensure!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded
        .graph
        .init_execution_context()
        .map_err(mynah_guest::Error::from)?;
    let unknown = load_by_name_with_config("no-such-model", "{}", false);
    ensure!(matches!(unknown, Err(Error::NotFound(_))), "it was found");

    let mut bad = settings(1);
    if let Some(sampling) = &mut bad.sampling {
        sampling.temperature = Some(-1.0);
    }
    let problems = match start(&context, &prompt, &bad) {
        Err(Error::InvalidSettings(problems)) => problems,
        Err(other) => return Err(refused(other)),
        Ok(_) => return Err(Failure("a temperature of -1 went through".to_owned())),
    };
    ensure!(
        problems.len() == 1 && problems[0].path == "sampling.temperature",
        "{problems:?}"
    );
    println!("ok");
    Ok(())
}

/// A call that is required comes piece by piece, and is the end of the answer.
fn calls(context: &GraphExecutionContext) -> Done {
    let named = conversation(ToolChoice::Named("now".to_owned()));
    let prompt = Prompt::Conversation(named);
    let generation = start(context, &prompt, &settings(200)).map_err(refused)?;
    let answer = read(&generation)?;
    let reason = answer.outcome.reason;
    ensure!(matches!(reason, FinishReason::ToolCalls), "{answer:?}");
    let [call] = answer.calls.as_slice() else {
        return Err(Failure(format!("not one call: {answer:?}")));
    };
    ensure!(call.name == "now" && !call.id.is_empty(), "{call:?}");
    let arguments = call.arguments.trim();
    ensure!(
        arguments.starts_with('{') && arguments.ends_with('}'),
        "{call:?}"
    );
    Ok(())
}

/// The model takes text only.
fn files(context: &GraphExecutionContext) -> Done {
    let media = |media_type: &str| Media {
        media_type: media_type.to_owned(),
        bytes: vec![1, 2, 3],
    };
    for part in [
        Part::Image(media("image/png")),
        Part::Audio(media("audio/wav")),
    ] {
        let mut asked = conversation(ToolChoice::None);
        asked.messages = vec![Message {
            content: vec![Part::Text("What is this?".to_owned()), part],
            ..message(Role::User, "")
        }];
        let refusal = start(context, &Prompt::Conversation(asked), &settings(1)).map(drop);
        ensure!(matches!(refusal, Err(Error::Unsupported(_))), "{refusal:?}");
    }
    Ok(())
}

/// The tokens of a prompt are those that a request with it counts.
fn tokens_of(context: &GraphExecutionContext) -> Done {
    for prompt in [
        Prompt::Text("Once upon a time".to_owned()),
        Prompt::Conversation(conversation(ToolChoice::Auto)),
    ] {
        let tokens = tokenise(context, &prompt).map_err(refused)?;
        let counted = count(context, &prompt).map_err(refused)?;
        let generation = start(context, &prompt, &settings(1)).map_err(refused)?;
        let read = read(&generation)?.outcome.usage.prompt_tokens;
        ensure!(
            tokens.len() == counted as usize && counted == read,
            "{} tokens, {counted} counted, {read} read",
            tokens.len()
        );
        if let Prompt::Text(text) = &prompt {
            let bytes = detokenise(context, &tokens, false).map_err(refused)?;
            let again = String::from_utf8_lossy(&bytes);
            ensure!(again.trim() == text, "{again}");
            let named = detokenise(context, &tokens, true).map_err(refused)?;
            ensure!(named.len() >= bytes.len(), "{named:?}");
        }
    }
    let unknown = detokenise(context, &[u32::MAX], false);
    ensure!(
        matches!(unknown, Err(Error::InvalidArgument(_))),
        "{unknown:?}"
    );
    Ok(())
}

/// A conversation with every role and every field.
fn conversation(tool_choice: ToolChoice) -> Conversation {
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "add".to_owned(),
        arguments: r#"{"a": 1}"#.to_owned(),
    };
    let tool = |name: &str, parameters: Option<&str>| Tool {
        name: name.to_owned(),
        description: Some("x".to_owned()),
        parameters: parameters.map(str::to_owned),
        strict: true,
    };
    let number = r#"{"type": "object", "properties": {"a": {"type": "integer"}}}"#;
    Conversation {
        messages: vec![
            message(Role::System, "Be brief."),
            message(Role::Developer, "Be kind."),
            message(Role::User, "One?"),
            Message {
                content: Vec::new(),
                reasoning: Some("Hm.".to_owned()),
                tool_calls: vec![call],
                ..message(Role::Assistant, "")
            },
            Message {
                tool_call_id: Some("call_1".to_owned()),
                name: Some("add".to_owned()),
                ..message(Role::Tool, "7")
            },
            message(Role::Assistant, "Seven."),
            Message {
                fields: Some("{}".to_owned()),
                ..message(Role::User, "Two?")
            },
        ],
        tools: vec![tool("add", Some(number)), tool("now", None)],
        tool_choice,
        parallel_tool_calls: false,
        variables: Some("{}".to_owned()),
    }
}

fn message(role: Role, content: &str) -> Message {
    Message {
        role,
        content: vec![Part::Text(content.to_owned())],
        reasoning: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        name: None,
        fields: None,
    }
}

/// A generation, read to its end.
#[derive(Debug)]
struct Answer {
    /// Number of reported tokens.
    tokens: usize,
    calls: Vec<ToolCall>,
    outcome: Outcome,
}

/// Reads a generation to its end.
fn read(generation: &Generation) -> Result<Answer, Failure> {
    let mut tokens = 0;
    let mut calls: Vec<ToolCall> = Vec::new();
    loop {
        for event in generation.next().map_err(refused)? {
            match event {
                Event::Token(_) => tokens += 1,
                Event::Reasoning(text) | Event::Text(text) => {
                    ensure!(!text.is_empty(), "an empty text");
                }
                Event::ToolCallStart(call) => {
                    ensure!(call.index as usize == calls.len(), "{call:?}");
                    calls.push(ToolCall {
                        id: call.id,
                        name: call.name,
                        arguments: String::new(),
                    });
                }
                Event::ToolCallArguments(piece) => {
                    ensure!(piece.index as usize + 1 == calls.len(), "{piece:?}");
                    ensure!(!piece.text.is_empty(), "an empty piece");
                    if let Some(call) = calls.last_mut() {
                        call.arguments.push_str(&piece.text);
                    }
                }
                Event::Finished(outcome) => {
                    return Ok(Answer {
                        tokens,
                        calls,
                        outcome,
                    });
                }
            }
        }
    }
}

fn refused(error: Error) -> Failure {
    Failure(format!("{error:?}"))
}

/// Settings with every field set, valid for any model.
fn settings(max_tokens: u32) -> Settings {
    Settings {
        sampling: Some(sampling()),
        stopping: Some(Stopping {
            max_tokens: Some(max_tokens),
            max_time_ms: Some(600_000),
            stop: Some(vec!["\u{1}\u{2}\u{3}".to_owned()]),
            ignore_eos: Some(false),
        }),
        memory: Some(Memory {
            context_shifting: Some(false),
            n_keep: Some(0),
            cache_prompt: Some(false),
            max_cache_tokens: Some(0),
        }),
        scheduling: Some(Scheduling {
            priority: Some(Priority::Low),
            queue_timeout_ms: Some(600_000),
            deterministic: Some(false),
        }),
        reasoning: Some(Reasoning {
            thinking: Some(Thinking::Off),
            budget: Some(100),
            form_start: Some(FormStart::AfterReasoning),
        }),
        output: Some(OutputForm::Free),
        further: Some("{}".to_owned()),
    }
}

fn sampling() -> Sampling {
    Sampling {
        temperature: Some(0.8),
        dynatemp_range: Some(0.1),
        dynatemp_exponent: Some(1.0),
        top_k: Some(40),
        top_p: Some(0.95),
        min_p: Some(0.05),
        typical_p: Some(0.9),
        top_n_sigma: Some(2.0),
        min_keep: Some(1),
        xtc_probability: Some(0.1),
        xtc_threshold: Some(0.1),
        penalty_last_n: Some(64),
        repeat_penalty: Some(1.1),
        presence_penalty: Some(0.1),
        frequency_penalty: Some(0.1),
        dry_multiplier: Some(0.8),
        dry_base: Some(1.75),
        dry_allowed_length: Some(2),
        dry_penalty_last_n: Some(64),
        dry_sequence_breakers: Some(vec!["\n".to_owned()]),
        mirostat: Some(0),
        mirostat_tau: Some(5.0),
        mirostat_eta: Some(0.1),
        seed: Some(Seed::Fixed(SEED)),
        logit_bias: Some(vec![
            LogitBias {
                target: BiasTarget::Token(40),
                bias: -1.0,
            },
            LogitBias {
                target: BiasTarget::Text("a".to_owned()),
                bias: 1.0,
            },
        ]),
        samplers: Some(vec![
            SamplerName::Penalties,
            SamplerName::Dry,
            SamplerName::TopNSigma,
            SamplerName::TopK,
            SamplerName::TypicalP,
            SamplerName::TopP,
            SamplerName::MinP,
            SamplerName::Xtc,
            SamplerName::Temperature,
        ]),
        n_probs: Some(2),
    }
}
