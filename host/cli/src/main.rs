//! The `mynah` command: runs WebAssembly guests that use large language models. It wires engine and
//! host together and is their user interface.

#![forbid(unsafe_code)]

mod args;
mod cache;
mod config;
mod control;
mod doctor;
mod guest;
mod http;
mod inspect;
mod log_filter;
mod logging;
mod metrics;
mod mistakes;
mod models;
mod optimize;
mod output;
mod run;
mod status;
mod telemetry;
mod top;

#[cfg(not(unix))]
compile_error!(
    "the `mynah` command needs a Unix system: it is reached by Unix sockets and ended by signals"
);

use std::process::ExitCode;

use args::{Cli, Command, ConfigCommand, ModelsCommand};

fn main() -> ExitCode {
    mynah_isolate::enter(models::load_isolated);
    let cli = args::parse();
    if computes(&cli.command)
        && let Err(error) = mynah_engine::bound_waiting()
    {
        output::warning(&format!(
            "the command can't be started again with GOMP_SPINCOUNT set ({error}): set it, or \
             models are slow while other programs use the cores"
        ));
    }
    done(cli).unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::from(mistakes::exit_code(&error))
    })
}

/// Whether the command computes with a model.
fn computes(command: &Command) -> bool {
    match command {
        Command::Run(_) | Command::Models(ModelsCommand::Optimize(_)) => true,
        Command::Inspect { .. }
        | Command::Models(ModelsCommand::Inspect { .. })
        | Command::Config(_)
        | Command::Status { .. }
        | Command::Top { .. }
        | Command::Log { .. }
        | Command::Doctor
        | Command::Completions { .. } => false,
    }
}

fn done(Cli { command, log }: Cli) -> anyhow::Result<ExitCode> {
    // `mynah run` starts the log itself, after it has read the configuration, which may set it.
    let _log = match command {
        Command::Run(_) => None,
        _ => Some(logging::start(&log.settings()?)?),
    };
    match command {
        Command::Run(args) => run::run(&args, &log),
        Command::Inspect { guest } => inspect::inspect(&guest),
        Command::Models(ModelsCommand::Inspect { path }) => models::inspect(&path),
        Command::Models(ModelsCommand::Optimize(args)) => optimize::optimize(&args),
        Command::Config(ConfigCommand::Check(args)) => config::check(&args),
        Command::Config(ConfigCommand::Schema) => config::schema(),
        Command::Config(ConfigCommand::Table) => config::table(),
        Command::Status { host, json } => status::status(&host, json),
        Command::Top { host, every } => top::top(&host, every),
        Command::Log { filter, host } => log_filter::log_filter(&host, filter.as_ref()),
        Command::Doctor => doctor::doctor(),
        Command::Completions { shell } => output::completions(shell),
    }
}
