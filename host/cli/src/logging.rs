//! The host's log: to stderr, chosen with `MYNAH_LOG`, and while it runs.

use std::io::IsTerminal;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// The variable that chooses what is logged, such as `debug` or `mynah_engine=trace,llama_cpp=info`.
const VARIABLE: &str = "MYNAH_LOG";

/// What is logged without it. llama.cpp's errors reach the user in the error of whatever failed.
const DEFAULT: &str = "warn,llama_cpp=off";

/// What is logged, to be changed.
static IN_FORCE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

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
    let (filter, in_force) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    IN_FORCE.get_or_init(|| in_force);
    Ok(())
}

/// What is logged.
pub(crate) fn filter() -> String {
    let in_force = IN_FORCE.get();
    let filter = in_force.and_then(|filter| filter.with_current(EnvFilter::to_string).ok());
    filter.unwrap_or_default()
}

/// Sets what is logged from now on.
///
/// # Errors
///
/// Text that is no filter; then nothing changes.
pub(crate) fn set_filter(filter: &str) -> Result<()> {
    let wanted: EnvFilter = filter.parse().with_context(|| {
        format!("`{filter}` is not a log filter: give one such as `info` or `mynah_engine=debug`")
    })?;
    let in_force = IN_FORCE.get().context("nothing is logged yet")?;
    Ok(in_force.reload(wanted)?)
}
