//! A long conversation that is stored on disk: `Session::say`, `save` and `restore`.
//!
//! The component stores the messages. With a state folder and an owner's name, the host stores the
//! computation, so the next run only computes what is new. The conversation goes to stdout,
//! everything else to stderr.

mod args;
mod memory;

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use mynah_guest::{Error, Model, Result, Session};

use args::{Args, USAGE};
use memory::Memory;

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("assistant: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match assist(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assistant: {error}");
            ExitCode::FAILURE
        }
    }
}

fn assist(args: Args) -> Result<()> {
    let memory = Memory::new(&args.memory);
    let mut session = Model::load(&args.model)?
        .session()?
        .with_options(args.options);
    match memory.read()?.filter(|_| !args.begins_anew) {
        Some(saved) => restore(&mut session, &saved, &memory)?,
        None => {
            if let Some(instructions) = args.system {
                session = session.system(instructions);
            }
        }
    }
    if args.messages.is_empty() {
        return converse(&mut session, &memory);
    }
    for message in &args.messages {
        answer(&mut session, message, &memory)?;
    }
    Ok(())
}

fn restore(session: &mut Session, saved: &str, memory: &Memory) -> Result<()> {
    match session.restore(saved) {
        Ok(()) => {
            eprintln!("[{} messages remembered]", session.messages().len());
            Ok(())
        }
        // The user decides whether to discard the file.
        Err(Error::NotAConversation(why)) => {
            let why = format!("{}: {why} (--new)", memory.path());
            Err(Error::NotAConversation(why))
        }
        Err(error) => Err(error),
    }
}

/// Answers each line of stdin until it ends or `/quit`.
fn converse(session: &mut Session, memory: &Memory) -> Result<()> {
    let a_person_asks = io::stdin().is_terminal();
    if a_person_asks {
        eprintln!("Say something. /quit or Ctrl-D ends; what was said is kept.");
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
            message => answer(session, message, memory)?,
        }
    }
}

/// Answers a message and stores the conversation, including an answer that broke off.
fn answer(session: &mut Session, message: &str, memory: &Memory) -> Result<()> {
    let mut answered = print_answer(session, message);
    // Context shifting covers what the model cannot hold, but the host also limits a prompt's
    // bytes.
    while matches!(answered, Err(Error::PromptTooLarge(_))) && session.forget() {
        answered = print_answer(session, message);
    }
    memory.write(&session.save())?;
    answered
}

/// Prints the answer piece by piece, then its token counts.
fn print_answer(session: &mut Session, message: &str) -> Result<()> {
    let mut reply = session.say(message)?;
    let mut stdout = io::stdout().lock();
    let printed: Result<()> = reply.try_for_each(|piece| {
        stdout.write_all(piece?.as_bytes())?;
        Ok(stdout.flush()?)
    });
    // Ends the line of an answer that broke off, too.
    writeln!(stdout)?;
    printed?;
    if let Some(outcome) = reply.outcome() {
        let usage = &outcome.usage;
        eprintln!(
            "[{} tokens read, {} of them computed before; {} tokens, {}]",
            usage.prompt_tokens, usage.cached_tokens, usage.generated_tokens, outcome.reason
        );
    }
    Ok(())
}
