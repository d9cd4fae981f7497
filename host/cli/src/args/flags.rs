//! The flags of settings, generated from the declarations of the settings ([`Flag`]).

use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use bytesize::ByteSize;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};
use mynah_settings::{Flag, FlagForm, FlagValue, Operator};

use super::values;
use crate::mistakes::Mistakes;

/// The section whose flags exist in every command.
const LOGGING: &str = "logging";

/// The end of the names of flags that have their unit in the name.
const IN_BYTES: &str = "bytes";

/// The given flags of settings: with `LOG` those of the log, which exist in every command,
/// otherwise those of models and requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettingFlags<const LOG: bool>(Vec<(Flag, FlagValue)>);

impl<const LOG: bool> SettingFlags<LOG> {
    /// The settings of these flags.
    ///
    /// # Errors
    ///
    /// All values that their settings can't hold.
    pub(crate) fn operator(&self) -> Result<Operator> {
        let mut operator = Operator::default();
        let mut wrong = Vec::new();
        for (flag, value) in &self.0 {
            if let Err(told) = flag.set(&mut operator, value.clone()) {
                wrong.push(format!("--{} {}: {told}", flag.name(), shown(value)));
            }
        }
        if wrong.is_empty() {
            Ok(operator)
        } else {
            Err(Mistakes::in_usage(wrong))
        }
    }

    /// The flags for clap, which exist in subcommands too with `LOG`.
    pub(super) fn args() -> impl Iterator<Item = Arg> {
        Self::flags().map(|flag| arg(flag).global(LOG))
    }

    fn flags() -> impl Iterator<Item = Flag> {
        let is_here = |flag: &Flag| (flag.section() == LOGGING) == LOG;
        Flag::all().into_iter().filter(is_here)
    }
}

impl<const LOG: bool> Args for SettingFlags<LOG> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::args())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const LOG: bool> FromArgMatches for SettingFlags<LOG> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: Flag| Some((flag, value(flag, matches)?));
        Ok(Self(Self::flags().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn arg(flag: Flag) -> Arg {
    let arg = Arg::new(flag.name())
        .long(flag.name())
        .value_name(flag.value_name())
        .help(help(flag));
    let arg = match flag.form() {
        FlagForm::Whole | FlagForm::Signed => arg.value_parser(number::<i64>(flag)),
        FlagForm::Number => arg.value_parser(number::<f32>(flag)),
        FlagForm::Size if flag.name().ends_with(IN_BYTES) => arg.value_parser(bytes),
        FlagForm::Size => arg.value_parser(values::size),
        FlagForm::Duration => arg.value_parser(values::duration),
        FlagForm::Switch => arg.value_parser(value_parser!(bool)),
        FlagForm::Text => {
            arg.value_parser(move |text: &str| flag.check(text).map(|()| text.to_owned()))
        }
        FlagForm::Texts => arg
            .value_parser(value_parser!(String))
            .action(ArgAction::Append)
            .allow_hyphen_values(true),
    };
    let arg = match flag.form() {
        FlagForm::Whole
        | FlagForm::Signed
        | FlagForm::Number
        | FlagForm::Size
        | FlagForm::Duration => arg.allow_negative_numbers(true),
        FlagForm::Switch | FlagForm::Text | FlagForm::Texts => arg,
    };
    let arg = match flag.value_name() {
        "FILE" => arg.value_hint(ValueHint::FilePath),
        _ => arg,
    };
    match flag.alone() {
        Some(alone) => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(alone),
        None => arg,
    }
}

/// Parses a number. The error says which ones the setting takes. Its range is checked later, with
/// those of all other flags.
fn number<T: FromStr>(flag: Flag) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        text.parse().map_err(|_| {
            let told = flag.check(text).err();
            told.unwrap_or_else(|| "give a number".to_owned())
        })
    }
}

