//! One instance of a guest: its store, its time limit, and how it ended.

use std::time::Duration;

use anyhow::anyhow;
use wasmtime::{Engine, Store};
use wasmtime_wasi::I32Exit;

use super::backtrace;
use super::program::Program;
use super::state::State;
use crate::output;

/// Exit code of a trap or a time-out: 128 + SIGABRT, as shells and wasmtime use it.
const TRAP: u8 = 134;

/// An instance that has not started yet.
pub(super) struct Instance {
    store: Store<State>,
    program: Program,
    timeout: Option<Duration>,
    /// Set if there are several instances.
    number: Option<u32>,
}

/// How an instance ended, if the host did not fail.
enum Ended {
    Exit(i32),
    /// The error, and the guest's functions, one on a line.
    Trap(anyhow::Error, String),
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

    /// Runs the instance to its end and returns its exit code. Reports a trap at once instead of
    /// after the other instances have ended.
    pub(super) async fn run(self) -> u8 {
        let number = self.number;
        match self.execute().await {
            // Shells see eight bits of an exit code.
            Ended::Exit(code) => code.to_le_bytes()[0],
            Ended::Trap(error, functions) => {
                let error = match number {
                    Some(number) => error.context(format!("instance {number}")),
                    None => error,
                };
                output::error_in_guest(&error, &functions);
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
                    let error = anyhow!(
                        "the {} did not end within {limit}: raise --timeout if it should have \
                         longer",
                        self.program.name()
                    );
                    return Ended::Trap(error, String::new());
                }
            },
        };
        let ended = match ended {
            Ok(Ok(())) => Ended::Exit(0),
            Ok(Err(())) => Ended::Exit(1),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => Ended::Exit(exit.0),
                None => Ended::Trap(self.trap(&error), backtrace::shown(&error)),
            },
        };
        if !matches!(ended, Ended::Exit(0)) {
            self.store.data().tell_hints();
        }
        ended
    }

    /// The message about a trap: the limit that was reached, or the trap's own message.
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
