//! Models of every architecture that llama.cpp knows, whole and damaged. A whole one answers, a
//! damaged one answers or is refused, and none ends the process, hangs or exhausts the host.
//!
//! The models are used in a process of their own, many after each other: this program again, with
//! the folder of its work in the environment. If that process ends, the damage is the last one that
//! it noted.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mynah_core::Event;
use mynah_engine::model::GgufLoader;
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::greedy;
use mynah_tests::tiny_model::{Damage, TinyArchitecture};

use crate::support::generations::{session, start, text};

/// Number of damages to try: all of them take an hour.
const DAMAGES: &str = "MYNAH_TEST_DAMAGES";
const DEFAULT_DAMAGES: usize = 400;
/// The folder of a process that uses the models. Such a process reads the file `todo`, and adds a
/// line to the file `done` for each model.
const WORK: &str = "MYNAH_TEST_DAMAGES_WORK";
/// The longest time for one model, which takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A model to use: an architecture, and the number of a damage of it.
type Case = (usize, Option<usize>);

fn cases(count: usize) -> Vec<Case> {
    let architectures = TinyArchitecture::all();
    let damages: Vec<Case> = architectures
        .iter()
        .enumerate()
        .flat_map(|(number, one)| (0..one.damages().len()).map(move |at| (number, Some(at))))
        .collect();
    let step = (damages.len() / count.max(1)).max(1);
    damages.into_iter().step_by(step).collect()
}

/// What happened with a model: `answered`, `refused: ..`, or `ended` if the process did not
/// survive.
fn used(cases: &[Case]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let done = folder.path().join("done");
    let mut results = Vec::new();
    while results.len() < cases.len() {
        let rest = cases[results.len()..].iter();
        let rest = rest.map(|(architecture, damage)| match damage {
            Some(damage) => format!("{architecture} {damage}\n"),
            None => format!("{architecture} whole\n"),
        });
        std::fs::write(folder.path().join("todo"), rest.collect::<String>()).unwrap();
        std::fs::write(&done, "").unwrap();
        let status = watched(folder.path(), &done);
        let text = std::fs::read_to_string(&done).unwrap();
        let before = results.len();
        results.extend(text.lines().map(str::to_owned));
        if results.len() < cases.len() {
            results.push(format!("ended: {status}"));
        }
        assert!(results.len() > before, "no progress: {status}");
    }
    results
}

