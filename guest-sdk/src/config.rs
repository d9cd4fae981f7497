//! Settings that the host keeps for a session, and the settings in force.

use crate::bindings::mynah::llm::llm_config as wit;
use crate::{Model, Options, Problem, Result, Session};

impl Session {
    /// Stores these options at the host for all requests of this session, in place of those stored
    /// before. Options of a request or of [`Session::with_options`] override them one by one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSettings`](crate::Error::InvalidSettings) with every invalid setting; the
    /// stored options are then unchanged.
    pub fn configure(&self, options: impl Into<Options>) -> Result<()> {
        Ok(wit::configure(self.context(), &options.into().into())?)
    }

    /// As [`Session::configure`], from a JSON document in any dialect that the host reads: nested
    /// or flat, with underscores or hyphens, as llama.cpp's server or WasmEdge's GGML backend take
    /// it. Returns warnings about the document. With `strict`, a warning is an error.
    ///
    /// ```no_run
    /// # fn main() -> mynah_guest::Result<()> {
    /// let session = mynah_guest::Model::load("default")?.session()?;
    /// for warning in session.configure_json(r#"{"temp": 0.7, "n-predict": 64}"#, false)? {
    ///     eprintln!("{}", warning.message);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSettings`](crate::Error::InvalidSettings) with all problems of the document;
    /// then nothing is changed.
    pub fn configure_json(&self, json: &str, strict: bool) -> Result<Vec<Problem>> {
        let warnings = wit::configure_json(self.context(), json, strict)?;
        Ok(warnings.into_iter().map(Problem::from).collect())
    }

    /// Every setting in force for a request without settings of its own, and the origin of each.
    ///
    /// # Errors
    ///
    /// What the host says.
    pub fn effective(&self) -> Result<Vec<SettingInForce>> {
        let all = wit::effective(self.context())?;
        Ok(all.into_iter().map(SettingInForce::from).collect())
    }
}

impl Model {
    /// [`Model::load`] with settings for all of its sessions, in the format of
    /// [`Session::configure_json`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::Error::NotFound) when no such model is granted, and
    /// [`Error::InvalidSettings`](crate::Error::InvalidSettings).
    pub fn load_with_config(name: &str, json: &str, strict: bool) -> Result<(Self, Vec<Problem>)> {
        let loaded = wit::load_by_name_with_config(name, json, strict)?;
        let warnings = loaded.warnings.into_iter().map(Problem::from).collect();
        Ok((Self::new(loaded.graph), warnings))
    }
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingInForce {
    /// The setting's path, such as `sampling.top_p`.
    pub path: String,
    /// The value as JSON; `null` if there is none.
    pub value: String,
    /// The origin of the value.
    pub origin: Origin,
}

/// The origin of a setting's value. The first of these that sets the value wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The request itself.
    Request,
    /// The session.
    Session,
    /// The operator, in the model's configuration.
    Model,
    /// The model's own file.
    File,
    /// The default, because nothing else sets it.
    Default,
}

impl From<wit::EffectiveSetting> for SettingInForce {
    fn from(setting: wit::EffectiveSetting) -> Self {
        Self {
            path: setting.path,
            value: setting.value,
            origin: match setting.origin {
                wit::Origin::Request => Origin::Request,
                wit::Origin::Session => Origin::Session,
                wit::Origin::Model => Origin::Model,
                wit::Origin::File => Origin::File,
                wit::Origin::Default => Origin::Default,
            },
        }
    }
}
