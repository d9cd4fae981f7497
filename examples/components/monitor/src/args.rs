//! The command line of the example.

use lexopt::prelude::*;
use mynah_guest::StatusKind;

pub const USAGE: &str = "\
usage: monitor [OPTIONS]
Asks the model something, then shows what it is doing.
  --model NAME   the model [default: default]
  --ask TEXT     what to ask [default: The capital of France is]
  --idle         ask nothing
  --json KIND    one kind as JSON: queue, memory, sessions, performance or model
";

pub struct Args {
    pub model: String,
    pub ask: Option<String>,
    pub json: Option<StatusKind>,
}

impl Args {
    /// Reads the command line; `None` asks for help.
    pub fn parse() -> Result<Option<Self>, lexopt::Error> {
        let mut args = Self {
            model: "default".to_owned(),
            ask: Some("The capital of France is".to_owned()),
            json: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("model") => args.model = parser.value()?.string()?,
                Long("ask") => args.ask = Some(parser.value()?.string()?),
                Long("idle") => args.ask = None,
                Long("json") => args.json = Some(kind(&parser.value()?.string()?)?),
                Long("help") | Short('h') => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(Some(args))
    }
}

fn kind(name: &str) -> Result<StatusKind, lexopt::Error> {
    Ok(match name {
        "queue" => StatusKind::Queue,
        "memory" => StatusKind::Memory,
        "sessions" => StatusKind::Sessions,
        "performance" => StatusKind::Performance,
        "model" => StatusKind::Model,
        _ => return Err(format!("no kind `{name}`").into()),
    })
}
