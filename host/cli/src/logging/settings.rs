//! The operator's settings of the log. The command line wins over `MYNAH_LOG`, which wins over the
//! configuration file, which wins over the default.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use mynah_settings::{
    Fault, LogColors, LogFormat, LoggingSettings, Operator, Problem, SettingsError,
};

use super::filter::LogFilter;
use crate::args::LogArgs;
use crate::mistakes::{Mistakes, usage};

/// The variable with the log filter, such as `debug` or `mynah_engine=debug,llama_cpp=info`.
const VARIABLE: &str = "MYNAH_LOG";

/// The option that sets settings without an option of their own.
const SET: &str = "--set logging";

/// The settings of the log in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub(crate) filter: LogFilter,
    pub(crate) format: LogFormat,
    pub(crate) timestamps: bool,
    pub(crate) colors: LogColors,
    pub(crate) content: bool,
    pub(crate) file: Option<LogFile>,
}

/// A file for log lines, in addition to stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    /// Size at which the file is rotated.
    pub(crate) max_bytes: u64,
    /// Age at which the file is rotated.
    pub(crate) max_age: Duration,
    /// Number of old files to keep.
    pub(crate) max_old: u32,
}

impl LogArgs {
    /// The settings of a command that reads no configuration.
    ///
    /// # Errors
    ///
    /// The filter is invalid, or a limit of the file is out of range.
    pub(crate) fn settings(&self) -> Result<LogSettings> {
        let flags = self.operator()?;
        flags.check().map_err(|SettingsError { problems }| {
            Mistakes::in_usage(problems.iter().map(ToString::to_string).collect())
        })?;
        LogSettings::new(self, flags.logging, &LoggingSettings::default())
    }

    /// The settings of the flags, without `--log`, which the configuration file has no equal of.
    ///
    /// # Errors
    ///
    /// A setting cannot hold the value of its flag.
    pub(crate) fn operator(&self) -> Result<Operator> {
        self.flags.operator()
    }
}

impl LogSettings {
    /// The settings in force. `flags` win over the variable, which wins over `file`.
    ///
    /// # Errors
    ///
    /// The filter is invalid.
    pub(crate) fn new(
        args: &LogArgs,
        flags: LoggingSettings,
        file: &LoggingSettings,
    ) -> Result<Self> {
        let variable = std::env::var(VARIABLE).unwrap_or_default();
        let filter = chosen(args.log.as_ref(), &flags, &variable, file)?;
        let all = flags.or(file).with_defaults();
        Ok(Self {
            filter,
            format: all.format,
            timestamps: all.timestamps,
            colors: all.colors,
            content: all.content,
            file: all.file.map(|path| LogFile {
                path: path.into(),
                max_bytes: all.max_file_bytes,
                max_age: all.max_file_age,
                max_old: all.max_old_files,
            }),
        })
    }

    /// Whether lines on stderr have colours.
    pub(super) fn has_colors(&self) -> bool {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        self.colored(
            std::io::stderr().is_terminal(),
            variable("NO_COLOR").is_some(),
            variable("TERM").is_some_and(|kind| kind == "dumb"),
        )
    }

    fn colored(&self, is_terminal: bool, none_wanted: bool, is_dumb: bool) -> bool {
        let wanted = match self.colors {
            LogColors::Always => true,
            LogColors::Never => false,
            LogColors::Auto => is_terminal && !none_wanted && !is_dumb,
        };
        wanted && self.format == LogFormat::Human
    }
}

/// The filter of the first source that sets one: `--log`, `--set`, the variable, the file.
fn chosen(
    flag: Option<&LogFilter>,
    flags: &LoggingSettings,
    variable: &str,
    file: &LoggingSettings,
) -> Result<LogFilter> {
    if let Some(filter) = flag {
        return Ok(filter.clone());
    }
    let set = flags.directives();
    let variable = Some(variable).filter(|text| !text.trim().is_empty());
    let said = file.directives();
    let all = [
        (set.as_deref(), SET),
        (variable, VARIABLE),
        (said.as_deref(), "logging"),
    ];
    match all.into_iter().find_map(|(text, who)| Some((text?, who))) {
        Some((text, who)) => text.parse().map_err(|told| match who {
            SET => usage(format_args!("{who}: {told}")),
            _ => anyhow!("{who}: {told}"),
        }),
        None => Ok(LogFilter::default()),
    }
}

