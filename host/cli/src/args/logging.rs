//! The flags of the log, which all commands share.

use clap::Args;

use super::flags::SettingFlags;

/// What is logged, in which format, and to which file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// What to log: a level (off, error, warn, info, debug, trace), or levels by module and class,
    /// such as `warn,mynah::task=info,llama_cpp=debug` [default: MYNAH_LOG, else
    /// warn,llama_cpp=off].
    #[arg(long, value_name = "FILTER", global = true)]
    pub(crate) log: Option<String>,

    #[command(flatten)]
    pub(crate) flags: SettingFlags<true>,
}
