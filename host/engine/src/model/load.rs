//! Loading a model: its file checked, its weights read, its worker started.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use mynah_chat::{ChatTemplate, built_in_source, for_vocabulary};
use mynah_core::{About, Capabilities, Progress};
use mynah_grammar::Grammars;

use super::gguf::kernels::has_rows_of_one_block;
use super::gguf::{ContextShape, GgufError, GgufHeader, ModelSize, TensorType};
use super::info::{architecture, model_info};
use super::loaded::{Known, Loaded};
use super::optimize;
use super::recommended::recommended;
use super::vocabulary::ModelVocabulary;
use crate::decode::{DiskCacheParams, Pooling, RequestQueue, Worker, WorkerParams};
use crate::disk::Fingerprint;
use crate::llama::{
    AMX_HEADER, Ability, ContextParams, LlamaBuild, LlamaModel, SystemInfo, device_memory,
    has_amx_header, llama_backend, read_weights,
};
use crate::memory_limit::{MemoryLimit, MemoryWatch};
use crate::{
    ChatTemplateName, EngineError, Error, KvCells, KvType, MemoryUse, ModelConfig, Result,
};
use mynah_schedule::SessionLimits;

/// Share of the progress that a conversion takes, where there is one.
const CONVERTED: f32 = 0.75;

impl Loaded {
    /// Loads a model and starts its worker.
    ///
    /// # Errors
    ///
    /// See [`LocalModel::load`](super::LocalModel::load).
    pub(super) fn load<P: Progress>(
        path: &Path,
        config: ModelConfig,
        mut progress: impl FnMut(f32) -> P + Send + 'static,
    ) -> Result<Self> {
        let config = Arc::new(config);
        config.check()?;
        // llama.cpp says little about a bad file, and trusts a good one: look first.
        let source = read_header(path)?;
        // A conversion can't be broken off: what it was told meanwhile holds when it is done.
        let mut goes_on = true;
        let converted = converted(path, &config, &mut |share| {
            goes_on &= progress(share).flow().is_continue();
        })?;
        if !goes_on {
            return Err(Error::LoadCancelled {
                path: path.to_owned(),
            });
        }
        let (header, optimized_from, begun) = match &converted {
            Some(file) => (read_header(file)?, Some(source.file_type()), CONVERTED),
            None => (source, None, 0.0),
        };
        let loaded_from = converted.as_deref().unwrap_or(path);
        let layers = gpu_layers(loaded_from, &header, &config)?;
        let (llama, ability) = load_weights(loaded_from, &header, layers, move |share| {
            progress(begun + share * (1.0 - begun)).flow().is_continue()
        })?;
        let built_in = built_in_template(&header, &config, &llama);
        let mut info = model_info(path, &header, &llama, &config, ability);
        info.optimized_from = optimized_from;
        info.chat_template = built_in;
        if SystemInfo::has_gpu() {
            info.layers_on_device = layers.unwrap_or(0).min(info.layers);
        }
        let recommended = recommended(&header);
        let vocabulary = ModelVocabulary(Arc::clone(&llama));
        let template = match (built_in, header.chat_template()) {
            (None, Some(own)) => ChatTemplate::new(own, header.tool_template(), &vocabulary),
            (name, _) => {
                let name = name.unwrap_or(ChatTemplateName::Plain);
                ChatTemplate::new(built_in_source(name), None, &vocabulary)
            }
        };
        let cells = match ability {
            Ability::Continue => config.kv_cells_for(info.context_size)?,
            Ability::Embed => KvCells::NONE,
        };
        let params = WorkerParams {
            context: context_params(&config, &cells, &header),
            context_tokens: info.context_size,
            ability,
            config: Arc::clone(&config),
        };
        let sessions = SessionLimits {
            most: config.max_sessions,
            idle_timeout: config.idle_timeout,
            auto_cleanup: config.auto_cleanup,
            resume_closed: config.resume_closed,
        };
        let queue = Arc::new(RequestQueue::new(
            config.queue_size as usize,
            config.ageing,
            sessions,
            MemoryWatch::of_process(config.max_process_bytes, config.pressure_threshold, || {
                device_memory().map(|(used, limit)| MemoryUse { used, limit })
            }),
            info.name.as_str().into(),
        ));
        let store = match ability {
            Ability::Continue => store(loaded_from, &header, &config, &params.context)?,
            Ability::Embed => None,
        };
        let worker = Worker::start(Arc::clone(&llama), params, store, Arc::clone(&queue))?;
        tracing::info!(
            model = info.name,
            architecture = info.architecture,
            context_size = info.context_size,
            "model loaded"
        );
        let pooling = Pooling::of(header.of_architecture("pooling_type"));
        Ok(Self {
            _worker: worker,
            queue,
            template,
            grammars: Grammars::new(Arc::new(vocabulary)),
            llama,
            ends: OnceLock::new(),
            cells,
            since: Instant::now(),
            known: Arc::new(Known {
                about: Arc::new(About {
                    capabilities: capabilities(ability, &cells, pooling.is_ok()),
                    info: Arc::new(info),
                    backend: BACKEND,
                    build: build(),
                    defaults: config.defaults.clone(),
                    recommended,
                }),
                pooling,
                config,
            }),
        })
    }
}

