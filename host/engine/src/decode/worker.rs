//! The worker thread of a model. It alone touches the model's llama.cpp context.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use mynah_core::{Error, Result};
use mynah_llama::{Ability, Context, LlamaModel};

use super::WorkerParams;
use super::cache::{DiskCacheParams, DiskState};
use super::embed::Embedder;
use super::engine::Engine;
use super::executor::{EmbedExecutor, Executor, Llama};
use super::request_queue::RequestQueue;
use crate::EngineError;

/// The handle of a worker thread. Dropping it ends the thread and waits for that, which takes at
/// most one node of llama.cpp's graph.
#[derive(Debug)]
pub(crate) struct Worker {
    queue: Arc<RequestQueue>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread and waits until its context is created and warm.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`], [`EngineError::StateFolder`], or [`EngineError::Context`] with what
    /// llama.cpp says.
    pub(crate) fn start(
        model: Arc<LlamaModel>,
        params: WorkerParams,
        store: Option<DiskCacheParams>,
        queue: Arc<RequestQueue>,
    ) -> Result<Self> {
        let woken = Arc::clone(&queue);
        let disk = DiskState::open(store, params.config.share_prefixes, move || woken.wake())?;
        let threads = usize::try_from(params.context.threads).unwrap_or(1);
        let samplers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("mynah-sampler-{index}"))
            .build()
            .map_err(|error| Error::Thread(std::io::Error::other(error)))?;
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("mynah-worker".to_owned())
            .spawn({
                let (queue, params) = (Arc::clone(&queue), params.clone());
                move || work(&model, params, disk, &queue, &samplers, &ready)
            })
            .map_err(Error::Thread)?;
        let worker = Self {
            queue,
            thread: Some(thread),
        };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(reason)) => Err(EngineError::Context {
                cells: u64::from(params.context.cells),
                max_concurrent: params.context.sequences,
                ctx_size: params.context_tokens,
                reason,
            }
            .into()),
            Err(mpsc::RecvError) => Err(Error::Unavailable),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // If the worker has panicked, the panic hook has reported it and its readers have an
            // error.
            let _ = thread.join();
        }
    }
}

/// The life of the thread.
fn work(
    model: &Arc<LlamaModel>,
    params: WorkerParams,
    disk: DiskState,
    queue: &RequestQueue,
    samplers: &rayon::ThreadPool,
    ready: &mpsc::Sender<std::result::Result<(), String>>,
) {
    let _closed = CloseOnDrop(queue);
    let make = |params| Context::new(Arc::clone(model), params).map_err(|error| error.to_string());
    let mut embedder = Embedder::new(&params, queue, make);
    let made = Llama::new(Arc::clone(model), &params).and_then(|executor| {
        let first_token = executor.first_token();
        let ability = params.ability;
        let mut engine = Engine::new(executor, params, disk, queue, samplers);
        match ability {
            Ability::Continue => engine.warm_up()?,
            Ability::Embed => embedder.warm_up(first_token)?,
        }
        engine.start();
        Ok(engine)
    });
    // The receiver is gone only if the caller of `start` is, and then the queue is closed too.
    match made {
        Ok(mut engine) => {
            let _ = ready.send(Ok(()));
            run(&mut engine, &mut embedder, queue);
        }
        Err(reason) => {
            let _ = ready.send(Err(reason));
        }
    }
}

/// Runs the text loop and the embedder in turns, until the queue is closed or the context is lost
/// for good.
pub(super) fn run(
    engine: &mut Engine<'_, impl Executor>,
    embedder: &mut Embedder<'_, impl EmbedExecutor>,
    queue: &RequestQueue,
) {
    while !queue.is_closed() {
        let now = Instant::now();
        queue.sweep(now);
        let stepped = engine.step(now);
        let embedded = embedder.step(now);
        match stepped {
            Ok(true) => {}
            Ok(false) if embedded => {}
            Ok(false) => {
                let deadlines = [engine.next_deadline(), embedder.next_deadline()];
                queue.wait(deadlines.into_iter().flatten().min());
            }
            Err(reason) => {
                let model = &**queue.model();
                tracing::error!(
                    model,
                    reason,
                    "the model's context is lost: load the model again"
                );
                // Readers get their errors before anything is written to disk.
                queue.close();
                engine.abandon();
            }
        }
    }
    // Requests that were cancelled before the queue was closed end as such.
    queue.drop_all();
    embedder.end_due(Instant::now());
    engine.shut_down();
}

/// Closes the queue when the worker ends, also if it panicked: new requests are refused, and those
/// that wait end with an error.
struct CloseOnDrop<'a>(&'a RequestQueue);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.drop_all();
    }
}
