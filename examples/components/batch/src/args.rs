//! The command line of the example.

use std::time::Duration;

use lexopt::prelude::*;
use mynah_guest::{Options, Priority};

pub const USAGE: &str = "\
usage: batch [OPTIONS] PROMPTS
Answers each line of the file PROMPTS, many at once; `-` reads stdin. Answers are
JSON, one a line, as they are finished; `index` counts the prompts from 0.
  --model NAME      the model to use [default: default]
  --at-once N       answers that are made at once [default: 8]
  --max-tokens N    tokens of an answer at most
  --temperature T   randomness, 0 is greedy
  --seed N          seed of the randomness
  --priority P      low, normal, high or urgent [default: the operator's]
  --timeout-ms N    milliseconds of an answer at most, waiting included
";

pub struct Args {
    pub model: String,
    pub at_once: usize,
    pub options: Options,
    pub prompts: String,
}

impl Args {
    /// Reads the command line; `None` asks for help.
    pub fn parse() -> Result<Option<Self>, lexopt::Error> {
        let mut model = "default".to_owned();
        let mut at_once = 8;
        let mut options = Options::new();
        let mut prompts = None;
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("model") => model = parser.value()?.string()?,
                Long("at-once") => at_once = parser.value()?.parse()?,
                Long("max-tokens") => options = options.max_tokens(parser.value()?.parse()?),
                Long("temperature") => options = options.temperature(parser.value()?.parse()?),
                Long("seed") => options = options.seed(parser.value()?.parse()?),
                Long("priority") => {
                    options = options.priority(parser.value()?.parse_with(priority)?);
                }
                Long("timeout-ms") => {
                    let limit = Duration::from_millis(parser.value()?.parse()?);
                    options = options.max_time(limit).queue_timeout(limit);
                }
                Long("help") | Short('h') => return Ok(None),
                Value(file) if prompts.is_none() => prompts = Some(file.string()?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(Some(Self {
            model,
            at_once,
            options,
            prompts: prompts.ok_or("name a file of prompts")?,
        }))
    }
}

fn priority(name: &str) -> Result<Priority, &'static str> {
    Ok(match name {
        "low" => Priority::Low,
        "normal" => Priority::Normal,
        "high" => Priority::High,
        "urgent" => Priority::Urgent,
        _ => return Err("give low, normal, high or urgent"),
    })
}
