//! One conversation with a model.

use std::sync::{Arc, Weak};

use crate::config::in_force;
use crate::decode::Outlet;
use crate::model::{Asker, Past};
use crate::{Error, Generation, Level, Model, Owner, Prompt, Result, SettingInForce, Settings};

/// One conversation with a model. It runs one generation at a time; dropping it cancels that.
#[derive(Debug)]
pub struct Session {
    model: Model,
    owner: Owner,
    settings: Settings,
    number: u64,
    past: Past,
    current: Weak<Outlet>,
}

impl Session {
    /// Counted by the model, which `drop` tells.
    pub(crate) fn new(model: Model, owner: Owner, number: u64) -> Self {
        Self {
            model,
            owner,
            settings: Settings::default(),
            number,
            past: Past::default(),
            current: Weak::new(),
        }
    }

    /// Sets how text is made in this session where the request doesn't say. What was set before is forgotten; a generation
    /// that runs goes on as it began.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with every setting that is out of range; then nothing is changed.
    pub fn configure(&mut self, settings: Settings) -> Result<()> {
        settings.check()?;
        self.settings = settings;
        Ok(())
    }

    /// Every setting as it is in force for a request that sets nothing itself, and who said so.
    #[must_use]
    pub fn effective(&self) -> Vec<SettingInForce> {
        in_force(&[
            (Level::Session, &self.settings),
            (Level::Model, self.model.defaults()),
            (Level::File, self.model.recommended()),
        ])
    }

    /// Checks, tokenises and queues a request. Everything that is wrong with it is answered here, before any model work.
    ///
    /// Tokenising takes time in proportion to the prompt, which [`ModelConfig::max_prompt_bytes`] bounds.
    ///
    /// [`ModelConfig::max_prompt_bytes`]: crate::ModelConfig::max_prompt_bytes
    ///
    /// # Errors
    ///
    /// A setting out of range, an empty or too long prompt, an unknown token, messages that the model's template can't
    /// render, a session that generates already ([`Error::SessionBusy`]), a deterministic request where sequences share
    /// their KV cells ([`Error::NotDeterministic`]), a full queue ([`Error::Busy`]), or a session that was closed because
    /// nobody had used it ([`Error::SessionClosed`]).
    pub fn start(&mut self, prompt: Prompt, settings: Settings) -> Result<Generation> {
        if self
            .current
            .upgrade()
            .is_some_and(|outlet| outlet.is_open())
        {
            return Err(Error::SessionBusy);
        }
        let asker = Asker {
            owner: &self.owner,
            session: self.number,
            settings: &self.settings,
            past: &mut self.past,
        };
        let generation = self.model.submit(prompt, settings, asker)?;
        self.current = Arc::downgrade(generation.outlet());
        Ok(generation)
    }

    /// Who asks.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The model that this session talks to.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(outlet) = self.current.upgrade() {
            // Its reader may still read what was made, and the end.
            outlet.cancel();
            self.model.wake();
        }
        self.model.close_session(self.number);
    }
}
