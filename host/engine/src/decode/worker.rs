//! The worker thread of a model: it alone touches the model's llama.cpp context.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;

use super::Inbox;
use super::inbox::News;
use super::sequence::{Progress, Sequence, Step, finish_unstarted};
use crate::llama::{Batch, Context, ContextParams, DecodeError};
use crate::schedule::{Need, plan};
use crate::{Error, FinishReason, Result, Status};

/// What a worker is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerParams {
    pub(crate) context: ContextParams,
    /// Tokens that one sequence holds.
    pub(crate) context_tokens: u32,
}

/// The handle of a worker thread. Dropping it ends the thread and waits for that, which takes one node of llama.cpp's
/// graph at most.
#[derive(Debug)]
pub(crate) struct Worker {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread and waits until its context is made and warm.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`], or [`Error::Context`] with what llama.cpp says.
    pub(crate) fn start(
        model: Arc<LlamaModel>,
        params: WorkerParams,
        inbox: Arc<Inbox>,
    ) -> Result<Self> {
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("mynah-worker".to_owned())
            .spawn({
                let inbox = Arc::clone(&inbox);
                move || work(&model, params, &inbox, &ready)
            })
            .map_err(Error::Thread)?;
        let worker = Self {
            inbox,
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
        self.inbox.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the worker has been reported by the panic hook, and its readers have been told.
            let _ = thread.join();
        }
    }
}

/// The life of the thread.
fn work(
    model: &Arc<LlamaModel>,
    params: WorkerParams,
    inbox: &Inbox,
    ready: &mpsc::Sender<std::result::Result<(), String>>,
) {
    let _leaving = Leaving(inbox);
    let made = Engine::new(model, params, inbox);
    // The other end is gone only if whoever loads the model is, and then the inbox is closed too.
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

/// Sees to it that nobody waits for a worker that is gone, also if it panicked: new requests are refused, and those that
/// wait are told.
struct Leaving<'a>(&'a Inbox);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.close();
        // Dropping a request tells its reader that the model is gone.
        drop(self.0.take_all());
    }
}

/// The loop and everything it owns. Lives on the worker thread.
struct Engine<'a> {
    model: &'a LlamaModel,
    params: WorkerParams,
    inbox: &'a Inbox,
    context: Context,
    batch: Batch,
    running: Vec<Sequence>,
    // Numbers of the context's sequences that nobody uses.
    free: Vec<u32>,
    steps: u64,
    aborted_steps: u64,
    candidates: Vec<LlamaTokenData>,
    piece: Vec<u8>,
    text: String,
}

impl<'a> Engine<'a> {
    fn new(
        model: &'a Arc<LlamaModel>,
        params: WorkerParams,
        inbox: &'a Inbox,
    ) -> std::result::Result<Self, String> {
        let mut engine = Self {
            model,
            params,
            inbox,
            context: Context::new(Arc::clone(model), params.context)?,
            batch: Batch::default(),
            running: Vec::new(),
            free: (0..params.context.sequences).rev().collect(),
            steps: 0,
            aborted_steps: 0,
            candidates: Vec::new(),
            piece: Vec::new(),
            text: String::new(),
        };
        engine.warm_up().map_err(|error| error.to_string())?;
        Ok(engine)
    }

    /// Computes one token and forgets it: reads the weights into memory, and shows that the model computes at all.
    fn warm_up(&mut self) -> std::result::Result<(), DecodeError> {
        let bos = self.model.vocab().bos();
        let token = if bos.0 >= 0 { bos } else { LlamaToken(0) };
        self.batch.clear();
        self.batch.push(token, 0, 0, true);
        let inbox = self.inbox;
        self.context
            .decode(&mut self.batch, &|| inbox.is_closed())?;
        self.context.clear_sequence(0);
        Ok(())
    }

    fn run(&mut self) {
        while !self.inbox.is_closed() {
            let running = &self.running;
            let news = self.inbox.news(self.free.len(), || {
                running
                    .iter()
                    .any(|sequence| sequence.is_cancelled() || sequence.need() != Need::Nothing)
            });
            let some_begin = !news.admitted.is_empty();
            self.admit(news);
            self.reap();
            if some_begin {
                // Before the step too, which may take long.
                self.publish();
            }
            self.step();
            self.publish();
        }
    }

    fn admit(&mut self, news: News) {
        news.cancelled.into_iter().for_each(finish_unstarted);
        for job in news.expired {
            let error = Error::QueueTimeout {
                waited: job.asked_at.elapsed(),
                limit: self.inbox.queue_timeout(),
            };
            job.outlet.finish(Err(error));
        }
        for job in news.admitted {
            // There is one: the inbox was asked for as many as are free. Should it not hold, the reader is told.
            if let Some(id) = self.free.pop() {
                self.running.push(Sequence::new(id, job));
            }
        }
    }

    /// Ends what was cancelled.
    fn reap(&mut self) {
        self.retire(|sequence| {
            let cancelled = sequence.is_cancelled();
            if cancelled {
                sequence.end(FinishReason::Cancelled);
            }
            cancelled
        });
    }

    /// Takes out the sequences that `is_over` says yes to and frees their cells.
    fn retire(&mut self, mut is_over: impl FnMut(&mut Sequence) -> bool) {
        let (context, free) = (&mut self.context, &mut self.free);
        self.running.retain_mut(|sequence| {
            let over = is_over(sequence);
            if over {
                context.clear_sequence(sequence.id);
                free.push(sequence.id);
            }
            !over
        });
    }

    /// Plans, decodes, samples and emits.
    fn step(&mut self) {
        let needs: Vec<Need> = self.running.iter().map(Sequence::need).collect();
        let shares = plan(&needs, self.params.context.batch);
        self.batch.clear();
        for (sequence, share) in self.running.iter_mut().zip(shares) {
            sequence.fill(&mut self.batch, share);
        }
        if self.batch.is_empty() {
            return;
        }
        self.steps += 1;
        match self.decode() {
            Ok(()) => self.sample(),
            // Everybody in the batch was cancelled, or the model is closed: the next round sees to it.
            Err(DecodeError::Aborted) => self.aborted_steps += 1,
            Err(error) => self.fail(&error),
        }
    }

    fn decode(&mut self) -> std::result::Result<(), DecodeError> {
        let (inbox, running) = (self.inbox, &self.running);
        // An abort loses the step for everybody in the batch, so it needs all of them to be cancelled. One that is
        // not keeps the step, which the batch size bounds.
        self.context.decode(&mut self.batch, &|| {
            let mut in_step = running.iter().filter(|sequence| sequence.is_in_step());
            inbox.is_closed() || in_step.all(Sequence::is_cancelled)
        })
    }

    fn sample(&mut self) {
        let vocabulary = self.model.vocab();
        let (context, params) = (&self.context, self.params);
        let mut step = Step {
            vocabulary: &vocabulary,
            context_tokens: params.context_tokens,
            candidates: &mut self.candidates,
            piece: &mut self.piece,
            text: &mut self.text,
        };
        let mut ended = Vec::new();
        for sequence in &mut self.running {
            let Some(output) = sequence.output() else {
                continue;
            };
            let progress = match context.logits(output) {
                Some(logits) => sequence
                    .advance(logits, &mut step)
                    .map_err(|e| e.to_string()),
                None => Err("llama.cpp gave no logits".to_owned()),
            };
            match progress {
                Ok(Progress::Runs) => continue,
                Ok(Progress::Ended) => {}
                Err(reason) => sequence.fail(Error::Decode { reason }),
            }
            ended.push(sequence.id);
        }
        self.retire(|sequence| ended.contains(&sequence.id));
    }

    /// A decode failed: the cells of those in the batch are in an unknown state, the others go on.
    fn fail(&mut self, error: &DecodeError) {
        self.retire(|sequence| {
            let failed = sequence.is_in_step();
            if failed {
                sequence.fail(Error::Decode {
                    reason: error.to_string(),
                });
            }
            failed
        });
    }

    fn publish(&self) {
        // Counted in the context itself, over all sequences, so that a leak would show.
        let cells_used = (0..self.params.context.sequences)
            .map(|id| u64::from(self.context.sequence_len(id)))
            .sum();
        self.inbox.publish(Status {
            queued: 0,
            running: self.running.len(),
            cells_used,
            steps: self.steps,
            aborted_steps: self.aborted_steps,
        });
    }
}