pub(super) fn read_header(path: &Path) -> Result<GgufHeader> {
    Ok(GgufHeader::read(path).map_err(EngineError::from)?)
}

/// The name of this backend in errors and reports.
const BACKEND: &str = "llama.cpp";

/// What this backend can do with the model of a file, as far as its header says. Loading it says it
/// for certain: which architectures read texts as a whole is known to llama.cpp alone.
#[must_use]
pub fn capabilities_of(header: &GgufHeader) -> Capabilities {
    let ability = match header.is_causal() {
        true => Ability::Continue,
        false => Ability::Embed,
    };
    let split = KvCells {
        split: true,
        ..KvCells::NONE
    };
    let pooling = Pooling::of(header.of_architecture("pooling_type"));
    capabilities(ability, &split, pooling.is_ok())
}

/// What llama.cpp can do with a model.
fn capabilities(ability: Ability, cells: &KvCells, has_vectors: bool) -> Capabilities {
    let text = ability == Ability::Continue;
    Capabilities {
        text,
        vectors: has_vectors,
        ranking: false,
        output_forms: text,
        token_ids: true,
        log_probabilities: text,
        deterministic: text && cells.split,
        // Where llama.cpp can't move cells, what is kept is computed again.
        context_shifting: text,
    }
}

/// What llama.cpp was built from, under the names that guests of core modules know.
fn build() -> Vec<(&'static str, serde_json::Value)> {
    let build = LlamaBuild::read();
    let number = build.number();
    let LlamaBuild {
        ggml_version,
        commit,
    } = build;
    let commit = commit.unwrap_or_else(|| format!("ggml-{ggml_version}"));
    vec![
        ("llama_build_number", number.into()),
        ("llama_commit", commit.into()),
        ("ggml_version", ggml_version.into()),
    ]
}

/// The built-in template that messages are rendered with: the operator's choice, else one that goes
/// with the vocabulary where the file has none of its own.
fn built_in_template(
    header: &GgufHeader,
    config: &ModelConfig,
    llama: &LlamaModel,
) -> Option<ChatTemplateName> {
    if config.chat_template.is_some() || header.chat_template().is_some() {
        return config.chat_template;
    }
    let has_token = |text: &str| llama.vocab().tokenize(text.as_bytes(), false, true).len() == 1;
    let name = for_vocabulary(has_token);
    tracing::info!(
        template = name.name(),
        "the model's file has no chat template: a built-in one is used"
    );
    Some(name)
}

/// The layers to put on graphics cards; `None` where there is none. Checks that there is memory for
/// the rest, where that can be told.
fn gpu_layers(path: &Path, header: &GgufHeader, config: &ModelConfig) -> Result<Option<u32>> {
    let trained = header.context_length();
    let context = config.context_for(
        trained.unwrap_or(ModelConfig::DEFAULT_CTX_SIZE),
        header.positions(),
    );
    let cells = config.kv_cells_for(context)?;
    let size = ModelSize::of(header, &shape(&context_params(config, &cells, header)));
    if SystemInfo::has_gpu() {
        // What the operator says is done as it is said.
        let layers = config.n_gpu_layers.or_else(|| {
            let free = device_memory().map_or(0, |(used, total)| total.saturating_sub(used));
            let fits = size.layers_in(header.block_count()?, free);
            tracing::info!(
                layers = fits,
                free,
                "layers for the graphics cards, by their free memory"
            );
            Some(fits)
        });
        return Ok(layers);
    }
    let memory = MemoryLimit::read(config.max_process_bytes);
    if let (true, Some(_), Some(memory)) = (config.check_memory, trained, memory) {
        memory.admit(path, &size)?;
    }
    Ok(config.n_gpu_layers)
}

