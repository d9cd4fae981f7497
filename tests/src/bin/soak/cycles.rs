//! Loads, uses, unloads and replaces models repeatedly.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use mynah_core::{Owner, Prompt};
use mynah_engine::LocalModel;
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::tiny_model::TinyModel;

use crate::memory::Memories;

/// Number of cycles, including the warm-up.
const CYCLES: u64 = 300;

/// Cycles in which memory may grow. The old model is freed while a thread reads the new one, and
/// how far the two overlap determines the maximum size of the heap. In a test, a thousand cycles
/// after these stayed flat.
const WARM_UP: u64 = 200;

/// Runs the cycles and compares the process's memory. `most` is the maximum growth.
pub(crate) async fn run(most: f64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let paths = [1, 2].map(|seed| (seed, folder.path().join(format!("{seed}.gguf"))));
    for (seed, path) in &paths {
        let tiny = TinyModel {
            seed: *seed,
            ..TinyModel::default()
        };
        tiny.write_to(path)?;
    }
    let config = ModelConfig {
        threads: Some(1),
        defaults: Settings::greedy(),
        ..ModelConfig::default()
    };
    let local = LocalModel::load(&paths[0].1, config.clone(), |_| {})?;
    let model = local.clone().into_model();
    let mut session = model.session(Owner::unique())?;
    let mut memories = Memories::default();
    for cycle in 0..CYCLES {
        let [(_, first), (_, second)] = &paths;
        match cycle % 3 {
            0 => ensure!(model.unload(), "cycle {cycle}: the model is still in use"),
            1 => local.replace(second, config.clone(), |_| {})?,
            _ => local.replace(first, config.clone(), |_| {})?,
        }
        let prompt = || Prompt::Text("a parrot that comes and goes".to_owned());
        session.ready().await?;
        let mut generation = session.start(prompt(), Settings::default()).await?;
        while !generation.next().await?.is_empty() {}
        drop(generation);
        session.embed(&[prompt()], Settings::default()).await?;
        // Each cycle counts as one second.
        memories.note(Duration::from_secs(cycle));
    }
    say!("{CYCLES} models were loaded and unloaded");
    memories.check(Duration::from_secs(WARM_UP), most)
}
