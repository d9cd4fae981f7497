//! A conversation with a model, shown as it is generated: the SDK's `Session::say`, streamed.
//!
//! The answers go to stdout and everything else to stderr, so that a script can capture the answers
//! alone.

mod args;

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use mynah_guest::{Model, Outcome, Result, Session};

use args::{Args, USAGE};

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("chat: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match chat(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chat(args: Args) -> Result<()> {
    let session = Model::load(&args.model)?.session()?;
    let mut session = session.with_options(args.options);
    if let Some(instructions) = args.system {
        session = session.system(instructions);
    }
    if args.questions.is_empty() {
        return converse(&mut session);
    }
    for question in &args.questions {
        answer(&mut session, question)?;
    }
    Ok(())
}

/// Reads questions from stdin until it ends or `/quit`.
fn converse(session: &mut Session) -> Result<()> {
    let a_person_asks = io::stdin().is_terminal();
    if a_person_asks {
        eprintln!("Ask something. /quit or Ctrl-D ends.");
    }
    let mut lines = io::stdin().lock().lines();
    loop {
        if a_person_asks {
            eprint!("> ");
        }
        let Some(line) = lines.next() else {
            return Ok(());
        };
        match line?.trim() {
            "" => {}
            "/quit" => return Ok(()),
            // A failed question, for example because the model is busy, does not end the
            // conversation.
            question => {
                if let Err(error) = answer(session, question) {
                    eprintln!("chat: {error}");
                }
            }
        }
    }
}

/// Asks a question and prints the answer piece by piece, then a summary.
fn answer(session: &mut Session, question: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let mut reply = session.say(question)?;
    let printed: Result<()> = reply.try_for_each(|piece| {
        stdout.write_all(piece?.as_bytes())?;
        Ok(stdout.flush()?)
    });
    // Ends the line of an answer that broke off, too.
    writeln!(stdout)?;
    printed?;
    if let Some(outcome) = reply.outcome() {
        eprintln!("{}", summary(outcome));
    }
    Ok(())
}

/// A line such as `[57 tokens, 98.3 tokens/s, first token after 45 ms, end-of-generation]`.
fn summary(outcome: &Outcome) -> String {
    let usage = &outcome.usage;
    let speed = usage
        .tokens_per_second()
        .map(|speed| format!("{speed:.1} tokens/s, "))
        .unwrap_or_default();
    format!(
        "[{} tokens, {speed}first token after {} ms, {}]",
        usage.generated_tokens,
        usage.time_to_first_token().as_millis(),
        outcome.reason
    )
}
