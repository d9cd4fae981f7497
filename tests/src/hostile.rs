//! A core module that calls `wasi_ephemeral_nn` with arguments that nobody thought of, over a real
//! memory: what fuzzing does.
//!
//! What it does is a script, a line a step, so that a seed can be read:
//!
//! ```text
//! text 64 default                 puts a text at an address
//! numbers 128 64 7                puts numbers at an address
//! tensor 128 512 Once upon a time puts a text at the second address, and at the first a tensor that is it
//! model 128 4096                  puts a model's bytes at the second address, and at the first where they are
//! load_by_name 64 7 16            calls a function; numbers are taken for what their lowest 32 bits are
//! lenient                         on the first line: takes a buffer of length 0 for one without a bound
//! ```
//!
//! What can't be read is left out, and arguments that aren't there are 0.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mynah_engine::{Model, ModelConfig};
use mynah_wasi::{GuestModels, Limits, LlmCtx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

use crate::core_driver::{Driver, FUNCTIONS};
use crate::tiny_model::TinyModel;
use crate::{greedy, tiny_with};

/// Steps of a script at most.
const MAX_STEPS: usize = 256;
/// Numbers that are answered.
const ANSWERS: [u32; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 102, 103];
/// Those that the checks are about.
const SUCCESS: u32 = 0;
const INVALID_ARGUMENT: u32 = 1;
const TOO_LARGE: u32 = 7;

/// Runs a script.
///
/// # Panics
///
/// When a promise is broken: a trap, an answer that there isn't, a byte that changes outside of
/// what the call may write, a handle that is used again or that works when it is dead, or something
/// that is left when the module is gone.
#[expect(clippy::expect_used, reason = "test code, outside a #[test]")]
pub fn ephemeral(script: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&String::from_utf8_lossy(script)));
}

/// What is small enough to be filled by a script.
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

/// A model that a module brings itself.
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
            config: config(),
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

/// Waits until the model has nothing of a module's.
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

    /// A handle that was given, which none before had been.
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

    /// Puts what there is room for into the memory.
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

    /// Calls a function and looks at what that did.
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

    /// What handles are live, and whether the answer goes with that.
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
                // What is loaded already has a name.
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

/// Where a call may write, after it has answered.
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

/// A number, or 0: of any whole number its lowest 32 bits.
fn number(text: &str) -> u32 {
    let number: i64 = text.trim().parse().unwrap_or(0);
    u32::try_from(number.rem_euclid(1 << 32)).unwrap_or(0)
}
