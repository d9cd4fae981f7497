//! The flags of the log, which all commands share.

use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueHint};
use mynah_engine::{LogColors, LogFormat};

/// What is logged, in which format, and to which file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// What to log: a level (off, error, warn, info, debug, trace), or levels by module and class,
    /// such as `warn,mynah::task=info,llama_cpp=debug` [default: MYNAH_LOG, else
    /// warn,llama_cpp=off].
    #[arg(long, value_name = "FILTER", global = true)]
    pub(crate) log: Option<String>,

    /// Format of the log lines: human or json [default: human].
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,

    /// Colours on stderr: auto (on a terminal, unless NO_COLOR is set), always or never [default:
    /// auto].
    #[arg(long, value_name = "WHEN", global = true)]
    pub(crate) log_colors: Option<LogColors>,

    /// Begin each line with the time [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", global = true)]
    pub(crate) log_timestamps: Option<bool>,

    /// Also write log lines to this file; its folder must exist [default: only stderr].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, global = true)]
    pub(crate) log_file: Option<String>,

    /// Size at which the log file is rotated [default: 64MiB].
    #[arg(long, value_name = "SIZE", global = true)]
    pub(crate) log_file_size: Option<ByteSize>,

    /// Age at which the log file is rotated [default: 1day].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, global = true)]
    pub(crate) log_file_age: Option<Duration>,

    /// Number of old log files to keep [default: 7].
    #[arg(long, value_name = "COUNT", global = true)]
    pub(crate) log_old_files: Option<u32>,

    /// Also log prompts and answers, and error messages from components [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", global = true)]
    pub(crate) log_content: Option<bool>,
}
