//! A question over the files of a folder, answered with tools: the SDK's `Toolbox` and
//! `Session::run`, streamed.
//!
//! The answer goes to stdout. Reasoning, calls and results go to stderr.

mod args;
mod show;
mod tools;

use std::process::ExitCode;

use mynah_guest::{Event, FinishReason, Message, Model, Result, Step, ToolChoice};

use args::{Args, USAGE};
use show::Show;

const INSTRUCTIONS: &str = "You answer questions about files. Look at them with the tools before \
    you answer, calculate with the tool, and name the files that you rely on.";

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("agent: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match answer(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(args: Args) -> Result<()> {
    let session = Model::load(&args.model)?.session()?;
    let session = session.with_options(args.options).system(INSTRUCTIONS);
    // Before its first answer the model must look at something, and at one thing at a time.
    let session = session.tool_choice(ToolChoice::Required);
    let mut session = session.parallel_tool_calls(false);
    let mut tools = tools::of(&args.folder);
    let mut show = Show::new();
    let mut run = session.run_with(Message::user(args.question), &mut tools, args.limits)?;
    for step in &mut run {
        match step? {
            Step::Event(Event::Reasoning(piece)) => show.reasoning(&piece),
            Step::Event(Event::Text(piece)) => show.text(&piece)?,
            Step::Call(call) => show.line(&format!("> {} {}", call.name, call.arguments)),
            Step::Result(result) => show.line(&format!("< {}", result.content)),
            // The arguments of a call, piece by piece.
            _ => {}
        }
    }
    if let Some(last) = run.answers().last()
        && last.outcome.reason != FinishReason::EndOfGeneration
    {
        show.line(&format!(
            "[the answer ended early: {}]",
            last.outcome.reason
        ));
    }
    Ok(())
}
