//! A GGUF model: opened and checked, loaded once, shared by all its sessions.

mod chat;
pub mod gguf;
mod info;
pub mod kernels;
mod prompt;
mod registry;

pub use info::ModelInfo;
pub use registry::Registry;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use crate::decode::{Inbox, Job, Outlet, Sampler, Worker, WorkerParams, Writer};
use crate::llama::{ContextParams, has_decoder_only, llama_backend, with_captured_errors};
use crate::{Error, Generation, ModelConfig, Prompt, Result, Session, Settings, Status};
use chat::ChatTemplate;
use gguf::GgufHeader;

/// A loaded model. Clones share it; when the last clone, session and generation is gone, its worker ends and its memory
/// is free.
#[derive(Debug, Clone)]
pub struct Model {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    // First, so that the worker has ended before the rest goes.
    _worker: Worker,
    inbox: Arc<Inbox>,
    llama: Arc<LlamaModel>,
    template: Option<ChatTemplate>,
    config: ModelConfig,
    info: ModelInfo,
}

impl Model {
    /// Loads a model and starts its worker. Blocks until the model is ready to run, which reads the whole file once.
    ///
    /// The file is memory-mapped: its pages are shared with the page cache, and must not change while the model lives.
    /// `progress` is told the share that is loaded, from 0.0 to 1.0.
    ///
    /// # Errors
    ///
    /// A file that is not a whole GGUF ([`Error::File`]), a model that llama.cpp refuses or that makes no text, settings
    /// out of range, or too little memory for its context.
    pub fn load(
        path: &Path,
        config: ModelConfig,
        progress: impl FnMut(f32) + Send + 'static,
    ) -> Result<Self> {
        config.check()?;
        // llama.cpp says little about a bad file, and trusts a good one: look first.
        let header = GgufHeader::read(path)?;
        let llama = Arc::new(load_weights(path, progress)?);
        if !has_decoder_only(&llama) {
            return Err(Error::Kind {
                path: path.to_owned(),
                architecture: header.architecture().unwrap_or("unknown").to_owned(),
            });
        }
        let info = ModelInfo::new(path, &header, &llama, &config);
        let cells = info
            .context_size
            .checked_mul(config.max_concurrent)
            .filter(|&cells| i32::try_from(cells).is_ok())
            .ok_or_else(|| too_many_cells(&info, &config))?;
        let params = WorkerParams {
            context: ContextParams {
                cells,
                batch: config.batch_size.min(cells),
                sequences: config.max_concurrent,
                threads: config.threads_here(),
            },
            context_tokens: info.context_size,
        };
        let inbox = Arc::new(Inbox::new(config.queue_size as usize, config.queue_timeout));
        let worker = Worker::start(Arc::clone(&llama), params, Arc::clone(&inbox))?;
        tracing::info!(
            model = info.name,
            architecture = info.architecture,
            context_size = info.context_size,
            "model loaded"
        );
        Ok(Self {
            inner: Arc::new(Inner {
                _worker: worker,
                inbox,
                template: header
                    .chat_template()
                    .map(|source| ChatTemplate::new(source, &llama)),
                llama,
                config,
                info,
            }),
        })
    }

    /// Opens a conversation.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// What the model is.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.inner.info
    }

    /// What the model is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.inbox.status()
    }

    /// Whether both are the same loaded model, in memory once.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn wake(&self) {
        self.inner.inbox.wake();
    }

    /// Checks, tokenises and queues a request.
    pub(crate) fn submit(&self, prompt: Prompt, settings: Settings) -> Result<Generation> {
        let inner = &self.inner;
        settings.check()?;
        let effective = settings.or(inner.config.defaults).resolve(draw_seed);
        let prompt = inner.tokens(prompt)?;
        let outlet = Arc::new(Outlet::new(inner.config.max_unread_bytes as usize));
        inner.inbox.submit(Job {
            prompt,
            sampler: Sampler::new(effective),
            max_tokens: effective.max_tokens,
            outlet: Writer::new(Arc::clone(&outlet)),
            asked_at: Instant::now(),
        })?;
        Ok(Generation::new(outlet, effective, self.clone()))
    }
}

fn load_weights(path: &Path, mut progress: impl FnMut(f32) + Send + 'static) -> Result<LlamaModel> {
    let backend = llama_backend()?;
    let params = LlamaModelParams::default().with_progress_callback(move |share| {
        progress(share);
        true
    });
    let (loaded, errors) =
        with_captured_errors(|| LlamaModel::load_from_file(backend, path, &params));
    loaded.map_err(|error| Error::Load {
        path: path.to_owned(),
        reason: if errors.is_empty() {
            error.to_string()
        } else {
            errors.join("; ")
        },
    })
}

fn too_many_cells(info: &ModelInfo, config: &ModelConfig) -> Error {
    Error::Context {
        cells: u64::from(info.context_size) * u64::from(config.max_concurrent),
        max_concurrent: config.max_concurrent,
        ctx_size: info.context_size,
        reason: format!("at most {} KV cells can be numbered", i32::MAX),
    }
}

/// A seed that differs each time: the standard library's hash keys are random for the process and count up.
fn draw_seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};

    let bits = RandomState::new().hash_one(Instant::now());
    // The upper half is as random as the lower.
    u32::try_from(bits >> 32).unwrap_or_default()
}
