//! A model in memory: its worker and all that requests are checked with.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::llama::LlamaModel;
use crate::llama::TokenId;
use mynah_grammar::Grammars;
use mynah_settings::KvCells;

use super::ModelInfo;
use super::chat::ChatTemplate;
use super::fit::Past;
use crate::decode::{
    Job, Outlet, Pooling, QueueLimit, RequestQueue, Sampler, SamplerParts, Worker, Writer,
};
use crate::request_log::RequestLog;
use crate::{Effective, Error, Generation, ModelConfig, Observer, Owner, Prompt, Result, Settings};

/// A model in memory. When the last session's generation and handle of it is gone, its worker ends
/// and its memory is free.
#[derive(Debug)]
pub(crate) struct Loaded {
    // First, so that the worker has ended before the rest goes.
    pub(super) _worker: Worker,
    pub(crate) queue: Arc<RequestQueue>,
    pub(super) llama: Arc<LlamaModel>,
    pub(super) grammars: Grammars,
    pub(super) template: ChatTemplate,
    pub(super) ends: OnceLock<Vec<TokenId>>,
    pub(super) cells: KvCells,
    pub(crate) about: Arc<About>,
    pub(super) since: Instant,
}

/// What stays known of a model that was unloaded.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) info: Arc<ModelInfo>,
    /// What the log calls it: its name.
    pub(crate) label: Arc<str>,
    /// What its file recommends.
    pub(crate) recommended: Settings,
    /// How the vectors of tokens become one of the text, or the number in the file where there are
    /// none.
    pub(crate) pooling: std::result::Result<Pooling, u32>,
    /// How it is served.
    pub(crate) config: Arc<ModelConfig>,
    /// Who is told of every request that has ended.
    pub(crate) observer: Option<Observer>,
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

impl Loaded {
    /// Gives up a share of the model. The last one waits until the worker has ended, on a thread of
    /// its own: who reads a generation may not block.
    pub(crate) fn let_go(self: Arc<Self>) {
        if let Some(last) = Arc::into_inner(self) {
            let spawned = std::thread::Builder::new()
                .name("mynah-unload".to_owned())
                .spawn(move || drop(last));
            if let Err(error) = spawned {
                // Then it has been dropped here.
                tracing::debug!(%error, "no thread to unload a model");
            }
        }
    }

    /// Checks, tokenises and queues a request, whose answer is read `by_token` or as it comes.
    pub(crate) fn submit(
        self: &Arc<Self>,
        prompt: Prompt,
        settings: Settings,
        asker: Asker<'_>,
        by_token: bool,
        log: &Arc<RequestLog>,
    ) -> Result<Generation> {
        let About { config, info, .. } = &*self.about;
        settings.check()?;
        let effective = Arc::new(self.effective(settings, asker.settings));
        log.set_settings(&effective);
        if info.vectors_only {
            return Err(Error::VectorsOnly {
                model: info.name.clone(),
                architecture: info.architecture.clone(),
            });
        }
        if effective.embedding {
            return Err(Error::VectorsAsked);
        }
        if effective.scheduling.deterministic && !self.cells.split {
            let cells = self.cells.total;
            return Err(Error::NotDeterministic { cells });
        }
        config.check_cache_tokens(&effective.memory)?;
        let asked_at = Instant::now();
        let fitted = self.fit(prompt, &effective, asker.past)?;
        let parts = SamplerParts::new(
            &effective,
            &self.llama,
            || self.ends(),
            info.vocabulary,
            info.context_size,
        )?;
        let form = effective.output.as_ref();
        let constraint = form
            .map(|form| self.grammars.constraint(form))
            .transpose()?;
        let max_unread_bytes = config.max_unread_bytes as usize;
        let outlet = Arc::new(match by_token {
            true => Outlet::by_token(max_unread_bytes),
            false => Outlet::new(max_unread_bytes),
        });
        self.queue.submit(Job {
            sampler: Sampler::new(&effective, parts, &fitted.tokens),
            prompt: fitted.tokens,
            constraint,
            settings: Arc::clone(&effective),
            outlet: Writer::new(Arc::clone(&outlet)),
            log: Arc::clone(log),
            owner: asker.owner.clone(),
            session: asker.session,
            trim_policy: fitted.trim_policy,
            forgotten: fitted.forgotten,
            asked_at,
            queue_limit: QueueLimit::new(config.default_task_timeout, &effective),
        })?;
        Ok(Generation::new(
            outlet,
            effective,
            Arc::clone(self),
            log.number,
        ))
    }

    /// The settings in force for a request with these in a session with those.
    pub(super) fn effective(&self, settings: Settings, session: &Settings) -> Effective {
        let merged = settings
            .or(session)
            .or(&self.about.config.defaults)
            .or(&self.about.recommended);
        merged.resolve(draw_seed)
    }

    /// The tokens that end a generation, looked for once: a vocabulary is large.
    fn ends(&self) -> &[TokenId] {
        self.ends.get_or_init(|| {
            let last = i32::try_from(self.about.info.vocabulary).unwrap_or(i32::MAX);
            let all = (0..last).map(TokenId);
            all.filter(|&token| self.llama.vocab().is_eog(token))
                .collect()
        })
    }
}

/// A seed that differs each time: the standard library's hash keys are random for the process and
/// count up.
fn draw_seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};

    let bits = RandomState::new().hash_one(Instant::now());
    // The upper half is as random as the lower. The highest number is no seed, see `Seed`.
    u32::try_from(bits >> 32).map_or(0, |seed| seed.min(u32::MAX - 1))
}
