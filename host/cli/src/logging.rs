//! The host's log: to stderr, chosen with `MYNAH_LOG`.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// The variable that chooses what is logged, such as `debug` or `mynah_engine=trace,llama_cpp=info`.
const VARIABLE: &str = "MYNAH_LOG";

/// What is logged without it. llama.cpp's errors reach the user in the error of whatever failed.
const DEFAULT: &str = "warn,llama_cpp=off";

/// Starts logging.
pub(crate) fn start() -> Result<()> {
    let chosen = std::env::var(VARIABLE).unwrap_or_default();
    let filter = if chosen.trim().is_empty() {
        DEFAULT
    } else {
        &chosen
    };
    let filter: EnvFilter = filter.parse().with_context(|| {
        format!("{VARIABLE}=`{filter}` is not a log filter: give one such as `info` or `mynah_engine=debug`")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
