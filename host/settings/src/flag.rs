//! The flags of the command line, from the declarations of the settings.
//!
//! A setting's declaration names its flag. The command makes its flags from [`Flag::all`], and
//! passes their values back through [`Flag::set`].

use serde_json::Value as Json;

use super::block::KeyInfo;
use super::flag_value::{FlagForm, FlagInfo, FlagValue};
use super::serving::Operator;

/// A command line flag that sets a setting.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    info: &'static FlagInfo,
    key: &'static KeyInfo,
    section: &'static str,
    /// Index of the block in [`Operator::blocks`], and of the key in the block.
    at: (usize, usize),
}

impl Flag {
    /// All flags, in the declaration order of their settings: those of a request, then the
    /// operator's.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (block_index, block) in Operator::default().blocks().into_iter().enumerate() {
            for index in 0..block.len() {
                let key = block.info(index);
                let Some((key, info)) = key.and_then(|key| Some((key, key.flag.as_ref()?))) else {
                    continue;
                };
                all.push(Self {
                    info,
                    key,
                    section: block.section(),
                    at: (block_index, index),
                });
            }
        }
        all
    }

    /// The name, without leading hyphens.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.info.name
    }

    /// The placeholder of the value in the help.
    #[must_use]
    pub fn value_name(&self) -> &'static str {
        self.info.value_name
    }

    /// What it does. The text contains the default if [`default`](Self::default) returns none.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.info.help
    }

    /// The syntax of the value.
    #[must_use]
    pub fn form(&self) -> FlagForm {
        (self.info.form)()
    }

    /// The value of the flag without a value. `None` if it needs one.
    #[must_use]
    pub fn alone(&self) -> Option<&'static str> {
        let is_switch = self.form() == FlagForm::Switch;
        self.info.alone.or(is_switch.then_some("true"))
    }

    /// The section of the setting.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.section
    }

    /// The default of its setting, if that is a value.
    #[must_use]
    pub fn default(&self) -> Option<Json> {
        (self.key.default)().ok()
    }

    /// Checks a text as its value.
    ///
    /// # Errors
    ///
    /// Why the text is not a value, and which values are allowed.
    pub fn check(&self, text: &str) -> Result<(), String> {
        (self.info.check)(text.to_owned())
    }

    /// Sets its setting. [`Operator::check`] checks the range.
    ///
    /// # Errors
    ///
    /// The allowed values, if the setting cannot hold this one.
    pub fn set(&self, operator: &mut Operator, value: FlagValue) -> Result<(), String> {
        let (block, index) = self.at;
        let mut blocks = operator.blocks_mut();
        match blocks.get_mut(block) {
            Some(block) => block.give(index, value),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Quantisation, Seed, Target};

    fn set(name: &str, value: FlagValue) -> Result<Operator, String> {
        let flag = Flag::all().into_iter().find(|flag| flag.name() == name);
        let mut operator = Operator::default();
        flag.unwrap().set(&mut operator, value)?;
        Ok(operator)
    }

    #[test]
    fn a_flag_sets_its_setting_and_no_other() {
        let half_a_second = Duration::from_millis(500);
        let said = set("queue-timeout", FlagValue::Duration(half_a_second)).unwrap();
        let mut expected = Operator::default();
        expected.backend.default_task_timeout = Some(half_a_second);
        assert_eq!(said, expected);
        let said = set("optimize", FlagValue::Text("Q8_0".to_owned())).unwrap();
        let target = Target::To(Quantisation::Q8_0);
        assert_eq!(said.model.optimize, Some(target));
        let seed = |value| set("seed", FlagValue::Whole(value)).map(|said| said.settings.sampling);
        assert_eq!(seed(-1).unwrap().seed, Some(Seed::Random));
        assert_eq!(seed(7).unwrap().seed, Some(Seed::Fixed(7)));
        let told = seed(-2).unwrap_err();
        assert!(told.contains("give a whole number from 0"), "{told}");
        let all = set("n-gpu-layers", FlagValue::Whole(-1)).unwrap();
        assert_eq!(all.model.n_gpu_layers, Some(u32::MAX));
    }

    #[test]
    fn no_two_settings_have_the_same_flag() {
        let mut names: Vec<&str> = Flag::all().iter().map(Flag::name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_default_is_said_by_the_declaration_or_by_the_help() {
        for flag in Flag::all() {
            let says = flag.help().contains("[default: ");
            assert!(
                !says || flag.default().is_none() || flag.form() == FlagForm::Signed,
                "--{}: its default would be said twice",
                flag.name()
            );
            assert!(!flag.help().ends_with('.'), "--{}", flag.name());
        }
    }

    #[test]
    fn a_flag_tells_what_its_declaration_says() {
        let of = |name| {
            Flag::all()
                .into_iter()
                .find(|flag| flag.name() == name)
                .unwrap()
        };
        let timeout = of("queue-timeout");
        assert_eq!(
            (timeout.section(), timeout.value_name()),
            ("backend", "DURATION")
        );
        assert_eq!(
            (timeout.form(), timeout.alone()),
            (FlagForm::Duration, None)
        );
        let temperature = of("temperature");
        assert_eq!(
            (temperature.section(), temperature.form()),
            ("sampling", FlagForm::Number)
        );
        let default = temperature.default().unwrap();
        assert_eq!(default, serde_json::json!(0.8));
        assert_eq!(of("max-time").default(), None);
        // A switch without a value is on, and some flags say what they are then.
        assert_eq!(of("deterministic").alone(), Some("true"));
        assert_eq!(of("optimize").alone(), Some("auto"));
        assert!(of("seed").help().starts_with("Seed, if"));
        of("priority").check("high").unwrap();
        let told = of("priority").check("higher").unwrap_err();
        assert!(told.contains("`higher` is no priority"), "{told}");
    }

    #[test]
    fn flags_are_in_the_order_of_their_declarations() {
        let mut sections: Vec<&str> = Flag::all().iter().map(Flag::section).collect();
        sections.dedup();
        let all = [
            "sampling",
            "stopping",
            "memory",
            "scheduling",
            "model",
            "backend",
            "logging",
        ];
        assert_eq!(sections, all);
    }
}
