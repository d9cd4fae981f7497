//! A GGUF model: opened and checked, loaded once, shared by all its sessions.

mod chat;
mod fit;
pub mod gguf;
mod info;
pub mod kernels;
pub mod optimize;
mod prompt;
mod recommended;
mod registry;
mod size;

pub use info::ModelInfo;
pub use registry::Registry;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use crate::config::KvCells;
use crate::decode::{
    Grammars, Inbox, Job, Outlet, QueueLimit, Sampler, SamplerParts, StoreParams, Worker,
    WorkerParams, Writer,
};
use crate::disk::Fingerprint;
use crate::llama::{
    ContextParams, SystemInfo, has_decoder_only, llama_backend, with_captured_errors,
};
use crate::memory_limit::MemoryLimit;
use crate::schedule::SessionLimits;
use crate::{Error, Generation, ModelConfig, Owner, Prompt, Result, Session, Settings, Status};
use chat::ChatTemplate;
pub use chat::ChatTemplateName;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use chat::fuzz::render as fuzz_template;
pub(crate) use fit::Past;
use gguf::{GgufError, GgufHeader};
use recommended::recommended;
use size::Size;

/// Share of the progress that a conversion takes, where there is one.
const CONVERTED: f32 = 0.75;

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
    grammars: Grammars,
    template: ChatTemplate,
    config: ModelConfig,
    recommended: Settings,
    ends: OnceLock<Vec<LlamaToken>>,
    cells: KvCells,
    info: ModelInfo,
}

