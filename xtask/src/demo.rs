//! `cargo xtask demo`: from a fresh machine to a component that answers.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::process::{pass_through, say, show, step};
use crate::{guests, host, model, paths, setup};

/// The default question.
const QUESTION: &str = "Why is the sky blue? Answer in one sentence.";

/// The example that is run.
const EXAMPLE: &str = "chat";

/// How to run the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Chat instead of asking one question.
    #[arg(long)]
    interactive: bool,
    /// Questions to ask in turn, instead of the default one.
    #[arg(last = true)]
    // `cargo xtask demo -- --interactive` puts the flag behind the dashes.
    rest: Vec<String>,
}

/// Sets up, builds, and runs the chat example.
pub(crate) fn demo(args: &Args) -> Result<ExitCode> {
    setup::for_demo()?;
    step(
        "build the host (the first time takes 20 to 30 minutes)",
        host::build,
    )?;
    step("build the chat example", || guests::example(EXAMPLE))?;
    let interactive = args.interactive || args.rest.iter().any(|arg| arg == "--interactive");
    let questions: Vec<&str> = args
        .rest
        .iter()
        .map(String::as_str)
        .filter(|arg| *arg != "--interactive")
        .collect();
    let mut chat = chat()?;
    match questions.as_slice() {
        [] if interactive => &mut chat,
        [] => chat.args(["--temperature", "0", QUESTION]),
        questions => chat.args(questions),
    };
    say(&format!("==> {}", show(&chat)));
    pass_through(&mut chat)
}

/// The command that runs the chat example on the default model.
pub(crate) fn chat() -> Result<Command> {
    let model = model::default_model().context("no default model")?;
    let mut command = Command::new(paths::binary("mynah"));
    command
        .current_dir(paths::root())
        .arg("run")
        .arg("--model")
        .arg(format!("default={}", model.display()))
        .arg(guests::example_path(EXAMPLE));
    Ok(command)
}
