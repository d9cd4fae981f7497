//! What the command line says about models and text, as the engine has it.

use anyhow::{Context, Result, bail};
use mynah_engine::{
    BackendSettings, Memory, ModelSettings, Operator, Reading, Sampling, Scheduling, Seed,
    Settings, Stopping,
};
use serde_json::{Value, json};

use crate::args::ServingArgs;

impl ServingArgs {
    /// What the flags set: those of their own, and where they say nothing, `--set`.
    pub(super) fn operator(&self) -> Result<Operator> {
        let seed = match self.seed {
            None => None,
            Some(-1) => Some(Seed::Random),
            Some(seed) => Some(Seed::from(u32::try_from(seed).with_context(|| {
                format!(
                    "--seed {seed}: give a number from 0 to {}, or -1 (random)",
                    u32::MAX - 1
                )
            })?)),
        };
        let n_gpu_layers = match self.n_gpu_layers {
            None => None,
            Some(-1) => Some(u32::MAX),
            Some(count) => Some(u32::try_from(count).with_context(|| {
                format!("--n-gpu-layers {count}: give a number of layers, or -1 (all)")
            })?),
        };
        let flags = Operator {
            settings: Settings {
                sampling: Sampling {
                    temperature: self.temperature,
                    seed,
                    ..Sampling::default()
                },
                stopping: Stopping {
                    max_tokens: self.max_tokens,
                    max_time: self.max_time,
                    stop: (!self.stop.is_empty()).then(|| self.stop.clone()),
                    ..Stopping::default()
                },
                scheduling: Scheduling {
                    priority: self.priority,
                    // The model's own time-out is the flag's.
                    queue_timeout: None,
                    deterministic: self.deterministic,
                },
                memory: Memory {
                    context_shifting: self.context_shifting,
                    ..Memory::default()
                },
                ..Settings::default()
            },
            model: ModelSettings {
                ctx_size: self.ctx_size,
                batch_size: self.batch_size,
                threads: self.threads,
                keep_alive: self.keep_alive,
                n_gpu_layers,
                kv_cells: self.kv_cells,
                kv_layout: self.kv_layout,
                kv_type: self.kv_type,
                chat_template: self.chat_template,
                optimize: self.optimize,
                ..ModelSettings::default()
            },
            backend: BackendSettings {
                max_concurrent: self.max_concurrent,
                queue_size: self.queue_size,
                max_sessions: self.max_sessions,
                idle_timeout: self.idle_timeout,
                share_prefixes: self.share_prefixes,
                default_task_timeout: self.queue_timeout,
                ageing: self.ageing,
                max_parked_bytes: self.max_parked_bytes.map(|size| size.as_u64()),
                max_process_bytes: self.max_process_bytes.map(|size| size.as_u64()),
                compress_parked: self.compress_parked,
                max_state_bytes: self.max_state_bytes.map(|size| size.as_u64()),
                store_after: self.store_after,
                max_prompt_bytes: self.max_prompt_bytes,
                max_unread_bytes: self.max_unread_bytes,
                ..BackendSettings::default()
            },
            // The log's flags are every command's.
            ..Operator::default()
        };
        Ok(flags.or(&self.set()?))
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
