//! The flags of the log, which all commands share.

use clap::Args;

use super::flags::SettingFlags;
use crate::logging::LogFilter;

/// What is logged, in which format, and to which file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// What to log: a level (off, error, warn, info, debug, trace), or levels by module and class,
    /// such as `warn,mynah::task=info`. Lines of llama.cpp are left out unless `llama_cpp` has a
    /// level [default: MYNAH_LOG, else warn].
    ///
    /// `mynah --help` has the other options of the log: its format, a file, and more.
    #[arg(long, value_name = "FILTER", global = true)]
    pub(crate) log: Option<LogFilter>,

    #[command(flatten)]
    pub(crate) flags: SettingFlags<true>,
}
