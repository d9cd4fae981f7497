//! Calls `wasi_ephemeral_nn` with arbitrary arguments over a real memory, for fuzzing.
//!
//! The input is a script with one step per line, so that a seed is readable:
//!
//! ```text
//! text 64 default                 writes a text at an address
//! numbers 128 64 7                writes numbers at an address
//! tensor 128 512 Once upon a time writes a text at the second address, its tensor at the first
//! model 128 4096                  writes a model at the second address, its pointer at the first
//! load_by_name 64 7 16            calls a function; each number stands for its lowest 32 bits
//! lenient                         on the first line: treats a buffer of length 0 as unbounded
//! ```
//!
//! Lines that cannot be parsed are skipped, and missing arguments are 0.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mynah_core::Model;
use mynah_settings::ModelConfig;
use mynah_wasi::{GuestModels, Limits, LlmCtx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

use crate::core_driver::{Driver, FUNCTIONS};
use crate::guest_models;
use crate::tiny_model::TinyModel;
use crate::{greedy, tiny_with};

/// Maximum number of steps in a script.
const MAX_STEPS: usize = 256;
/// Possible results of a function.
const ANSWERS: [u32; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 102, 103];
/// Results that the checks refer to.
const SUCCESS: u32 = 0;
const INVALID_ARGUMENT: u32 = 1;
const TOO_LARGE: u32 = 7;

/// Runs a script.
///
/// # Panics
///
/// A promise is broken: a call traps, returns an unknown result, changes a byte outside the range
/// that it may write, reuses a handle or accepts a dead one, or something is left after the module
/// is gone.
#[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
pub fn ephemeral(script: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&String::from_utf8_lossy(script)));
}

/// Small limits that a script can reach.
fn config() -> ModelConfig {
    ModelConfig {
        ctx_size: Some(64),
        max_concurrent: 2,
        max_sessions: 8,
        max_prompt_bytes: 4096,
        defaults: greedy(8),
        ..ModelConfig::default()
    }
}

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| tiny_with(config()))
}

/// The model that a module loads from bytes.
fn model_bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let smallest = TinyModel {
            context_length: 64,
            embedding: 16,
            layers: 1,
            ..TinyModel::default()
        };
        smallest.bytes()
    })
}

async fn run(script: &str) {
    let mut lines = script.lines().take(MAX_STEPS).peekable();
    let lenient = lines.next_if_eq(&"lenient").is_some();
    let grant = LlmCtx::builder()
        .model("default", model().clone())
        .guest_models(GuestModels {
            max_bytes: 1 << 20,
            max_models: 1,
            ..guest_models(config())
        })
        .limits(Limits {
            max_tensor_bytes: 4096,
            max_graphs: 4,
            max_contexts: 6,
        })
        .stdout(MemoryOutputPipe::new(1 << 20))
        .lenient_output_size(lenient);
    let mut module = Hostile {
        driver: Driver::new(grant).await,
        graphs: Handles::default(),
        contexts: Handles::default(),
        lenient,
    };
    for line in lines {
        module.step(line).await;
    }
    drop(module);
    nothing_is_left().await;
}

