//! States on disk, on the real models: after a restart, also after the process was killed while
//! writing, a conversation continues with the text that it would have had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mynah_core::{Conversation, DiskStatus, Message, Model, Owner, Prompt, Role, Session};
use mynah_engine::EngineError;
use mynah_settings::{KvType, ModelConfig, Settings};
use mynah_tests::engine_error;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, gemma_path, greedy, model_path, tiny_with};

use crate::support::command::{mynah, run};
use crate::support::generations::{finish, text, until};

/// About two hundred words, different for each number.
fn story(number: u32) -> String {
    let lines =
        (1..=25).map(|line| format!("In year {number} the parrot {line} flew over the sea."));
    lines.collect::<Vec<_>>().join(" ")
}

fn config(state_dir: &Path) -> ModelConfig {
    ModelConfig {
        ctx_size: Some(1024),
        max_concurrent: 2,
        state_dir: Some(state_dir.to_owned()),
        defaults: greedy(16),
        ..ModelConfig::default()
    }
}

fn deterministic() -> Settings {
    let mut settings = Settings::default();
    settings.scheduling.deterministic = Some(true);
    settings
}

fn disk(model: &Model) -> DiskStatus {
    model.status().disk.expect("no state folder")
}

fn states(root: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
    let files = files.flatten().map(|file| file.path());
    files.filter(|file| !file.ends_with("lock")).collect()
}

#[tokio::test]
async fn a_conversation_goes_on_after_a_restart_as_if_there_had_been_none() {
    let q8 = |config: ModelConfig| ModelConfig {
        kv_type: KvType::Q8_0,
        compress_parked: true,
        ..config
    };
    let windowed = |config: ModelConfig| ModelConfig {
        swa_full: false,
        ..config
    };
    type Change<'a> = &'a dyn Fn(ModelConfig) -> ModelConfig;
    let cases: [(PathBuf, Change<'_>); 4] = [
        (model_path(), &|config| config),
        (model_path(), &q8),
        (gemma_path(), &|config| config),
        (gemma_path(), &windowed),
    ];
    for (path, change) in cases {
        let root = tempfile::tempdir().unwrap();
        let load = || mynah_engine::load(&path, change(config(root.path())), |_| {}).unwrap();
        let mut messages = vec![Message::new(Role::User, story(1))];
        let mut answers = Vec::new();
        let mut whole = Vec::new();
        for turn in 0..3 {
            // Each turn loads the model again.
            let model = load();
            let owner = Owner::named("ann");
            let mut session = model.session(owner.clone()).unwrap();
            let prompt = || Prompt::Messages(Conversation::from(messages.clone()));
            let mut generation = session.start(prompt(), deterministic()).await.unwrap();
            let (answer, outcome) = finish(&mut generation).await;
            let usage = outcome.usage;
            if turn > 0 {
                assert_eq!(disk(&model).read, 1);
                // A deterministic request reuses whole batches of the earlier prompt. With a
                // sliding window, only the whole saved state is usable.
                assert!(usage.cached_tokens >= 64, "{}: {usage:?}", path.display());
            }
            let mut cold = deterministic();
            cold.memory.cache_prompt = Some(false);
            let mut stranger = model.session(Owner::unique()).unwrap();
            let (alone, _) = finish(&mut stranger.start(prompt(), cold).await.unwrap()).await;
            assert_eq!(answer, alone, "{}, turn {turn}", path.display());
            answers.push(answer.clone());
            whole.push(alone);
            messages.push(Message::new(Role::Assistant, answer));
            messages.push(Message::new(Role::User, "And what did the others see?"));
        }
        assert_eq!(answers, whole);
    }
}

/// A restart removes the same messages as before, so the rest is found.
#[tokio::test]
async fn a_conversation_that_outgrew_its_context_goes_on_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let load = || {
        let config = ModelConfig {
            ctx_size: Some(512),
            max_concurrent: 1,
            ..config(root.path())
        };
        mynah_engine::load(&model_path(), config, |_| {}).unwrap()
    };
    let mut settings = greedy(16);
    settings.memory.context_shifting = Some(true);
    let mut messages = vec![Message::new(Role::System, "You are a parrot.")];
    let mut say = async |session: &mut Session, turn: u32| {
        let question = format!("{turn}: {}", story(turn).split_at(200).0);
        messages.push(Message::new(Role::User, question));
        let prompt = Prompt::Messages(Conversation::from(messages.clone()));
        let (answer, outcome) =
            finish(&mut session.start(prompt, settings.clone()).await.unwrap()).await;
        messages.push(Message::new(Role::Assistant, answer));
        outcome.usage
    };
    let owner = || Owner::named("ann");
    let model = load();
    let mut session = model.session(owner()).unwrap();
    let mut forgot = 0;
    for turn in 0..14 {
        forgot += u32::from(say(&mut session, turn).await.forgotten_tokens > 0);
    }
    assert!(forgot > 1, "{forgot}");
    drop((session, model));
    let mut found = 0;
    for turn in 14..17 {
        let model = load();
        let mut session = model.session(owner()).unwrap();
        let usage = say(&mut session, turn).await;
        found += u32::from(usage.cached_tokens * 2 > usage.prompt_tokens);
    }
    // Once, one more message may have to be removed.
    assert!(found >= 2, "{found}");
}

