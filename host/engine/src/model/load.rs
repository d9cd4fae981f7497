//! Loads a model: checks its file, reads its weights and starts its worker.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use mynah_chat::{ChatTemplate, built_in_source, for_vocabulary};
use mynah_core::{About, Capabilities, Error, MemoryUse, Progress, Result};
use mynah_grammar::Grammars;
use mynah_llama::{
    Ability, ContextParams, LlamaBuild, LlamaModel, MappedFiles, SystemInfo, device_memory,
};
use mynah_schedule::SessionLimits;
use mynah_settings::{ChatTemplateName, KvCells, KvType, ModelConfig};

use super::gguf::{ContextShape, GgufError, GgufHeader, ModelSize, TensorType};
use super::info::model_info;
use super::loaded::{Known, Loaded};
use super::optimize;
use super::recommended::recommended;
use super::tokenizer::Tokenizer;
use super::vocabulary::ModelVocabulary;
use super::weights::{load_weights, open_files};
use crate::EngineError;
use crate::decode::{DiskCacheParams, Pooling, QueueLimits, RequestQueue, Worker, WorkerParams};
use crate::disk::Fingerprint;
use crate::memory_limit::{MemoryLimit, MemoryWatch};
use crate::prepare::Pool;

/// Share of the progress for a conversion, if there is one.
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
        let file = file_to_load(path, &config, &mut progress)?;
        let header = &file.header;
        let layers = gpu_layers(&file.path, header, &config)?;
        let begun = file.progress;
        let (llama, ability) = load_weights(file.files, header, layers, move |share| {
            progress(begun + share * (1.0 - begun)).flow().is_continue()
        })?;
        let built_in = built_in_template(header, &config, &llama);
        let mut info = model_info(path, header, &llama, &config, ability);
        info.optimized_from = file.optimized_from;
        info.chat_template = built_in;
        if SystemInfo::has_gpu() {
            info.layers_on_device = layers.unwrap_or(0).min(info.layers);
        }
        let vocabulary = ModelVocabulary(Arc::clone(&llama));
        let template = chat_template(header, built_in, &vocabulary);
        let cells = match ability {
            Ability::Continue => config.kv_cells_for(info.context_size)?,
            Ability::Embed => KvCells::NONE,
        };
        let params = WorkerParams {
            context: context_params(&config, &cells, header),
            context_tokens: info.context_size,
            ability,
            config: Arc::clone(&config),
        };
        let queue = Arc::new(request_queue(&config, &info.name));
        let store = match ability {
            Ability::Continue => store(&file.path, header, &config, &params.context)?,
            Ability::Embed => None,
        };
        let worker = Worker::start(Arc::clone(&llama), params, store, Arc::clone(&queue));
        let worker = worker.map_err(|error| match llama.files().has_changed() {
            true => EngineError::FileChanged { path: file.path }.into(),
            false => error,
        })?;
        tracing::info!(
            file_model = info.name,
            architecture = info.architecture,
            context_size = info.context_size,
            "model loaded"
        );
        let pooling = Pooling::of(header);
        Ok(Self {
            _worker: worker,
            queue,
            pool: Pool::of_process(),
            tokenizer: Tokenizer::new(&llama, header, &info.name),
            template,
            format: OnceLock::new(),
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
                    recommended: recommended(header),
                }),
                pooling,
                config,
            }),
        })
    }
}

/// A file to load.
struct FileToLoad {
    path: PathBuf,
    files: MappedFiles,
    header: GgufHeader,
    /// The type of the weights that it was converted from, if it was.
    optimized_from: Option<String>,
    /// The progress so far.
    progress: f32,
}

