//! Hints for the operator when a guest has failed: which models are granted, and which options went
//! to the guest.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::args::{RunArgs, run_options};
use crate::config::RunSettings;
use crate::output;

/// What to say if the guest fails. Clones share whether it was said.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    models: String,
    misplaced: Option<String>,
    is_told: Arc<AtomicBool>,
}

impl Hints {
    pub(super) fn new(args: &RunArgs, settings: &RunSettings) -> Self {
        let names: Vec<String> = settings
            .models
            .iter()
            .map(|model| model.name.clone())
            .collect();
        Self {
            models: models(&names, args.guest()),
            misplaced: misplaced(args.arguments(), &run_options()),
            is_told: Arc::default(),
        }
    }

    /// Prints the hints, once. `unknown_model` says whether the guest asked for a model that it was
    /// not granted.
    pub(super) fn tell(&self, unknown_model: bool) {
        let models = unknown_model.then_some(&self.models);
        let hints: Vec<&String> = models.into_iter().chain(&self.misplaced).collect();
        if hints.is_empty() || self.is_told.swap(true, Ordering::Relaxed) {
            return;
        }
        for hint in hints {
            output::note(&format!("hint: {hint}"));
        }
    }
}

/// Which models are granted. The name that the guest asked for is the guest's text.
fn models(granted: &[String], guest: &Path) -> String {
    let guest = guest.display();
    if granted.is_empty() {
        return format!(
            "the guest asked for a model, and none is granted: give one before the guest, `mynah \
             run --model NAME=PATH {guest}`"
        );
    }
    let names: Vec<String> = granted.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "the guest asked for a model by a name that is not granted. Granted: {}",
        names.join(", ")
    )
}

/// Options of `mynah run` among the guest's arguments. The first argument is the guest.
fn misplaced(arguments: &[String], options: &[String]) -> Option<String> {
    let (guest, rest) = arguments.split_first()?;
    let mut found: Vec<String> = Vec::new();
    for argument in rest.iter().take_while(|argument| *argument != "--") {
        let name = argument.strip_prefix("--").unwrap_or_default();
        let name = name.split('=').next().unwrap_or_default();
        let shown = format!("`--{name}`");
        if options.iter().any(|option| option == name) && !found.contains(&shown) {
            found.push(shown);
        }
    }
    (!found.is_empty()).then(|| {
        format!(
            "the guest got {} as arguments: options of `mynah run` stand before {guest}",
            found.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// Newcomer 11.
    #[test]
    fn options_of_the_run_among_the_guests_arguments_are_named_once() {
        let told = |line: &str| misplaced(&texts(line), &texts("model dir timeout"));
        let hint = told("a.wasm --model d=x --dir=a::b --model e=y --top 3").unwrap();
        assert!(hint.contains("`--model` and `--dir`"), "{hint}");
        assert!(hint.ends_with("stand before a.wasm"), "{hint}");
        for line in [
            "a.wasm",
            "a.wasm -- --model d=x",
            "a.wasm --models x",
            "a.wasm model",
            "",
        ] {
            assert_eq!(told(line), None, "{line}");
        }
    }

    /// Newcomer 12.
    #[test]
    fn the_granted_names_are_listed_or_the_option_is_shown() {
        let hint = models(&texts("defualt other"), Path::new("a.wasm"));
        assert!(hint.ends_with("Granted: `defualt`, `other`"), "{hint}");
        let none = models(&[], Path::new("a.wasm"));
        assert!(
            none.contains("mynah run --model NAME=PATH a.wasm"),
            "{none}"
        );
    }
}
