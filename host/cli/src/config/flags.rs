//! The settings of models and requests on the command line, in the form that the engine uses.

use anyhow::{Result, bail};
use mynah_settings::{Operator, Reading};
use serde_json::{Value, json};

use crate::args::ServingArgs;

impl ServingArgs {
    /// The settings of the flags, and those of `--set` for settings without a given flag.
    pub(crate) fn operator(&self) -> Result<Operator> {
        Ok(self.flags.operator()?.or(&self.set()?))
    }

    /// The settings of `--set`.
    fn set(&self) -> Result<Operator> {
        let mut all = Operator::default();
        // The last one wins, as for other repeated flags.
        for set in &self.set {
            let Some((path, value)) = set.split_once('=') else {
                bail!("--set {set}: give a setting and its value, such as `top_p=0.9`");
            };
            // A value that is not JSON is text, so that it need not be quoted twice.
            let value: Value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            let mut document = value;
            for name in path.rsplit('.') {
                document = json!({ name: document });
            }
            let reading = Reading::json(document.to_string().as_bytes());
            let read = reading.for_operator(true).map_err(|error| {
                // The line and column are not those of a file.
                let told = error.problems.into_iter().map(|mut problem| {
                    problem.place = None;
                    problem.to_string()
                });
                anyhow::anyhow!("--set {set}: {}", told.collect::<Vec<_>>().join("; "))
            })?;
            all = read.operator.or(&all);
        }
        Ok(all)
    }
}
