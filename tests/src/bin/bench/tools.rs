//! Measures what reading answers costs: telling reasoning and calls of tools from text, and the
//! grammar that forces a call once it has begun.

use std::time::Instant;

use anyhow::{Result, ensure};
use mynah_core::{Conversation, Message, Model, Owner, Prompt, Reading, Role, Tool, Tools};
use mynah_settings::{Settings, Stopping};

use crate::Bench;
use crate::ours;
use crate::report::{Bounds, Kind, Round, Row};

/// Answers that may call tools against the same answers as plain text.
pub(crate) const COST: &str = "tools.cost";

/// Number of streams at once.
const STREAMS: usize = 32;
/// Tokens of an answer.
const ANSWER: u32 = 64;
/// Context tokens per stream.
const CTX_SIZE: u32 = 1024;
/// Minimum speed of answers that are read, as a share of that of plain text.
const BOUNDS: Bounds = Bounds {
    limit: Some(0.98),
    peer: None,
};

/// `tools.cost`: tokens per second of 32 streams that may call tools. The limit reads the same
/// answers as text.
pub(crate) fn cost(bench: &Bench) -> Result<Row> {
    let model = ours::load(&bench.model, STREAMS, CTX_SIZE)?;
    let mut rounds = Vec::new();
    // The first round warms both up.
    for round in 0..=bench.rounds {
        let speed = |reading| bench.runtime.block_on(speed(&model, reading, round));
        let (ours, limit) = if round % 2 == 0 {
            let limit = speed(Reading::Text)?;
            (speed(Reading::Events)?, limit)
        } else {
            let ours = speed(Reading::Events)?;
            (ours, speed(Reading::Text)?)
        };
        if round > 0 {
            rounds.push(Round {
                ours,
                limit: Some(limit),
                peer: None,
            });
        }
    }
    Ok(Row::new(COST, "tokens/s", Kind::Rate, &rounds, BOUNDS))
}

async fn speed(model: &Model, reading: Reading, round: usize) -> Result<f64> {
    let settings = || Settings {
        stopping: Stopping {
            max_tokens: Some(ANSWER),
            // Each answer gets the same length.
            ignore_eos: Some(true),
            ..Stopping::default()
        },
        ..Settings::greedy()
    };
    let begun = Instant::now();
    let mut streams = Vec::new();
    for stream in 0..STREAMS {
        let mut session = model.session(Owner::unique())?;
        let asked = asked(&format!("Tell story {stream} of {round}."), reading);
        let prompt = Prompt::Messages(asked);
        let generation = session.start(prompt, settings()).await?;
        streams.push((session, generation));
    }
    let mut tokens = 0;
    for (_session, generation) in &mut streams {
        tokens += ours::outcome(generation).await?.usage.generated_tokens;
    }
    ensure!(tokens > 0, "no answer has a token");
    Ok(f64::from(tokens) / begun.elapsed().as_secs_f64())
}

fn asked(question: &str, reading: Reading) -> Conversation {
    let weather = Tool {
        name: "weather".to_owned(),
        description: Some("The weather of a city".to_owned()),
        parameters: Some(
            r#"{"type": "object", "properties": {"city": {"type": "string"}}}"#.to_owned(),
        ),
        strict: false,
    };
    Conversation {
        messages: vec![Message::new(Role::User, question)],
        tools: Tools {
            list: vec![weather],
            ..Tools::default()
        },
        reading,
        ..Conversation::default()
    }
}