/// The problem with the filter of a configuration file, if it is invalid. The reader of the file
/// cannot check it, because it does not know the targets of log lines.
pub(crate) fn wrong_filter(settings: &LoggingSettings) -> Option<Problem> {
    let reason = settings.filter.as_deref()?.parse::<LogFilter>().err()?;
    Some(Problem {
        path: "logging.filter".to_owned(),
        place: None,
        fault: Fault::Unreadable { reason },
    })
}

#[cfg(test)]
mod tests {
    use mynah_settings::LogLevel;

    use super::*;

    #[test]
    fn the_command_line_wins_over_the_variable_and_that_over_the_file() {
        let level = |level| LoggingSettings {
            level: Some(level),
            ..LoggingSettings::default()
        };
        let (set, file) = (level(LogLevel::Info), level(LogLevel::Error));
        let none = LoggingSettings::default();
        let of = |flag, set: &LoggingSettings, variable, file: &LoggingSettings| {
            chosen(flag, set, variable, file).unwrap().to_string()
        };
        let flag: LogFilter = "trace".parse().unwrap();
        assert_eq!(of(Some(&flag), &set, "debug", &file), "trace,llama_cpp=off");
        assert_eq!(of(None, &set, "debug", &file), "info,llama_cpp=off");
        assert_eq!(of(None, &none, "debug", &file), "debug,llama_cpp=off");
        assert_eq!(of(None, &none, " ", &file), "error,llama_cpp=off");
        assert_eq!(of(None, &none, "", &none), "warn,llama_cpp=off");
        let named = LoggingSettings {
            filter: Some("llama_cpp=info".to_owned()),
            ..level(LogLevel::Info)
        };
        assert_eq!(of(None, &none, "", &named), "info,llama_cpp=info");
        let told = format!(
            "{:#}",
            chosen(None, &none, "mynah=loud", &file).unwrap_err()
        );
        assert!(told.starts_with("MYNAH_LOG: `loud` is no level"), "{told}");
    }

    #[test]
    fn a_filter_of_the_file_that_is_none_is_a_problem_of_the_file() {
        let filter = |text: &str| LoggingSettings {
            filter: Some(text.to_owned()),
            ..LoggingSettings::default()
        };
        assert_eq!(wrong_filter(&LoggingSettings::default()), None);
        assert_eq!(wrong_filter(&filter("mynah::task=info")), None);
        let told = wrong_filter(&filter("mynah::tsak=info"))
            .unwrap()
            .to_string();
        assert!(
            told.starts_with("`logging.filter`: nothing is logged as `mynah::tsak`: did you mean"),
            "{told}"
        );
    }

    #[test]
    fn colours_that_are_asked_for_are_there_and_else_only_on_a_terminal() {
        let colors = |colors| LogSettings {
            filter: LogFilter::default(),
            format: LogFormat::Human,
            timestamps: true,
            colors,
            content: false,
            file: None,
        };
        assert!(colors(LogColors::Always).colored(false, false, false));
        assert!(!colors(LogColors::Never).colored(true, false, false));
        let auto = colors(LogColors::Auto);
        assert!(auto.colored(true, false, false));
        assert!(!auto.colored(false, false, false), "no terminal");
        assert!(!auto.colored(true, true, false), "NO_COLOR");
        assert!(!auto.colored(true, false, true), "a dumb one");
        let json = LogSettings {
            format: LogFormat::Json,
            ..colors(LogColors::Always)
        };
        assert!(
            !json.colored(true, false, false),
            "nobody reads colours from JSON"
        );
    }
}
