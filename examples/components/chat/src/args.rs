//! The command line of the example.

use lexopt::prelude::*;
use mynah_guest::Options;

pub const USAGE: &str = "\
usage: chat [OPTIONS] [QUESTION]...
Answers each question in turn; without one, chats.
  --model NAME      the model to use [default: default]
  --system TEXT     instructions that stand above the conversation
  --max-tokens N    tokens of an answer at most
  --temperature T   randomness, 0 is greedy
  --seed N          seed of the randomness
";

pub struct Args {
    pub model: String,
    pub system: Option<String>,
    pub options: Options,
    pub questions: Vec<String>,
}

impl Args {
    /// Reads the command line; `None` asks for help.
    pub fn parse() -> Result<Option<Self>, lexopt::Error> {
        let mut args = Self {
            model: "default".to_owned(),
            system: None,
            options: Options::new(),
            questions: Vec::new(),
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
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
                Value(question) => args.questions.push(question.string()?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(Some(args))
    }
}
