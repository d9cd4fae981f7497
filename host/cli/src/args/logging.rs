//! The flags of the log, which every command has.

use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueHint};
use mynah_engine::{LogColors, LogFormat};

/// What is logged, how, and where to.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// What is logged: a level (off, error, warn, info, debug, trace), or levels of modules and
    /// classes, such as `warn,mynah::task=info,llama_cpp=debug` [default: MYNAH_LOG, else
    /// warn,llama_cpp=off].
    #[arg(long, value_name = "FILTER", global = true)]
    pub(crate) log: Option<String>,

    /// The form of a line: human or json [default: human].
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,

    /// Colours on stderr: auto (on a terminal, unless NO_COLOR is set), always or never [default:
    /// auto].
    #[arg(long, value_name = "WHEN", global = true)]
    pub(crate) log_colors: Option<LogColors>,

    /// Begin lines with their time [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", global = true)]
    pub(crate) log_timestamps: Option<bool>,

    /// Write lines to this file too; its folder must be there [default: to stderr alone].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, global = true)]
    pub(crate) log_file: Option<String>,

    /// Size at which the file becomes an old one, and a new one is begun [default: 64MiB].
    #[arg(long, value_name = "SIZE", global = true)]
    pub(crate) log_file_size: Option<ByteSize>,

    /// Age at which it does [default: 1day].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, global = true)]
    pub(crate) log_file_age: Option<Duration>,

    /// Old files that are kept [default: 7].
    #[arg(long, value_name = "COUNT", global = true)]
    pub(crate) log_old_files: Option<u32>,

    /// Log prompts and answers too, and components' words in errors [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", global = true)]
    pub(crate) log_content: Option<bool>,
}
