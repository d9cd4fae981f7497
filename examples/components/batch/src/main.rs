//! Answers a file of prompts, several at a time: the SDK's `Model::answer_all`.
//!
//! Answers go to stdout as JSON, one per line. The progress bar and the summary go to stderr.

mod args;
mod bar;

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Instant;

use mynah_guest::{Answer, Error, Model, Result};
use serde_json::json;

use args::{Args, USAGE};
use bar::Bar;

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("batch: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match batch(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("batch: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers all prompts and returns the number that failed.
fn batch(args: &Args) -> Result<usize> {
    let text = read(&args.prompts)?;
    let prompts: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let model = Model::load(&args.model)?;
    let begun = Instant::now();
    let mut bar = Bar::new(prompts.len());
    let (mut failed, mut tokens) = (0, 0);
    let answers = model.answer_all(prompts.iter().copied(), args.options.clone(), args.at_once);
    for (index, answer) in answers {
        match &answer {
            Ok(answer) => tokens += u64::from(answer.outcome.usage.generated_tokens),
            Err(_) => failed += 1,
        }
        bar.clear();
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", line(index, prompts[index], &answer))?;
        stdout.flush()?;
        bar.advance();
    }
    bar.clear();
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "[{} answered, {failed} failed, {tokens} tokens in {seconds:.1} s, {:.1} tokens/s]",
        prompts.len() - failed,
        tokens as f64 / seconds
    );
    Ok(failed)
}

/// The contents of the file, or of stdin for `-`.
fn read(file: &str) -> Result<String> {
    if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| {
        let what = format!("{file}: {error} (is its folder granted, as with `mynah run --dir`?)");
        Error::from(io::Error::new(error.kind(), what))
    })
}

/// An answer or an error as JSON. An error includes the text that was generated before it.
fn line(index: usize, prompt: &str, answer: &Result<Answer>) -> serde_json::Value {
    match answer {
        Ok(answer) => json!({
            "index": index,
            "prompt": prompt,
            "text": answer.text,
            "reason": answer.outcome.reason.as_str(),
            "tokens": answer.outcome.usage.generated_tokens,
        }),
        Err(error) => json!({
            "index": index,
            "prompt": prompt,
            "text": error.partial_text(),
            "error": error.to_string(),
        }),
    }
}