/// Runs the process until it ends, or for too long without progress.
fn watched(folder: &Path, done: &Path) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::damaged::no_damage_ends_the_host"])
        .args(["--nocapture", "--test-threads", "1"])
        .env(WORK, folder)
        .env("GGML_NO_BACKTRACE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let size = || std::fs::metadata(done).map_or(0, |found| found.len());
    let (mut seen, mut since) = (size(), Instant::now());
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.to_string();
        }
        if size() != seen {
            (seen, since) = (size(), Instant::now());
        }
        if since.elapsed() > PATIENCE {
            return stopped(&mut child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stopped(child: &mut Child) -> String {
    child.kill().unwrap();
    child.wait().unwrap();
    format!("nothing for {PATIENCE:?}")
}

/// Uses the models of the folder's list. This is what runs in the process of its own.
async fn work(folder: PathBuf) {
    let architectures = TinyArchitecture::all();
    let todo = std::fs::read_to_string(folder.join("todo")).unwrap();
    let mut results = String::new();
    for line in todo.lines() {
        let (architecture, damage) = line.split_once(' ').unwrap();
        let architecture = &architectures[architecture.parse::<usize>().unwrap()];
        let damage = damage.parse::<usize>().ok();
        let damage = damage.and_then(|at| architecture.damages().into_iter().nth(at));
        let result = match answer(architecture, damage.as_ref(), &folder).await {
            Ok(()) => "answered".to_owned(),
            Err(reason) => format!("refused: {}", reason.replace('\n', " ")),
        };
        results.push_str(&result);
        results.push('\n');
        std::fs::write(folder.join("done"), &results).unwrap();
    }
}

/// Loads a model, generates some tokens, and computes a vector.
async fn answer(
    architecture: &TinyArchitecture,
    damage: Option<&Damage>,
    folder: &Path,
) -> Result<(), String> {
    let path = folder.join("model.gguf");
    // A new file: the old one may still be mapped.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, architecture.damaged(damage)).map_err(|error| error.to_string())?;
    let config = ModelConfig {
        ctx_size: Some(64),
        max_concurrent: 1,
        threads: Some(1),
        ..ModelConfig::default()
    };
    let model = mynah_engine::load(&path, config, |_| {}).map_err(|error| error.to_string())?;
    match start(&model, text("the word"), greedy(2)).await {
        // Random weights can overflow, which is an error of the request.
        Ok(mut running) => loop {
            let events = running.next().await.map_err(|error| error.to_string())?;
            if events
                .iter()
                .any(|event| matches!(event, Event::Finished(_)))
            {
                break;
            }
        },
        // A model that only has vectors.
        Err(mynah_core::Error::VectorsOnly { .. }) => {}
        Err(error) => return Err(error.to_string()),
    }
    let mut session = session(&model);
    let vectors = session
        .embed(&[text("the word")], Settings::default())
        .await;
    match vectors {
        Ok(_) | Err(mynah_core::Error::NoVectors { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn described(case: &Case) -> String {
    let architecture = &TinyArchitecture::all()[case.0];
    let damage = case.1.map(|at| architecture.damages()[at].to_string());
    let damage = damage.unwrap_or_else(|| "whole".to_owned());
    format!("{}, {damage}", architecture.name)
}

/// Whether a whole model ends so: with an answer, or with one of two errors. `t5encoder` is refused
/// by name, and the random weights of `rwkv7` and `arwkv7` can overflow.
fn is_expected(result: &str) -> bool {
    result == "answered"
        || result.contains("needs an encoder and a decoder")
        || result.contains("the logits have no finite value")
}

#[test]
fn every_architecture_answers() {
    let count = TinyArchitecture::all().len();
    let cases: Vec<Case> = (0..count).map(|number| (number, None)).collect();
    let results = used(&cases);
    let wrong: Vec<String> = cases
        .iter()
        .zip(&results)
        .filter(|(_, result)| !is_expected(result))
        .map(|(case, result)| format!("{}: {result}", described(case)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 130, "{count} architectures");
}

#[tokio::test]
async fn no_damage_ends_the_host() {
    if let Some(folder) = std::env::var_os(WORK) {
        work(folder.into()).await;
        return;
    }
    let count = std::env::var(DAMAGES).ok();
    let count = count.map_or(DEFAULT_DAMAGES, |count| count.parse().unwrap());
    let cases = cases(count);
    let results = used(&cases);
    let ended: Vec<String> = cases
        .iter()
        .zip(&results)
        .filter(|(_, result)| result.starts_with("ended"))
        .map(|(case, result)| format!("{}: {result}", described(case)))
        .collect();
    assert!(ended.is_empty(), "{ended:#?}");
    // Some damages do not matter, most do.
    let refused = results.iter().filter(|one| one.starts_with("refused"));
    assert!(refused.count() > cases.len() / 2, "{results:#?}");
}

/// A guest's own model is checked in the same way.
#[test]
fn bytes_are_checked_as_files_are() {
    let all = TinyArchitecture::all();
    let falcon = all.iter().find(|one| one.name == "falcon-h1").unwrap();
    let damage = Damage::Key {
        key: "falcon-h1.ssm.group_count".to_owned(),
        value: Some(mynah_tests::tiny_model::TinyValue::Number(0)),
    };
    let damaged = falcon.damaged(Some(&damage));
    let loaded = mynah_core::GuestLoader::load(
        &GgufLoader::default(),
        &damaged,
        Box::new(|_| std::ops::ControlFlow::Continue(())),
    );
    let refusal = loaded.unwrap_err().to_string();
    assert!(refusal.contains("ssm.group_count"), "{refusal}");
}
