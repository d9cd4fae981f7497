//! The worker thread of a model: it alone touches the model's llama.cpp context.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use crate::llama::LlamaModel;

use super::RequestQueue;
use super::cache::{DiskCacheParams, DiskStart};
use super::engine::Engine;
use super::executor::Llama;
use crate::llama::{Ability, ContextParams};
use crate::{Error, ModelConfig, Result};

/// What a worker is made with.
#[derive(Debug, Clone)]
pub(crate) struct WorkerParams {
    pub(crate) context: ContextParams,
    /// Tokens that one sequence holds.
    pub(crate) context_tokens: u32,
    /// With [`Ability::Embed`] there are vectors alone, and no KV cells.
    pub(crate) ability: Ability,
    /// How the model is served: whatever of it holds while the worker runs is read here.
    pub(crate) config: Arc<ModelConfig>,
}

/// The handle of a worker thread. Dropping it ends the thread and waits for that, which takes one
/// node of llama.cpp's graph at most.
#[derive(Debug)]
pub(crate) struct Worker {
    queue: Arc<RequestQueue>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread and waits until its context is made and warm.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`], [`Error::StateFolder`], or [`Error::Context`] with what llama.cpp says.
    pub(crate) fn start(
        model: Arc<LlamaModel>,
        params: WorkerParams,
        store: Option<DiskCacheParams>,
        queue: Arc<RequestQueue>,
    ) -> Result<Self> {
        let states = DiskStart::open(store, params.config.share_prefixes, &queue)?;
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
                move || work(&model, params, states, &queue, &samplers, &ready)
            })
            .map_err(Error::Thread)?;
        let worker = Self {
            queue,
            thread: Some(thread),
        };
        match is_ready.recv() {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(reason)) => Err(Error::Context {
                cells: u64::from(params.context.cells),
                max_concurrent: params.context.sequences,
                ctx_size: params.context_tokens,
                reason,
            }),
            Err(mpsc::RecvError) => Err(Error::Unavailable),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the worker has been reported by the panic hook, and its readers have been
            // told.
            let _ = thread.join();
        }
    }
}

/// The life of the thread.
fn work(
    model: &Arc<LlamaModel>,
    params: WorkerParams,
    states: DiskStart,
    queue: &RequestQueue,
    samplers: &rayon::ThreadPool,
    ready: &mpsc::Sender<std::result::Result<(), String>>,
) {
    let _leaving = Leaving(queue);
    let made = Llama::new(Arc::clone(model), &params).and_then(|compute| {
        let mut engine = Engine::new(compute, params, states, queue, samplers);
        engine.warm_up()?;
        Ok(engine)
    });
    // The other end is gone only if whoever loads the model is, and then the queue is closed too.
    match made {
        Ok(mut engine) => {
            let _ = ready.send(Ok(()));
            engine.run();
        }
        Err(reason) => {
            let _ = ready.send(Err(reason));
        }
    }
}

/// Sees to it that nobody waits for a worker that is gone, also if it panicked: new requests are
/// refused, and those that wait are told.
struct Leaving<'a>(&'a RequestQueue);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.drop_all();
    }
}