/// What the context of a model is made with.
fn context_params(config: &ModelConfig, cells: &KvCells, header: &GgufHeader) -> ContextParams {
    ContextParams {
        positions: header.positions(),
        cells: cells.total,
        split: cells.split,
        batch: config.batch_size.min(cells.total),
        sequences: config.max_concurrent,
        threads: config.threads_here(),
        kv_type: config.kv_type,
        swa_full: config.swa_full,
        embeddings: false,
    }
}

/// What of these parameters the size of a model depends on.
fn shape(context: &ContextParams) -> ContextShape {
    ContextShape {
        cells: context.cells,
        batch: context.batch,
        kv_type: match context.kv_type {
            KvType::F16 => TensorType::F16,
            KvType::Q8_0 => TensorType::Q8_0,
        },
        swa_full: context.swa_full,
    }
}

/// Where the states of the model in this file are kept on disk, where the operator wants that.
fn store(
    path: &Path,
    header: &GgufHeader,
    config: &ModelConfig,
    context: &ContextParams,
) -> Result<Option<DiskCacheParams>> {
    let Some(root) = &config.state_dir else {
        return Ok(None);
    };
    let fingerprint = Fingerprint::of(path, header, context).map_err(|error| GgufError {
        path: path.to_owned(),
        problem: error.into(),
    });
    let fingerprint = fingerprint.map_err(EngineError::from)?;
    Ok(Some(DiskCacheParams {
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

/// Reads the weights and finds out what the model can do with a text, on a thread that is gone
/// afterwards: llama.cpp rearranges some with OpenMP, and libgomp keeps a team for every thread
/// that has used it. With more threads in teams than cores it lets all of them wait in the kernel,
/// the worker's too, which halves the speed of a single stream. The context that is asked comes and
/// goes there as well: on the caller's thread it left a heap that took minutes to settle (`cargo
/// xtask soak`).
pub(super) fn load_weights(
    path: &Path,
    header: &GgufHeader,
    gpu_layers: Option<u32>,
    progress: impl FnMut(f32) -> bool + Send + 'static,
) -> Result<(Arc<LlamaModel>, Ability)> {
    let read = || {
        let model = Arc::new(read(path, header, gpu_layers, progress)?);
        let ability = Ability::of(&model, header.is_causal());
        let ability = ability.map_err(|error| EngineError::Load {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let ability = ability.ok_or_else(|| EngineError::Kind {
            path: path.to_owned(),
            architecture: architecture(header),
        })?;
        Ok((model, ability))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("mynah-load".to_owned());
        let reader = thread.spawn_scoped(scope, read).map_err(Error::Thread)?;
        reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn read(
    path: &Path,
    header: &GgufHeader,
    gpu_layers: Option<u32>,
    mut progress: impl FnMut(f32) -> bool,
) -> Result<LlamaModel> {
    llama_backend().map_err(EngineError::from)?;
    let mut goes_on = true;
    let loaded = read_weights(path, gpu_layers, may_rearrange(header)?, &mut |share| {
        goes_on = progress(share);
        goes_on
    });
    let path = path.to_owned();
    if !goes_on {
        return Err(Error::LoadCancelled { path });
    }
    Ok(loaded.map_err(|error| EngineError::Load {
        path,
        reason: error.to_string(),
    })?)
}

/// Whether weights may be laid out for fast kernels: not where llama.cpp was built with kernels for
/// AMX that can't be trusted with them.
fn may_rearrange(header: &GgufHeader) -> Result<bool> {
    if !SystemInfo::read()
        .map_err(EngineError::from)?
        .has_feature("AMX_INT8")
    {
        return Ok(true);
    }
    if has_rows_of_one_block(header) {
        tracing::debug!(
            "the model's matrices are too narrow for llama.cpp's AMX kernels: weights are not repacked"
        );
        return Ok(false);
    }
    // With layers on a graphics card, only what stays on the CPU is in danger.
    if !has_amx_header() && !SystemInfo::has_gpu() {
        tracing::warn!(
            "llama.cpp was built with AMX kernels, which end the process with some compilers: they and repacked weights are not \
             used. Build with the folder {AMX_HEADER} of mynah in CPLUS_INCLUDE_PATH for faster kernels"
        );
        return Ok(false);
    }
    Ok(true)
}