/// Parses a size of a flag whose name has the unit: a number alone is bytes.
fn bytes(text: &str) -> Result<ByteSize, String> {
    match text.parse() {
        Ok(bytes) => Ok(ByteSize(bytes)),
        Err(_) => values::size(text),
    }
}

/// The help of a flag with its default. The flag itself has no default in clap: without the flag,
/// the configuration file decides.
fn help(flag: Flag) -> String {
    let help = flag.help();
    let Some(default) = flag.default().filter(|_| !help.contains("[default: ")) else {
        return help.to_owned();
    };
    let default = match (flag.form(), default.as_u64(), default.as_str()) {
        (FlagForm::Texts, ..) => return help.to_owned(),
        (FlagForm::Size, Some(bytes), _) => ByteSize(bytes).display().iec().to_string(),
        (FlagForm::Duration, Some(millis), _) => {
            humantime::format_duration(Duration::from_millis(millis)).to_string()
        }
        (_, _, Some(text)) => text.to_owned(),
        _ => default.to_string(),
    };
    format!("{help} [default: {default}]")
}

/// The value of a flag, if it was given.
fn value(flag: Flag, matches: &ArgMatches) -> Option<FlagValue> {
    let name = flag.name();
    Some(match flag.form() {
        FlagForm::Whole | FlagForm::Signed => FlagValue::Whole(*matches.get_one(name)?),
        FlagForm::Number => FlagValue::Number(*matches.get_one(name)?),
        FlagForm::Size => FlagValue::Size(matches.get_one::<ByteSize>(name)?.as_u64()),
        FlagForm::Duration => FlagValue::Duration(*matches.get_one(name)?),
        FlagForm::Switch => FlagValue::Switch(*matches.get_one(name)?),
        FlagForm::Text => FlagValue::Text(matches.get_one::<String>(name)?.clone()),
        FlagForm::Texts => FlagValue::Texts(matches.get_many(name)?.cloned().collect()),
    })
}

