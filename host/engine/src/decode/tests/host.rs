//! Shared by the tests of the loop: a loop on a thread of its own, requests, and readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mynah_core::{
    Error, Event, MemoryUse, ModelInfo, Observer, Outcome, Owner, PressureLevel, RequestLog,
    Status, StreamWriter, Task, TextStream, TokenId,
};
use mynah_grammar::Grammars;
use mynah_llama::{Ability, ContextParams};
use mynah_schedule::SessionLimits;
use mynah_settings::{
    KvType, Memory, ModelConfig, OutputForm, Priority, Scheduling, Settings, Stopping,
};

use super::known::{Faults, Known, KnownVectors, answer};
use super::letters::Letters;
use crate::decode::DiskCacheParams;
use crate::decode::cache::DiskState;
use crate::decode::embed::Embedder;
use crate::decode::engine::Engine;
use crate::decode::worker;
use crate::decode::{
    BeforeForm, Job, QueueLimit, QueueLimits, RequestQueue, Sampler, SamplerParts, TrimPolicy,
    WorkerParams,
};
use crate::memory_limit::{MemoryInUse, MemoryWatch};

/// The description of the model in these tests.
pub(super) fn known_info() -> Arc<ModelInfo> {
    Arc::new(ModelInfo {
        name: "known".to_owned(),
        ..ModelInfo::default()
    })
}

/// How the loop is set up.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) batch: u32,
    pub(super) sequences: u32,
    pub(super) cells: u32,
    pub(super) split: bool,
    pub(super) context: u32,
    pub(super) max_parked_bytes: u64,
    /// How much of the process's memory is in use, in percent; the first level begins at 80.
    pub(super) memory_in_use: Arc<AtomicU64>,
    pub(super) compress_parked: bool,
    pub(super) store: Option<DiskCacheParams>,
    pub(super) max_unread_bytes: usize,
    pub(super) share_prefixes: bool,
    pub(super) sessions: SessionLimits,
    pub(super) faults: Faults,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            batch: 16,
            sequences: 4,
            cells: 256,
            split: true,
            context: 64,
            max_parked_bytes: 1 << 20,
            memory_in_use: Arc::default(),
            compress_parked: false,
            store: None,
            max_unread_bytes: 1 << 20,
            share_prefixes: false,
            sessions: SessionLimits {
                most: 100,
                most_of_owner: 100,
                idle_timeout: Duration::from_secs(300),
                auto_cleanup: false,
                resume_closed: true,
            },
            faults: Faults::default(),
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) prompt: Vec<i32>,
    pub(super) max_tokens: u32,
    pub(super) owner: u8,
    pub(super) priority: Priority,
    pub(super) deterministic: bool,
    pub(super) max_time: Option<Duration>,
    pub(super) form: Option<OutputForm>,
    pub(super) session: u64,
    pub(super) is_unique: bool,
    pub(super) memory: Memory,
    pub(super) trim_policy: Option<fn() -> TrimPolicy>,
    pub(super) observer: Option<Observer>,
}

impl Ask {
    pub(super) fn new(prompt: &[i32], max_tokens: u32) -> Self {
        Self {
            prompt: prompt.to_vec(),
            max_tokens,
            owner: 0,
            priority: Priority::Normal,
            deterministic: false,
            max_time: None,
            form: None,
            session: 0,
            is_unique: false,
            memory: Memory::default(),
            trim_policy: None,
            observer: None,
        }
    }

    pub(super) fn session(mut self, session: u64) -> Self {
        self.session = session;
        self
    }

    pub(super) fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    pub(super) fn form(mut self, form: OutputForm) -> Self {
        self.form = Some(form);
        self
    }

    /// Gives the request an owner of its own, which is gone when the request is.
    pub(super) fn unique(mut self) -> Self {
        self.is_unique = true;
        self
    }

    /// The answer that it gets if nothing else happens.
    pub(super) fn answer(&self, setup: &Setup) -> String {
        answer(&self.prompt, self.max_tokens, setup.context)
    }

    pub(super) fn job(&self, stream: &Arc<TextStream>) -> Job {
        let settings = Settings {
            stopping: Stopping {
                max_tokens: Some(self.max_tokens),
                max_time: self.max_time,
                ..Stopping::default()
            },
            scheduling: Scheduling {
                priority: Some(self.priority),
                deterministic: Some(self.deterministic),
                ..Scheduling::default()
            },
            memory: self.memory.clone(),
            ..Settings::greedy()
        };
        let settings = Arc::new(settings.resolve(|| 0));
        Job {
            prompt: self.prompt.iter().copied().map(TokenId).collect(),
            sampler: Sampler::new(&settings, SamplerParts::plain(256, 4096), &[]),
            constraint: self.form.as_ref().map(|form| {
                let grammars = Grammars::new(Arc::new(Letters));
                grammars.constraint(form).unwrap()
            }),
            before_form: BeforeForm::default(),
            reader: None,
            queue_limit: QueueLimit::new(Duration::from_secs(60), &settings),
            settings,
            stream: StreamWriter::new(Arc::clone(stream)),
            owner: if self.is_unique {
                Owner::unique()
            } else {
                Owner::named(format!("owner-{}", self.owner))
            },
            log: RequestLog::new(
                "granted".into(),
                known_info(),
                self.session,
                Owner::unique(),
                Task::Complete,
                self.observer.clone(),
            ),
            session: self.session,
            trim_policy: self.trim_policy.map(|make| make()),
            forgotten: 0,
            asked_at: Instant::now(),
        }
    }
}

