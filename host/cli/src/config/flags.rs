//! The settings of models and requests on the command line, in the form that the engine uses.

use anyhow::Result;
use mynah_settings::{Operator, Reading};
use serde_json::{Value, json};

use crate::args::ServingArgs;
use crate::mistakes::{self, Mistakes};

impl ServingArgs {
    /// The settings of the flags, and those of `--set` for settings without a given flag.
    pub(crate) fn operator(&self) -> Result<Operator> {
        match (self.flags.operator(), self.set()) {
            (Ok(flags), Ok(set)) => Ok(flags.or(&set)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(flags), Err(set)) => {
                let lines = [flags, set].iter().flat_map(mistakes::lines).collect();
                Err(Mistakes::in_usage(lines))
            }
        }
    }

    /// The settings of `--set`.
    fn set(&self) -> Result<Operator> {
        let mut all = Operator::default();
        let mut wrong = Vec::new();
        // The last one wins, as for other repeated flags.
        for set in &self.set {
            let Some((path, value)) = set.split_once('=') else {
                wrong.push(format!(
                    "--set {set}: give a setting and its value, such as `top_p=0.9`"
                ));
                continue;
            };
            // A value that is not JSON is text, so that it need not be quoted twice.
            let value: Value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            let mut document = value;
            for name in path.rsplit('.') {
                document = json!({ name: document });
            }
            let reading = Reading::json(document.to_string().as_bytes());
            match reading.for_operator(true) {
                Ok(read) => all = read.operator.or(&all),
                Err(error) => wrong.extend(error.problems.into_iter().map(|mut problem| {
                    // The line and column are not those of a file.
                    problem.place = None;
                    format!("--set {set}: {problem}")
                })),
            }
        }
        if wrong.is_empty() {
            Ok(all)
        } else {
            Err(Mistakes::in_usage(wrong))
        }
    }
}
