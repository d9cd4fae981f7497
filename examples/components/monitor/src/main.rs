//! Prints the status of a model as a table with five parts: the SDK's `Model::status`.

mod args;
mod table;

use std::process::ExitCode;

use mynah_guest::{Model, Options, Result};

use args::{Args, USAGE};

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("monitor: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match monitor(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("monitor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn monitor(args: &Args) -> Result<()> {
    let model = Model::load(&args.model)?;
    let session = model.session()?;
    if let Some(prompt) = &args.ask {
        let options = Options::greedy().max_tokens(16);
        let answer = session.generate_with(prompt.as_str(), options)?;
        eprintln!(
            "[{} tokens asked for]",
            answer.outcome.usage.generated_tokens
        );
    }
    match args.json {
        Some(kind) => println!("{}", model.status_json(kind)?),
        None => print!("{}", table::of(&model.status()?)),
    }
    Ok(())
}
