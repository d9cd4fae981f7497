//! The command line of the example.

use std::path::PathBuf;

use lexopt::prelude::*;
use mynah_guest::{Options, RunLimits};

pub const USAGE: &str = "\
usage: agent [OPTIONS] QUESTION
Answers a question over the files of a folder, which the model looks at with tools.
  --folder FOLDER   the folder [default: /files]
  --model NAME      the model to use [default: default]
  --rounds N        answers of the model at most, with calls or without [default: 16]
  --max-tokens N    tokens of each of them at most, with reasoning [default: 2000]
  --temperature T   randomness, 0 is greedy
  --seed N          seed of the randomness
";

pub struct Args {
    pub folder: PathBuf,
    pub model: String,
    pub limits: RunLimits,
    pub options: Options,
    pub question: String,
}

impl Args {
    /// Reads the command line; `None` asks for help.
    pub fn parse() -> Result<Option<Self>, lexopt::Error> {
        let mut args = Self {
            folder: PathBuf::from("/files"),
            model: "default".to_owned(),
            limits: RunLimits::new(),
            options: Options::new().max_tokens(2000),
            question: String::new(),
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("folder") => args.folder = parser.value()?.into(),
                Long("model") => args.model = parser.value()?.string()?,
                Long("rounds") => args.limits = args.limits.rounds(parser.value()?.parse()?),
                Long("max-tokens") => {
                    args.options = args.options.max_tokens(parser.value()?.parse()?);
                }
                Long("temperature") => {
                    args.options = args.options.temperature(parser.value()?.parse()?);
                }
                Long("seed") => args.options = args.options.seed(parser.value()?.parse()?),
                Long("help") | Short('h') => return Ok(None),
                Value(question) if args.question.is_empty() => args.question = question.string()?,
                _ => return Err(arg.unexpected()),
            }
        }
        if args.question.is_empty() {
            return Err("ask a question".into());
        }
        Ok(Some(args))
    }
}