/// Checks a model's file, and converts it if the operator requests it.
fn file_to_load<P: Progress>(
    path: &Path,
    config: &ModelConfig,
    progress: &mut impl FnMut(f32) -> P,
) -> Result<FileToLoad> {
    // llama.cpp reports little about a bad file and trusts a good one, so the header is checked
    // first.
    let (files, header) = open_files(path)?;
    // A conversion cannot be cancelled. If `progress` cancels the load meanwhile, it ends
    // afterwards.
    let mut goes_on = true;
    let converted = converted(path, config, &mut |share| {
        goes_on &= progress(share).flow().is_continue();
    })?;
    if !goes_on {
        return Err(Error::LoadCancelled {
            path: path.to_owned(),
        });
    }
    Ok(match converted {
        Some(converted) => {
            let optimized_from = Some(header.file_type());
            let (files, header) = open_files(&converted)?;
            FileToLoad {
                optimized_from,
                files,
                header,
                path: converted,
                progress: CONVERTED,
            }
        }
        None => FileToLoad {
            path: path.to_owned(),
            files,
            header,
            optimized_from: None,
            progress: 0.0,
        },
    })
}

/// The queue of a model.
fn request_queue(config: &ModelConfig, name: &str) -> RequestQueue {
    let sessions = SessionLimits {
        most: config.max_sessions,
        most_of_owner: config.owner_sessions(),
        idle_timeout: config.idle_timeout,
        auto_cleanup: config.auto_cleanup,
        resume_closed: config.resume_closed,
    };
    let device = || device_memory().map(|(used, limit)| MemoryUse { used, limit });
    let memory =
        MemoryWatch::of_process(config.max_process_bytes, config.pressure_threshold, device);
    RequestQueue::new(
        QueueLimits {
            all: config.queue_size as usize,
            of_owner: config.owner_queue() as usize,
        },
        config.ageing,
        sessions,
        memory,
        name.into(),
    )
}

/// The template that messages are rendered with: a built-in one, or the file's own.
fn chat_template(
    header: &GgufHeader,
    built_in: Option<ChatTemplateName>,
    vocabulary: &ModelVocabulary,
) -> ChatTemplate {
    match (built_in, header.chat_template()) {
        (None, Some(own)) => ChatTemplate::new(own, header.tool_template(), vocabulary),
        (name, _) => {
            let name = name.unwrap_or(ChatTemplateName::Plain);
            ChatTemplate::new(built_in_source(name), None, vocabulary)
        }
    }
}

/// The name of this backend in errors and reports.
pub const BACKEND: &str = "llama.cpp";

/// The features of this backend for the model of a file, as far as the header shows them. They are
/// only certain after loading, because only llama.cpp knows which architectures give vectors.
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
    let pooling = Pooling::of(header);
    capabilities(ability, &split, pooling.is_ok())
}

/// The features of llama.cpp for a model.
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
        // If llama.cpp cannot move cells, the remaining tokens are computed again.
        context_shifting: text,
    }
}

/// The build of llama.cpp, with the names that guests of core modules know.
#[must_use]
pub fn build() -> Vec<(&'static str, serde_json::Value)> {
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

/// The built-in template for messages: the operator's choice, or one that matches the vocabulary if
/// the file has no template.
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
    let template = name.name();
    if header.has_empty_template() {
        tracing::warn!(
            template,
            "the model's file has an empty chat template: a built-in one is used"
        );
    } else {
        tracing::info!(
            template,
            "the model's file has no chat template: a built-in one is used"
        );
    }
    Some(name)
}

/// Number of layers to put on graphics cards. `None` without a card: then this checks that there is
/// enough memory for the model.
fn gpu_layers(path: &Path, header: &GgufHeader, config: &ModelConfig) -> Result<Option<u32>> {
    let trained = header.context_length();
    let context = config.context_for(
        trained.unwrap_or(ModelConfig::DEFAULT_CTX_SIZE),
        header.positions(),
    );
    let cells = config.kv_cells_for(context)?;
    let size = ModelSize::of(header, &shape(&context_params(config, &cells, header)));
    if SystemInfo::has_gpu() {
        // The operator's choice is not checked.
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

/// The parameters of a model's context.
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

/// The parameters that the size of a model depends on.
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

/// The disk cache of the model in this file, if the operator requests one.
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

/// The converted file to load instead of `path`, if the operator requests one.
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