/// The value in words, for a message.
fn shown(value: &FlagValue) -> String {
    match value {
        FlagValue::Whole(whole) => whole.to_string(),
        FlagValue::Number(number) => number.to_string(),
        FlagValue::Size(bytes) => bytes.to_string(),
        FlagValue::Duration(time) => humantime::format_duration(*time).to_string(),
        FlagValue::Switch(is_on) => is_on.to_string(),
        FlagValue::Text(text) => text.clone(),
        FlagValue::Texts(texts) => texts.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use mynah_settings::Reading;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        serving: SettingFlags<false>,
        #[command(flatten)]
        log: SettingFlags<true>,
    }

    /// The settings of a command line, one by one.
    fn set(flags: &[&str]) -> Vec<String> {
        let line = Line::try_parse_from([&["mynah"], flags].concat()).unwrap();
        let log = line.log.operator().unwrap();
        let all = log.or(&line.serving.operator().unwrap()).in_force();
        all.into_iter()
            .map(|setting| format!("{}={}", setting.path, setting.value))
            .collect()
    }

    /// A value of a flag that is not its default.
    fn another(flag: Flag) -> String {
        match flag.form() {
            FlagForm::Whole | FlagForm::Signed => "77".to_owned(),
            FlagForm::Number => "0.25".to_owned(),
            FlagForm::Size => "3MiB".to_owned(),
            FlagForm::Duration => "77s".to_owned(),
            FlagForm::Switch => (flag.default() != Some(true.into())).to_string(),
            FlagForm::Texts => "--".to_owned(),
            FlagForm::Text => {
                // The error lists the names. Without a list, any text is allowed.
                let told = flag.check("no such name").err().unwrap_or_default();
                let names = told.split("one of ").nth(1).unwrap_or("x.log");
                let names = names.split(", ").map(str::to_owned);
                let is_other = |name: &String| flag.default() != Some(name.clone().into());
                names.into_iter().find(is_other).unwrap()
            }
        }
    }

    #[test]
    fn every_flag_sets_one_setting() {
        let before = set(&[]);
        for flag in Flag::all() {
            let given = format!("--{}={}", flag.name(), another(flag));
            let after = set(&[&given]);
            let changed: Vec<&String> = after.iter().filter(|one| !before.contains(one)).collect();
            assert_eq!(changed.len(), 1, "{given}: {changed:?}");
        }
    }

    #[test]
    fn the_help_ends_with_the_default_where_that_is_a_value() {
        let help_of = |name: &str| {
            let flag = Flag::all().into_iter().find(|flag| flag.name() == name);
            help(flag.unwrap())
        };
        for (name, end) in [
            ("queue-timeout", "[default: 30s]"),
            ("max-parked-bytes", "[default: 1.0 GiB]"),
            ("share-prefixes", "[default: false]"),
            ("kv-layout", "[default: auto]"),
            ("temperature", "[default: 0.8]"),
            ("threads", "[default: all cores]"),
            ("stop", "more than once"),
        ] {
            assert!(help_of(name).ends_with(end), "{}", help_of(name));
        }
    }

    /// Newcomer 19, and case M5: what a flag of any form says to a number that it does not take.
    #[test]
    fn every_flag_takes_a_number_or_says_what_it_takes() {
        for flag in Flag::all() {
            let form = flag.form();
            let numbers: &[&str] = match form {
                FlagForm::Whole | FlagForm::Signed | FlagForm::Number => {
                    &["-1", "-2", "-3.5", "many", "99999999999999999999"]
                }
                FlagForm::Size | FlagForm::Duration => &["-1", "64", "1.5", "many", "1 potato"],
                FlagForm::Switch | FlagForm::Text | FlagForm::Texts => continue,
            };
            for text in numbers {
                let name = format!("--{}", flag.name());
                let line = [&name, *text];
                let line = if flag.alone().is_some() {
                    vec![format!("{name}={text}")]
                } else {
                    line.map(str::to_owned).into()
                };
                let line = [&["mynah".to_owned()], &line[..]].concat();
                let told = match Line::try_parse_from(&line) {
                    Err(error) => error.to_string(),
                    Ok(line) => {
                        let log = line.log.operator().and_then(|log| Ok(log.check()?));
                        let serving = line.serving.operator().and_then(|all| Ok(all.check()?));
                        match log.and(serving) {
                            Ok(()) => continue,
                            Err(error) => error.to_string(),
                        }
                    }
                };
                let says = ["give ", "must be ", "a size ", "a duration "];
                assert!(
                    says.iter().any(|words| told.contains(words)),
                    "{line:?}: {told}"
                );
            }
            let bare = Line::try_parse_from(["mynah".into(), format!("--{}=64", flag.name())]);
            let is_in_bytes = flag.name().ends_with("bytes");
            match form {
                FlagForm::Size => assert_eq!(bare.is_ok(), is_in_bytes, "{}", flag.name()),
                FlagForm::Duration => assert!(bare.is_err(), "{}", flag.name()),
                _ => {}
            }
        }
    }

    /// Case M5.
    #[test]
    fn a_flag_takes_minus_one_where_the_setting_does() {
        for (flag, path) in [
            ("--max-tokens", "max_tokens"),
            ("--seed", "seed"),
            ("--n-gpu-layers", "n_gpu_layers"),
        ] {
            let given = Line::try_parse_from(["mynah", flag, "-1"]).unwrap();
            let document = format!("{{\"{path}\": -1}}");
            let read = Reading::json(document.as_bytes())
                .for_operator(true)
                .unwrap();
            assert_eq!(given.serving.operator().unwrap(), read.operator, "{flag}");
        }
    }

    #[test]
    fn a_number_that_a_setting_cannot_hold_is_refused_with_what_to_give() {
        let line = Line::try_parse_from(["mynah", "--seed", "-7"]).unwrap();
        let told = line.serving.operator().unwrap_err().to_string();
        assert_eq!(
            told,
            "--seed -7: give a whole number from 0 to 4294967294, or -1 (random)"
        );
    }
}
