//! The command line of the example.

use std::path::PathBuf;

use lexopt::prelude::*;
use mynah_guest::{Memory, Options};

pub const USAGE: &str = "\
usage: assistant [OPTIONS] [MESSAGE]...
Answers each message in turn; without one, each line of stdin. Remembers the
conversation in a folder, and goes on from it in the next run.
  --memory FOLDER   where it is kept [default: /memory]
  --new             forget what was said before
  --model NAME      the model to use [default: default]
  --system TEXT     instructions, for a new conversation
  --max-tokens N    tokens of an answer at most
  --temperature T   randomness, 0 is greedy
  --seed N          seed of the randomness
";

pub struct Args {
    pub memory: PathBuf,
    pub begins_anew: bool,
    pub model: String,
    pub system: Option<String>,
    pub options: Options,
    pub messages: Vec<String>,
}

impl Args {
    /// Reads the command line; `None` asks for help.
    pub fn parse() -> Result<Option<Self>, lexopt::Error> {
        // When the conversation outgrows the model's context, the host removes its oldest part.
        let memory = Memory::new().context_shifting(true);
        let mut args = Self {
            memory: PathBuf::from("/memory"),
            begins_anew: false,
            model: "default".to_owned(),
            system: None,
            options: Options::new().memory(memory),
            messages: Vec::new(),
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("memory") => args.memory = parser.value()?.into(),
                Long("new") => args.begins_anew = true,
                Long("model") => args.model = parser.value()?.string()?,
                Long("system") => args.system = Some(parser.value()?.string()?),
                Long("max-tokens") => {
                    args.options = args.options.max_tokens(parser.value()?.parse()?);
                }
                Long("temperature") => {
                    args.options = args.options.temperature(parser.value()?.parse()?);
                }
                Long("seed") => args.options = args.options.seed(parser.value()?.parse()?),
                Long("help") | Short('h') => return Ok(None),
                Value(message) => args.messages.push(message.string()?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(Some(args))
    }
}
