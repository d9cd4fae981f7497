//! The command line as clap sees it, and hints about unknown options.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use mynah_settings::{Flag, closest};

use super::Cli;
use super::flags::SettingFlags;

/// Parses the command line. Exits with help, the version or a usage error.
pub(crate) fn parse() -> Cli {
    let mut command = command();
    let line: Vec<_> = std::env::args_os().collect();
    let parsed = command
        .try_get_matches_from_mut(&line)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| {
        let words = line.iter().skip(1).filter_map(|word| word.to_str());
        hinted(error, &command, words).exit()
    })
}

/// The command line. The help of `mynah` has all options of the log; the help of each command has
/// `--log` alone.
fn command() -> clap::Command {
    fn brief(command: clap::Command) -> clap::Command {
        let command = command.mut_subcommands(brief);
        command.args(SettingFlags::<true>::args().map(|arg| arg.hide(true)))
    }
    Cli::command().mut_subcommands(brief)
}

/// The options of `mynah run` that a guest does not usually have too: all but those that set what a
/// request can set. Without hyphens.
pub(crate) fn run_options() -> Vec<String> {
    let of_requests = |name: &str| {
        let mut flags = Flag::all().into_iter();
        flags.any(|flag| {
            let section = flag.section();
            flag.name() == name && !["model", "backend", "logging"].contains(&section)
        })
    };
    let command = Cli::command();
    let run = command.find_subcommand("run");
    // The options of the log are those of `mynah`.
    let commands = run.into_iter().chain([&command]);
    let options = commands.flat_map(clap::Command::get_arguments);
    let names = options.filter_map(clap::Arg::get_long);
    names
        .filter(|name| !of_requests(name))
        .map(str::to_owned)
        .collect()
}

/// The error with a hint about an unknown option: the option that was probably meant. clap's advice
/// to write `--` is wrong here, because the guest's file ends the options.
fn hinted<'a>(
    mut error: clap::Error,
    command: &clap::Command,
    words: impl Iterator<Item = &'a str>,
) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let given = given.trim_start_matches('-').to_owned();
    let command = words.fold(command, |here, word| {
        here.find_subcommand(word).unwrap_or(here)
    });
    let meant = meant(&given, command);
    error.remove(ContextKind::Suggested);
    if !meant.is_empty() {
        error.insert(ContextKind::SuggestedArg, ContextValue::Strings(meant));
    }
    error
}

/// The options whose names have a word that begins as given, or else the most similar one.
fn meant(given: &str, command: &clap::Command) -> Vec<String> {
    let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let names: Vec<&str> = arguments.filter_map(clap::Arg::get_long).collect();
    let has_word =
        |name: &&&str| given.len() >= 3 && name.split('-').any(|word| word.starts_with(given));
    let mut meant: Vec<&str> = names.iter().filter(has_word).copied().collect();
    if meant.is_empty() {
        meant.extend(closest(given, &names));
    }
    meant.into_iter().map(|name| format!("--{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> String {
        let mut command = command();
        let line = [&["mynah"], words].concat();
        let error = command.try_get_matches_from_mut(line).unwrap_err();
        hinted(error, &command, words.iter().copied()).to_string()
    }

    #[test]
    fn the_command_line_with_hidden_options_is_well_formed() {
        command().debug_assert();
    }

    /// Newcomer 20.
    #[test]
    fn an_option_that_is_cut_short_or_misspelt_is_recognised() {
        for (given, meant) in [
            ("--mem", "--max-memory"),
            ("--mem=5", "--max-memory"),
            ("--treads", "--threads"),
            ("--modle", "--model"),
            ("--log-fil", "--log"),
        ] {
            let told = told(&["run", given, "5", "x.wasm"]);
            assert!(told.contains("unexpected argument"), "{told}");
            assert!(told.contains(meant), "`{meant}` in: {told}");
            assert!(!told.contains("as a value"), "{told}");
        }
        let other = told(&["run", "--frobnicate", "x.wasm"]);
        assert!(!other.contains("tip:"), "{other}");
        assert!(told(&["models", "optimize", "--thread", "2"]).contains("--threads"));
    }

    /// Newcomer 15.
    #[test]
    fn the_help_of_run_begins_with_the_guest_and_has_one_option_of_the_log() {
        let mut command = command();
        let top = command.render_long_help().to_string();
        command.build();
        let run = command.find_subcommand_mut("run").unwrap();
        let help = run.render_long_help().to_string();
        let at = |words: &str| {
            help.find(words)
                .unwrap_or_else(|| panic!("{words}: {help}"))
        };
        assert!(at("GUEST") < at("--model <NAME=PATH>") && at("Arguments:") < at("Options:"));
        assert!(at("Everything after the file") < at("Options:"));
        for flag in SettingFlags::<true>::args() {
            let name = format!("--{} ", flag.get_long().unwrap());
            assert!(top.contains(name.trim()), "{name}");
            assert!(!help.contains(&name), "{name}");
        }
        assert!(at("--log <FILTER>") > at("Log:") && help.contains("mynah --help"));
    }

    #[test]
    fn options_of_the_log_are_taken_before_and_after_the_command() {
        for line in [
            ["mynah", "--log-format", "json", "doctor"],
            ["mynah", "doctor", "--log-format", "json"],
        ] {
            let matches = command().try_get_matches_from(line).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            let settings = cli.log.settings().unwrap();
            assert_eq!(settings.format, mynah_settings::LogFormat::Json, "{line:?}");
        }
    }

    #[test]
    fn options_that_guests_share_are_not_among_those_of_the_run() {
        let options = run_options();
        for name in ["model", "dir", "threads", "log-file", "set"] {
            assert!(options.iter().any(|option| option == name), "{name}");
        }
        for name in ["temperature", "max-tokens", "seed"] {
            assert!(!options.iter().any(|option| option == name), "{name}");
        }
    }
}