/// Waits until the model holds nothing of the module.
#[expect(clippy::panic, reason = "test code, outside a #[test]")]
async fn nothing_is_left() {
    let begun = Instant::now();
    loop {
        let status = model().status();
        if status.sessions == 0 && status.running == 0 && status.queued == 0 {
            return;
        }
        if begun.elapsed() > Duration::from_secs(30) {
            panic!("something is left: {status:?}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Handles of one kind.
#[derive(Debug, Default)]
struct Handles {
    live: BTreeSet<u32>,
    highest: Option<u32>,
}

impl Handles {
    fn has(&self, handle: u32) -> bool {
        self.live.contains(&handle)
    }

    /// Records a new handle, which must be higher than all before.
    fn given(&mut self, handle: u32) {
        assert!(
            self.highest < Some(handle),
            "handle {handle} after {:?}",
            self.highest
        );
        self.highest = Some(handle);
        self.live.insert(handle);
    }
}

struct Hostile {
    driver: Driver,
    graphs: Handles,
    contexts: Handles,
    lenient: bool,
}

impl Hostile {
    async fn step(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "text" => {
                let (at, text) = rest.split_once(' ').unwrap_or((rest, ""));
                self.put(number(at), text.as_bytes());
            }
            "numbers" => {
                let mut numbers = rest.split(' ').map(number);
                let at = numbers.next().unwrap_or(0);
                let numbers: Vec<u32> = numbers.collect();
                self.put_numbers(at, &numbers);
            }
            "tensor" => {
                let (at, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let (at, to) = (number(at), number(to));
                self.put(to, text.as_bytes());
                self.put_numbers(
                    at,
                    &[at.wrapping_add(20), 1, 3, to, length(text.as_bytes()), 1],
                );
            }
            "model" => {
                let (at, to) = rest.split_once(' ').unwrap_or((rest, ""));
                let (at, to) = (number(at), number(to));
                self.put(to, model_bytes());
                self.put_numbers(at, &[to, length(model_bytes())]);
            }
            _ => {
                let found = FUNCTIONS.iter().find(|(name, _)| *name == word);
                if let Some((function, parameters)) = found {
                    let mut given = rest.split(' ').map(number);
                    let mut arguments = [0; 5];
                    for argument in &mut arguments {
                        *argument = given.next().unwrap_or(0);
                    }
                    self.call(function, arguments, *parameters).await;
                }
            }
        }
    }

    /// Writes as much of the bytes as fits into the memory.
    fn put(&mut self, at: u32, bytes: &[u8]) {
        let memory = self.driver.memory_mut();
        let room = memory.get_mut(at as usize..).unwrap_or_default();
        for (byte, new) in room.iter_mut().zip(bytes) {
            *byte = *new;
        }
    }

    fn put_numbers(&mut self, at: u32, numbers: &[u32]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|one| one.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    /// Calls a function and checks its effects.
    async fn call(&mut self, function: &str, arguments: [u32; 5], parameters: usize) {
        let before = self.driver.memory().to_vec();
        let (given, _) = arguments.split_at(parameters);
        let answer = self.driver.call(function, given).await;
        let called = format!("{function}{given:?} = {answer}");
        assert!(ANSWERS.contains(&answer), "{called}");
        let after = self.driver.memory();
        assert_eq!(before.len(), after.len(), "{called}");
        let written = places(function, arguments, answer, after, self.lenient);
        let changed = before.iter().zip(after).enumerate();
        let mut changed = changed.filter(|(_, (before, after))| before != after);
        if let Some((at, _)) =
            changed.find(|(at, _)| !written.iter().any(|place| place.contains(at)))
        {
            panic_with(&called, at, &written);
        }
        self.handles(function, arguments, answer, &called);
    }

    /// Updates the live handles and checks that the result fits them.
    fn handles(&mut self, function: &str, arguments: [u32; 5], answer: u32, called: &str) {
        let [first, second, third, _, fifth] = arguments;
        let place = |driver: &mut Driver, at: u32| driver.number(at);
        match function {
            "load" | "load_by_name" | "load_by_name_with_config" if answer == SUCCESS => {
                let at = if function == "load_by_name" {
                    third
                } else {
                    fifth
                };
                let graph = place(&mut self.driver, at);
                // Loading a model again by name returns the same handle.
                if function == "load" || !self.graphs.has(graph) {
                    self.graphs.given(graph);
                }
            }
            "init_execution_context" if answer == SUCCESS => {
                assert!(self.graphs.has(first), "{called}: the graph is dead");
                let context = place(&mut self.driver, second);
                self.contexts.given(context);
            }
            "init_execution_context" if !self.graphs.has(first) => {
                assert_eq!(answer, INVALID_ARGUMENT, "{called}: the graph is dead");
            }
            "load" | "load_by_name" | "load_by_name_with_config" | "init_execution_context" => {}
            "unload" => {
                let was_live = self.graphs.live.remove(&first);
                assert_eq!(answer, u32::from(!was_live), "{called}");
            }
            "finalize_execution_context" => {
                let was_live = self.contexts.live.remove(&first);
                assert_eq!(answer, u32::from(!was_live), "{called}");
            }
            _ if !self.contexts.has(first) => {
                assert_eq!(answer, INVALID_ARGUMENT, "{called}: the context is dead");
            }
            "fini_single" => assert_eq!(answer, SUCCESS, "{called}"),
            _ => {}
        }
    }
}

#[expect(clippy::panic, reason = "test code, outside a #[test]")]
fn panic_with(called: &str, at: usize, written: &[Range<usize>]) -> ! {
    panic!("{called} changes byte {at}, it may write {written:?}");
}

/// The ranges that a call may have written, given its result.
fn places(
    function: &str,
    arguments: [u32; 5],
    answer: u32,
    memory: &[u8],
    lenient: bool,
) -> Vec<Range<usize>> {
    let [_, second, third, fourth, fifth] = arguments;
    let of = |at: u32, bytes: u32| at as usize..at as usize + bytes as usize;
    match (function, answer) {
        ("load" | "load_by_name_with_config", SUCCESS) => vec![of(fifth, 4)],
        ("load_by_name", SUCCESS) => vec![of(third, 4)],
        ("init_execution_context", SUCCESS) => vec![of(second, 4)],
        ("get_output" | "get_output_single", SUCCESS) => {
            let size = memory.get(of(fifth, 4)).map(|bytes| {
                let mut size = [0; 4];
                size.copy_from_slice(bytes);
                u32::from_le_bytes(size)
            });
            let size = size.unwrap_or(0);
            let is_free = lenient && fourth == 0;
            assert!(
                size <= fourth || is_free,
                "{size} bytes in a buffer of {fourth}"
            );
            vec![of(third, size), of(fifth, 4)]
        }
        ("get_output" | "get_output_single", TOO_LARGE) => vec![of(fifth, 4)],
        _ => Vec::new(),
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Parses a number: the lowest 32 bits of any whole number, or 0.
fn number(text: &str) -> u32 {
    let number: i64 = text.trim().parse().unwrap_or(0);
    u32::try_from(number.rem_euclid(1 << 32)).unwrap_or(0)
}