/// A running loop.
pub(super) struct Host {
    pub(super) queue: Arc<RequestQueue>,
    pub(super) setup: Setup,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Host {
    pub(super) fn start(setup: Setup) -> Self {
        let in_use = Arc::clone(&setup.memory_in_use);
        let memory = MemoryWatch::new(0.8, move || MemoryInUse {
            process: Some(MemoryUse {
                used: in_use.load(Ordering::Relaxed) << 20,
                limit: 100 << 20,
            }),
            device: None,
        });
        let ageing = Duration::from_millis(20);
        let queue = Arc::new(RequestQueue::new(
            QueueLimits {
                all: 1000,
                of_owner: 1000,
            },
            ageing,
            setup.sessions,
            memory,
            "known".into(),
        ));
        let thread = std::thread::spawn({
            let (queue, setup) = (Arc::clone(&queue), setup.clone());
            move || {
                let samplers = rayon::ThreadPoolBuilder::new()
                    .num_threads(1)
                    .build()
                    .unwrap();
                let params = WorkerParams {
                    context: ContextParams {
                        positions: None,
                        batch: setup.batch,
                        sequences: setup.sequences,
                        cells: setup.cells,
                        split: setup.split,
                        threads: 1,
                        kv_type: KvType::F16,
                        swa_full: true,
                        embeddings: false,
                    },
                    context_tokens: setup.context,
                    ability: Ability::Continue,
                    config: Arc::new(ModelConfig {
                        ageing,
                        max_parked_bytes: setup.max_parked_bytes,
                        compress_parked: setup.compress_parked,
                        share_prefixes: setup.share_prefixes,
                        ..ModelConfig::default()
                    }),
                };
                let known = Known::new(params.clone(), setup.faults);
                let woken = Arc::clone(&queue);
                let disk = DiskState::open(setup.store, setup.share_prefixes, move || woken.wake())
                    .unwrap();
                let mut engine = Engine::new(known, params.clone(), disk, &queue, &samplers);
                let make = |params| Ok(KnownVectors::new(params, setup.faults));
                let mut embedder = Embedder::new(&params, &queue, make);
                worker::run(&mut engine, &mut embedder, &queue);
            }
        });
        Self {
            queue,
            setup,
            thread: Some(thread),
        }
    }

    pub(super) fn submit(&self, ask: &Ask) -> Reader {
        self.try_submit(ask).unwrap()
    }

    pub(super) fn try_submit(&self, ask: &Ask) -> Result<Reader, Error> {
        let stream = Arc::new(TextStream::new(self.setup.max_unread_bytes));
        self.queue.submit(ask.job(&stream))?;
        Ok(Reader {
            stream,
            queue: Arc::clone(&self.queue),
            text: String::new(),
        })
    }

    /// Sets the percentage of the process's memory in use, and waits until the loop has seen it.
    pub(super) fn set_memory(&self, percent: u64, level: PressureLevel) -> Status {
        self.setup.memory_in_use.store(percent, Ordering::Relaxed);
        // The loop looks when something happens; by itself only while it could free memory.
        self.until(|status| {
            self.queue.wake();
            status.pressure.level == level
        })
    }

    pub(super) fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        for _ in 0..20_000 {
            let status = self.queue.status();
            if wanted(&status) {
                return status;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("the status never came: {:#?}", self.queue.status());
    }

    /// Waits until requests hold nothing any more, and checks that each is counted once.
    pub(super) fn settled(&self) -> Status {
        let status = self.until(|status| {
            let held = status.queued + status.running + status.parked;
            let cells = status.cells_used - status.cells_idle;
            held == 0 && cells == 0 && status.parked_bytes == 0
        });
        assert_eq!(status.requests.accepted, status.requests.ended());
        assert!(self.queue.owners().iter().all(|owner| owner.requests == 0));
        status
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.queue.close();
        let ended = self.thread.take().unwrap().join();
        assert!(
            ended.is_ok() || std::thread::panicking(),
            "the loop panicked"
        );
    }
}

/// Reads a generation.
pub(super) struct Reader {
    stream: Arc<TextStream>,
    pub(super) queue: Arc<RequestQueue>,
    pub(super) text: String,
}

impl Reader {
    /// Reads all available events. Returns the end, if it came.
    pub(super) fn read(&mut self) -> Option<Result<Outcome, Error>> {
        let taken = self.stream.take();
        if taken.made_room {
            self.queue.wake();
        }
        match taken.events {
            Ok(None) => None,
            Err(error) => Some(Err(error)),
            Ok(Some(events)) => {
                let mut end = None;
                for event in events {
                    match event {
                        Event::Text(text) => self.text.push_str(&text),
                        Event::Finished(outcome) => end = Some(Ok(outcome)),
                        _ => {}
                    }
                }
                end
            }
        }
    }

    /// Waits for a moment, so that more requests end before the next one.
    pub(super) fn read_to(&mut self, limit: Duration) {
        let begun = Instant::now();
        let is_unread = |stream: &TextStream| stream.is_open();
        while is_unread(&self.stream) && begun.elapsed() < limit {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    pub(super) fn finish(&mut self) -> Result<Outcome, Error> {
        for _ in 0..20_000 {
            if let Some(end) = self.read() {
                return end;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no end after {:?}: {:#?}", self.text, self.queue.status());
    }

    pub(super) fn cancel(&self) {
        self.stream.cancel();
        self.queue.wake();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stream.close();
        self.queue.wake();
    }
}
