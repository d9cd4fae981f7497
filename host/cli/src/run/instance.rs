//! One instance of a guest: its store, its time, and how it ended.

use std::time::Duration;

use anyhow::anyhow;
use wasmtime::{Engine, Store};
use wasmtime_wasi::I32Exit;

use super::program::Program;
use super::state::State;
use crate::output;

/// Exit code of a trap or a time-out: 128 + SIGABRT, as shells and wasmtime have it.
const TRAP: u8 = 134;

/// An instance that hasn't begun.
pub(super) struct Instance {
    store: Store<State>,
    program: Program,
    timeout: Option<Duration>,
    /// Where there are several.
    number: Option<u32>,
}

/// How an instance ended that the host didn't fail.
enum Ended {
    Exit(i32),
    Trap(anyhow::Error),
}

impl Instance {
    pub(super) fn new(
        engine: &Engine,
        program: &Program,
        state: State,
        timeout: Option<Duration>,
        number: Option<u32>,
    ) -> Self {
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_async_yield_and_update(1);
        Self {
            store,
            program: program.clone(),
            timeout,
            number,
        }
    }

    /// Runs it to its end, and gives its exit code. A trap is told at once, so that nobody waits
    /// for the others to hear of it.
    pub(super) async fn run(self) -> u8 {
        let number = self.number;
        match self.execute().await {
            // Shells see eight bits, as of any process.
            Ended::Exit(code) => code.to_le_bytes()[0],
            Ended::Trap(error) => {
                output::error(&match number {
                    Some(number) => error.context(format!("instance {number}")),
                    None => error,
                });
                TRAP
            }
        }
    }

    async fn execute(mut self) -> Ended {
        let run = self.program.run(&mut self.store);
        let ended = match self.timeout {
            None => run.await,
            Some(limit) => match tokio::time::timeout(limit, run).await {
                Ok(ended) => ended,
                Err(_) => {
                    let limit = humantime::format_duration(limit);
                    return Ended::Trap(anyhow!(
                        "the {} did not end within {limit}: raise --timeout if it should have longer",
                        self.program.name()
                    ));
                }
            },
        };
        match ended {
            Ok(Ok(())) => Ended::Exit(0),
            Ok(Err(())) => Ended::Exit(1),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => Ended::Exit(exit.0),
                None => Ended::Trap(self.trap(&error)),
            },
        }
    }

    /// What to say about a trap: the limit that was hit, else the trap's own words without the
    /// backtrace.
    fn trap(&self, error: &wasmtime::Error) -> anyhow::Error {
        match self.store.data().limiter.refused() {
            Some(refused) => anyhow!("{refused}"),
            None => anyhow!(
                "the {} trapped: {}",
                self.program.name(),
                error.root_cause()
            ),
        }
    }
}
