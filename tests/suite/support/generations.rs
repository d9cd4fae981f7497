//! Starts generations in their own sessions, reads them to their end, and waits for a status.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use mynah_core::{Error, Event, Generation, Model, Outcome, Owner, Prompt, Session, Status};
use mynah_settings::Settings;

/// Opens a session with its own owner.
pub(crate) fn session(model: &Model) -> Session {
    model.session(Owner::unique()).unwrap()
}

/// A generation with its own session, which lives as long as the generation.
pub(crate) struct Running {
    generation: Generation,
    _session: Session,
}

impl Deref for Running {
    type Target = Generation;

    fn deref(&self) -> &Generation {
        &self.generation
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Generation {
        &mut self.generation
    }
}

/// Starts a generation in its own session.
pub(crate) async fn start(
    model: &Model,
    prompt: Prompt,
    settings: Settings,
) -> Result<Running, Error> {
    let mut session = session(model);
    let generation = session.start(prompt, settings).await?;
    Ok(Running {
        generation,
        _session: session,
    })
}

pub(crate) fn text(prompt: &str) -> Prompt {
    Prompt::Text(prompt.to_owned())
}

/// Reads a generation to its end.
pub(crate) async fn finish(generation: &mut Generation) -> (String, Outcome) {
    let mut answer = String::new();
    loop {
        for event in generation.next().await.unwrap() {
            match event {
                Event::Text(text) => answer.push_str(&text),
                Event::Finished(outcome) => return (answer, outcome),
                _ => {}
            }
        }
    }
}

/// Waits until the model's status is as wanted, up to a generous limit.
pub(crate) async fn until(model: &Model, wanted: impl Fn(&Status) -> bool) -> Status {
    for _ in 0..60_000 {
        let status = model.status();
        if wanted(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the status never came: {:?}", model.status());
}

pub(crate) fn is_idle(status: &Status) -> bool {
    status.queued == 0 && status.running == 0 && status.cells_used == status.cells_idle
}