impl Model {
    /// Loads a model and starts its worker. Blocks until the model is ready to run, which reads the whole file once.
    ///
    /// The file is memory-mapped: its pages are shared with the page cache, and must not change while the model lives.
    /// `progress` is told the share that is loaded, from 0.0 to 1.0. With [`ModelConfig::optimize`], the weights are
    /// converted first, or taken from the cache; that reads the whole file once more, and counts as most of the progress.
    ///
    /// # Errors
    ///
    /// A file that is not a whole GGUF ([`Error::File`]), less memory than the model takes ([`Error::TooLittleMemory`]), a model
    /// that llama.cpp refuses or that makes no text, settings out of range, too little memory for its context, or a state
    /// folder that can't be used ([`Error::StateFolder`]); with [`ModelConfig::optimize`], those of [`optimize::optimized`].
    pub fn load(
        path: &Path,
        config: ModelConfig,
        mut progress: impl FnMut(f32) + Send + 'static,
    ) -> Result<Self> {
        config.check()?;
        // llama.cpp says little about a bad file, and trusts a good one: look first.
        let source = GgufHeader::read(path)?;
        let converted = converted(path, &config, &mut progress)?;
        let (header, optimized_from, begun) = match &converted {
            Some(file) => (GgufHeader::read(file)?, Some(source.file_type()), CONVERTED),
            None => (source, None, 0.0),
        };
        let loaded_from = converted.as_deref().unwrap_or(path);
        check_size(loaded_from, &header, &config)?;
        let llama = Arc::new(load_weights(
            loaded_from,
            config.n_gpu_layers,
            move |share| progress(begun + share * (1.0 - begun)),
        )?);
        if !has_decoder_only(&llama) {
            return Err(Error::Kind {
                path: path.to_owned(),
                architecture: header.architecture().unwrap_or("unknown").to_owned(),
            });
        }
        let built_in = built_in_template(&header, &config, &llama);
        let info = ModelInfo::new(path, &header, optimized_from, &llama, &config, built_in);
        let recommended = recommended(&header);
        let template = match (built_in, header.chat_template()) {
            (None, Some(own)) => ChatTemplate::new(own, header.tool_template(), &llama),
            (name, _) => {
                let name = name.unwrap_or(ChatTemplateName::Plain);
                ChatTemplate::new(name.source(), None, &llama)
            }
        };
        let cells = config.kv_cells_for(info.context_size)?;
        let params = WorkerParams {
            context: context_params(&config, &cells),
            context_tokens: info.context_size,
            ageing: config.ageing,
            max_parked_bytes: config.max_parked_bytes,
            compress_parked: config.compress_parked,
            share_prefixes: config.share_prefixes,
        };
        let sessions = SessionLimits {
            most: config.max_sessions,
            idle_timeout: config.idle_timeout,
            auto_cleanup: config.auto_cleanup,
            resume_closed: config.resume_closed,
        };
        let inbox = Inbox::new(config.queue_size as usize, config.ageing, sessions);
        let inbox = Arc::new(inbox);
        let store = store(loaded_from, &header, &config, &params.context)?;
        let worker = Worker::start(
            Arc::clone(&llama),
            params,
            store.as_ref(),
            Arc::clone(&inbox),
        )?;
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
                template,
                grammars: Grammars::new(Arc::clone(&llama)),
                llama,
                config,
                recommended,
                ends: OnceLock::new(),
                cells,
                info,
            }),
        })
    }

    /// Opens a conversation. Who asks is what fairness goes by: give the sessions of one owner the same [`Owner`].
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`] when as many are open as may be.
    pub fn session(&self, owner: Owner) -> Result<Session> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.inner.inbox.open_session(number)?;
        Ok(Session::new(self.clone(), owner, number))
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

    /// The tokens of a prompt, as a request with it would have them: ids from 0 to the vocabulary's size.
    ///
    /// # Errors
    ///
    /// As [`Session::start`]'s for the prompt: empty, too long, or one that the chat template can't render.
    pub fn tokens(&self, prompt: Prompt) -> Result<Vec<u32>> {
        let tokens = self.inner.tokens(&prompt)?;
        let ids = tokens.into_iter().map(|token| token.0.cast_unsigned());
        Ok(ids.collect())
    }

    /// What the operator set for all requests.
    pub(crate) fn defaults(&self) -> &Settings {
        &self.inner.config.defaults
    }

    /// What the model's file recommends.
    pub(crate) fn recommended(&self) -> &Settings {
        &self.inner.recommended
    }

    pub(crate) fn wake(&self) {
        self.inner.inbox.wake();
    }

    pub(crate) fn close_session(&self, session: u64) {
        self.inner.inbox.close_session(session);
    }

    /// Checks, tokenises and queues a request.
    pub(crate) fn submit(
        &self,
        prompt: Prompt,
        settings: Settings,
        asker: Asker<'_>,
    ) -> Result<Generation> {
        let inner = &self.inner;
        inner.inbox.enter_session(asker.session)?;
        settings.check()?;
        let merged = settings
            .or(asker.settings)
            .or(self.defaults())
            .or(self.recommended());
        let effective = merged.resolve(draw_seed);
        let effective = Arc::new(effective);
        if effective.scheduling.deterministic && !inner.cells.split {
            let cells = inner.cells.total;
            return Err(Error::NotDeterministic { cells });
        }
        inner.config.check_cache_tokens(&effective.memory)?;
        let asked_at = Instant::now();
        let fitted = inner.fit(prompt, &effective, asker.past)?;
        let info = &inner.info;
        let parts = SamplerParts::new(
            &effective,
            &inner.llama,
            || inner.ends(),
            info.vocabulary,
            info.context_size,
        )?;
        let form = effective.output.as_ref();
        let constraint = form
            .map(|form| inner.grammars.constraint(form))
            .transpose()?;
        let outlet = Arc::new(Outlet::new(inner.config.max_unread_bytes as usize));
        inner.inbox.submit(Job {
            sampler: Sampler::new(&effective, parts, &fitted.tokens),
            prompt: fitted.tokens,
            constraint,
            settings: Arc::clone(&effective),
            outlet: Writer::new(Arc::clone(&outlet)),
            owner: asker.owner.clone(),
            session: asker.session,
            droppable: fitted.droppable,
            forgotten: fitted.forgotten,
            asked_at,
            queue_limit: QueueLimit::new(inner.config.default_task_timeout, &effective),
        })?;
        Ok(Generation::new(outlet, effective, self.clone()))
    }
}

/// Who asks, and what it asked before.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) owner: &'a Owner,
    /// The session's number.
    pub(crate) session: u64,
    /// The session's settings.
    pub(crate) settings: &'a Settings,
    pub(crate) past: &'a mut Past,
}

impl Inner {
    /// The tokens that end a generation, looked for once: a vocabulary is large.
    fn ends(&self) -> &[LlamaToken] {
        self.ends.get_or_init(|| {
            let last = i32::try_from(self.info.vocabulary).unwrap_or(i32::MAX);
            let all = (0..last).map(LlamaToken);
            all.filter(|&token| self.llama.vocab().is_eog(token))
                .collect()
        })
    }
}

/// The built-in template that messages are rendered with: the operator's choice, else one that goes with the vocabulary where
/// the file has none of its own.
fn built_in_template(
    header: &GgufHeader,
    config: &ModelConfig,
    llama: &LlamaModel,
) -> Option<ChatTemplateName> {
    if config.chat_template.is_some() || header.chat_template().is_some() {
        return config.chat_template;
    }
    let has_token = |text: &str| llama.vocab().tokenize(text.as_bytes(), false, true).len() == 1;
    let name = ChatTemplateName::for_vocabulary(has_token);
    tracing::info!(
        template = name.name(),
        "the model's file has no chat template: a built-in one is used"
    );
    Some(name)
}

/// Checks that there is memory for a model, where that can be told.
fn check_size(path: &Path, header: &GgufHeader, config: &ModelConfig) -> Result<()> {
    if !config.check_memory || SystemInfo::has_gpu() {
        return Ok(());
    }
    let (Some(trained), Some(memory)) = (header.context_length(), MemoryLimit::read()) else {
        return Ok(());
    };
    let cells = config.kv_cells_for(config.context_for(trained))?;
    Size::of(header, &context_params(config, &cells)).check(path, &memory)
}

/// What the context of a model is made with.
fn context_params(config: &ModelConfig, cells: &KvCells) -> ContextParams {
    ContextParams {
        cells: cells.total,
        split: cells.split,
        batch: config.batch_size.min(cells.total),
        sequences: config.max_concurrent,
        threads: config.threads_here(),
        kv_type: config.kv_type,
        swa_full: config.swa_full,
    }
}

/// Where the states of the model in this file are kept on disk, where the operator wants that.
fn store(
    path: &Path,
    header: &GgufHeader,
    config: &ModelConfig,
    context: &ContextParams,
) -> Result<Option<StoreParams>> {
    let Some(root) = &config.state_dir else {
        return Ok(None);
    };
    let fingerprint = Fingerprint::of(path, header, context).map_err(|error| GgufError {
        path: path.to_owned(),
        problem: error.into(),
    })?;
    Ok(Some(StoreParams {
        root: root.clone(),
        fingerprint,
        max_bytes: config.max_state_bytes,
        store_after: config.store_after,
    }))
}

/// The file to load in place of `path`, where the operator wants one.
fn converted(
    path: &Path,
    config: &ModelConfig,
    progress: &mut dyn FnMut(f32),
) -> Result<Option<PathBuf>> {
    let Some(wanted) = &config.optimize else {
        return Ok(None);
    };
    optimize::optimized(path, wanted, config.threads_here(), &mut |share| {
        progress(share * CONVERTED);
    })
}

fn load_weights(
    path: &Path,
    gpu_layers: Option<u32>,
    mut progress: impl FnMut(f32) + Send + 'static,
) -> Result<LlamaModel> {
    let backend = llama_backend()?;
    let mut params = LlamaModelParams::default();
    if let Some(layers) = gpu_layers {
        params = params.with_n_gpu_layers(layers);
    }
    let params = params.with_progress_callback(move |share| {
        progress(share);
        true
    });
    let mut params = std::pin::pin!(params);
    keep_off_amx(params.as_mut())?;
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

/// Keeps all weights in plain memory where llama.cpp was built with its kernels for AMX: gcc 12 optimises away what they set up, and
/// the first prompt would end the process (<https://github.com/ggml-org/llama.cpp/pull/26954>).
fn keep_off_amx(params: Pin<&mut LlamaModelParams>) -> Result<()> {
    // With layers on a graphics card, only what stays on the CPU is in danger, and taking all of them off it costs more.
    if SystemInfo::read()?.has_feature("AMX_INT8") && !SystemInfo::has_gpu() {
        tracing::warn!(
            "llama.cpp was built with AMX kernels, which end the process with some compilers: they and repacked weights are not \
             used. Build with -U__AMX_INT8__ in CFLAGS and CXXFLAGS for faster kernels"
        );
        // Every tensor's name has a character.
        params.add_cpu_buft_override(c".");
    }
    Ok(())
}

/// A seed that differs each time: the standard library's hash keys are random for the process and count up.
fn draw_seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};

    let bits = RandomState::new().hash_one(Instant::now());
    // The upper half is as random as the lower. The highest number is no seed, see `Seed`.
    u32::try_from(bits >> 32).map_or(0, |seed| seed.min(u32::MAX - 1))
}