#[tokio::test]
async fn states_of_other_cells_are_not_taken() {
    let root = tempfile::tempdir().unwrap();
    let ask = async |config: ModelConfig| {
        let model = mynah_engine::load(&model_path(), config, |_| {}).unwrap();
        let mut session = model.session(Owner::named("ann")).unwrap();
        let mut generation = session
            .start(text(&story(1)), Settings::default())
            .await
            .unwrap();
        finish(&mut generation).await.1.usage.cached_tokens
    };
    assert_eq!(ask(config(root.path())).await, 0);
    let other = ModelConfig {
        kv_type: KvType::Q8_0,
        ..config(root.path())
    };
    assert_eq!(ask(other).await, 0);
    // llama.cpp restores a state only with the same number of streams.
    let other = ModelConfig {
        max_concurrent: 3,
        ..config(root.path())
    };
    assert_eq!(ask(other).await, 0);
    assert!(ask(config(root.path())).await > 100);
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_done_without_until_it_is_free() {
    let root = tempfile::tempdir().unwrap();
    let config = || ModelConfig {
        state_dir: Some(root.path().to_owned()),
        defaults: greedy(4),
        ..ModelConfig::default()
    };
    let first = tiny_with(config());
    let model = mynah_engine::load(&model_path(), config(), |_| {}).unwrap();
    // Another model has another folder.
    assert!(disk(&model).max_bytes > 0);
    let second = mynah_engine::load(&model_path(), config(), |_| {}).unwrap();
    assert_eq!(second.status().disk, None);
    drop(model);
    until(&second, |status| status.disk.is_some()).await;
    drop((first, second));
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let config = ModelConfig {
        state_dir: Some(file),
        ..config()
    };
    let error = mynah_engine::load(&model_path(), config, |_| {}).unwrap_err();
    let own = engine_error(&error);
    assert!(
        matches!(own, Some(EngineError::StateFolder { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("state_dir"), "{error}");
}

/// A component with many requests, in its own process.
fn start(root: &Path, prompts: &Path) -> Child {
    let model = format!("default={}", model_path().display());
    let folder = format!("{}::/in", prompts.parent().unwrap().display());
    let example = cargo_component_wasm("batch");
    Command::new(mynah())
        .args(["run", "--no-config", "--owner", "ann", "--ctx-size", "1024"])
        .args(["--max-concurrent", "2", "--max-tokens", "2"])
        .args(["--store-after", "1ms", "--queue-timeout", "10m"])
        .args(["--model", &model, "--dir", &folder])
        .arg("--state-dir")
        .arg(root)
        .arg(example)
        .arg("/in/prompts")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_writes_loses_at_most_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts");
    let lines: Vec<String> = (0..6).map(story).collect();
    fs::write(&prompts, lines.join("\n")).unwrap();
    let is_partial = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "partial");
    let mut interrupted = 0;
    // Kills at two or more moments, until one of them was during a write.
    for kills_after in [0, 2, 1, 0, 3, 1, 2, 0] {
        let root = tempfile::tempdir().unwrap();
        let mut process = start(root.path(), &prompts);
        let begun = Instant::now();
        loop {
            let there = states(root.path());
            let whole = there.iter().filter(|path| !is_partial(path)).count();
            if whole >= kills_after && there.iter().any(is_partial) {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(300),
                "nothing is written"
            );
            // The process was faster and has ended with everything written.
            if process.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::yield_now();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        let there = states(root.path());
        let whole = there.iter().filter(|path| !is_partial(path)).count();
        let left = there.len() - whole;

        let model = mynah_engine::load(&model_path(), config(root.path()), |_| {}).unwrap();
        let status = until(&model, |status| status.disk.is_some()).await;
        let status = status.disk.unwrap();
        assert_eq!(status.damaged, 0, "{status:?}");
        assert_eq!(status.interrupted, left as u64, "{status:?}");
        interrupted += left;
        // Complete states are usable.
        let owner = Owner::named("ann");
        let mut found = 0;
        for line in &lines {
            let mut session = model.session(owner.clone()).unwrap();
            let mut generation = session.start(text(line), greedy(2)).await.unwrap();
            let (_, outcome) = finish(&mut generation).await;
            found += usize::from(outcome.usage.cached_tokens > 200);
        }
        assert_eq!(found, whole);
        if interrupted > 0 && kills_after > 0 {
            break;
        }
    }
    assert!(interrupted > 0, "no process was killed while it wrote");
}

#[test]
fn a_start_after_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    let root = folder.path().join("states");
    let states_in = root.display().to_string();
    let component = cargo_component_wasm("chat").display().to_string();
    let start = || {
        let options = ["run", "--no-config", "--model", &model, "--max-tokens", "4"];
        let state_dir = ["--owner", "ann", "--state-dir", &states_in];
        let long = "a long message to a parrot, ".repeat(4);
        let said = run(&[&options[..], &state_dir, &[&component, &long]].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.stderr
    };
    let said = start();
    assert!(!said.contains("lost"), "{said}");
    let state = states(&root).pop().expect("nothing was written");
    let partial = state.with_extension("partial");
    fs::copy(&state, &partial).unwrap();
    let said = start();
    assert!(
        said.contains("this state was being written when the process ended: it is lost"),
        "{said}"
    );
    assert!(!partial.exists());
}
