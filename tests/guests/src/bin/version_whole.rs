//! Promise: every function of the contract works, with every field set.
//!
//! The build of this guest for each published version is kept in `tests/fixtures/`. It must run
//! unchanged as long as the version is served, so the guest only relies on what cannot change.

use mynah_test_guests::bindings::mynah::llm::backend_status;
use mynah_test_guests::bindings::mynah::llm::embedding::embed;
use mynah_test_guests::bindings::mynah::llm::errors::Error;
use mynah_test_guests::bindings::mynah::llm::generation::{
    Conversation, Event, FinishReason, Generation, Message, Outcome, Prompt, Role, start,
};
use mynah_test_guests::bindings::mynah::llm::llm_config::{
    Origin, configure, configure_json, effective, load_by_name_with_config,
};
use mynah_test_guests::bindings::mynah::llm::settings::{
    BiasTarget, LogitBias, Memory, OutputForm, Priority, SamplerName, Sampling, Scheduling, Seed,
    Settings, Stopping,
};
use mynah_test_guests::bindings::wasi::nn::graph::load_by_name;
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

    let say = |role, content: &str| Message {
        role,
        content: content.to_owned(),
        fields: None,
    };
    let messages = || vec![say(Role::System, "Be brief."), say(Role::User, "Hello.")];
    let conversation = Conversation {
        messages: messages(),
        tools: None,
        variables: Some("{}".to_owned()),
    };
    for prompt in [
        Prompt::Text("Once upon a time".to_owned()),
        Prompt::Messages(messages()),
        Prompt::Conversation(conversation),
        Prompt::Tokens(vec![1, 70, 71]),
    ] {
        let generation = start(&context, &prompt, &settings(3)).map_err(refused)?;
        let (tokens, outcome) = read(&generation)?;
        ensure!(outcome.seed == SEED, "{outcome:?}");
        ensure!(
            tokens == outcome.usage.generated_tokens as usize && tokens <= 3,
            "{tokens} tokens told, {outcome:?}"
        );
    }

    // The guest waits on the pollable, never in `next`.
    let prompt = Prompt::Text("Once upon a time".to_owned());
    let generation = start(&context, &prompt, &settings(100)).map_err(refused)?;
    let ready = generation.subscribe();
    ready.block();
    drop(ready);
    let events = generation.poll_next().map_err(refused)?;
    ensure!(events.is_some(), "ready without an event");
    generation.cancel();
    let (_, outcome) = read(&generation)?;
    ensure!(
        matches!(
            outcome.reason,
            FinishReason::Cancelled | FinishReason::MaxTokens | FinishReason::EndOfGeneration
        ),
        "{outcome:?}"
    );

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

/// Reads a generation to its end. Returns the number of reported tokens, and the outcome.
fn read(generation: &Generation) -> Result<(usize, Outcome), Failure> {
    let mut tokens = 0;
    loop {
        for event in generation.next().map_err(refused)? {
            match event {
                Event::Token(_) => tokens += 1,
                Event::Text(text) => ensure!(!text.is_empty(), "an empty text"),
                Event::Finished(outcome) => return Ok((tokens, outcome)),
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
        output: Some(OutputForm::Free),
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
