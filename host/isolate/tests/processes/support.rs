//! What the tests share.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_core::testing::EchoLoader;
use mynah_core::{Error, Event, Generation, GuestLoader, Model, Outcome, Owner, Prompt, Session};
use mynah_isolate::{Identity, IsolatedLoader, Processes};
use mynah_settings::{ModelConfig, Settings};

pub(crate) fn config() -> ModelConfig {
    ModelConfig {
        max_unread_bytes: 1 << 12,
        ..ModelConfig::default()
    }
}

pub(crate) fn loader(processes: &Processes) -> IsolatedLoader {
    loader_with(processes, config())
}

pub(crate) fn loader_with(processes: &Processes, config: ModelConfig) -> IsolatedLoader {
    let backend = Identity {
        backend: "scripted",
        build: Vec::new(),
    };
    IsolatedLoader::new(Arc::new(EchoLoader), config, processes.clone(), backend).unwrap()
}

/// Loads a model of these tests.
pub(crate) fn load(what: &str) -> Result<Model, Error> {
    load_with(&Processes::default(), what)
}

pub(crate) fn load_with(processes: &Processes, what: &str) -> Result<Model, Error> {
    loader(processes).load(what.as_bytes(), Box::new(|_| ControlFlow::Continue(())))
}

/// Begins to load a model that is never loaded, and cancels that at a later look.
pub(crate) fn cancel_load(loader: &IsolatedLoader, what: &str, looks: u32) {
    let mut looked = 0;
    let loaded = loader.load(
        what.as_bytes(),
        Box::new(move |_| {
            looked += 1;
            match looked > looks {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }),
    );
    assert!(
        matches!(loaded, Err(Error::LoadCancelled { .. })),
        "{loaded:?}"
    );
    nothing_is_left();
}

pub(crate) fn scripted() -> Model {
    load("scripted").unwrap()
}

pub(crate) fn session(model: &Model) -> Session {
    model.session(Owner::named("a guest")).unwrap()
}

pub(crate) fn prompt(text: &str) -> Prompt {
    Prompt::Text(text.to_owned())
}

/// Runs a future of a test.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

pub(crate) async fn start(session: &mut Session, text: &str) -> Result<Generation, Error> {
    session.start(prompt(text), Settings::default()).await
}

/// Reads a generation to its end.
pub(crate) async fn read(mut generation: Generation) -> Result<(String, Outcome), Error> {
    let mut text = String::new();
    loop {
        for event in generation.next().await? {
            match event {
                Event::Text(piece) => text.push_str(&piece),
                Event::Finished(outcome) => return Ok((text, outcome)),
                _ => {}
            }
        }
    }
}

/// The whole answer to a prompt.
pub(crate) fn answer(model: &Model, text: &str) -> Result<String, Error> {
    wait(async {
        let mut session = model.session(Owner::named("a guest"))?;
        let generation = start(&mut session, text).await?;
        Ok(read(generation).await?.0)
    })
}

/// The processes that this one has started and that are there, zombies included.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name in brackets: the state, and the parent.
        let (_, after) = stat.rsplit_once(')')?;
        (after.split_whitespace().nth(1)? == own).then_some(pid)
    });
    all.collect()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to the only process of a model. Those of earlier tests may still be ending.
pub(crate) fn signal(name: &str) {
    until("there is one process", || children().len() == 1);
    let [child] = children()[..] else {
        panic!("{:?} are the processes", children());
    };
    let kill = std::process::Command::new("kill")
        .args([format!("-{name}"), child.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

pub(crate) fn nothing_is_left() {
    until("no process is left", || children().is_empty());
}
