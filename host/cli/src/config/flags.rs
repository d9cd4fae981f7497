//! What the command line says about models and text, as the engine has it.

use anyhow::{Result, bail};
use mynah_settings::{Operator, Reading};
use serde_json::{Value, json};

use crate::args::ServingArgs;

impl ServingArgs {
    /// What the flags set: those of their own, and where they say nothing, `--set`.
    pub(crate) fn operator(&self) -> Result<Operator> {
        Ok(self.flags.operator()?.or(&self.set()?))
    }

    /// What `--set` says.
    fn set(&self) -> Result<Operator> {
        let mut all = Operator::default();
        // The last one wins, as of flags that are given twice elsewhere.
        for set in &self.set {
            let Some((path, value)) = set.split_once('=') else {
                bail!("--set {set}: give a setting and its value, such as `top_p=0.9`");
            };
            // What isn't JSON is text, so that nobody has to quote a word twice.
            let value: Value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            let mut document = value;
            for name in path.rsplit('.') {
                document = json!({ name: document });
            }
            let reading = Reading::json(document.to_string().as_bytes());
            let read = reading.for_operator(true).map_err(|error| {
                // Its line and column are those of no file.
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
