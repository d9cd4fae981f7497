//! The messages between the host and the process of a model.
//!
//! Both are the same executable, so the encoding has no versions. The host trusts nothing that it
//! receives: every message of the process answers one that the host sent, and the table of requests
//! in `parent` checks that.

mod error;
pub(crate) mod frame;

use mynah_core::{
    Capabilities, Embeddings, Event, ModelInfo, Outcome, OwnerShare, Prompt, SessionStatus, Status,
};
use mynah_settings::{ModelConfig, Settings};
use serde::{Deserialize, Serialize};

pub(crate) use error::WireError;

use crate::Confinement;

/// A message of the host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToChild {
    /// Confines the process and loads the model. The first message.
    Load(Box<ModelConfig>),
    /// Confines the process and tries what that forbids. The first and only message.
    Probe,
    /// Opens a session.
    Open {
        session: u64,
        owner: String,
        weight: u32,
    },
    /// Closes a session.
    Close { session: u64 },
    /// Starts a request for text. The answers are [`FromChild::Started`], any number of
    /// [`FromChild::Events`] and one [`FromChild::Ended`].
    Text {
        request: u64,
        session: u64,
        prompt: Prompt,
        settings: Box<Settings>,
        by_token: bool,
    },
    /// Starts a request for vectors. The answer is one [`FromChild::Ended`].
    Vectors {
        request: u64,
        session: u64,
        texts: Vec<Prompt>,
        settings: Box<Settings>,
    },
    /// Asks for the tokens of a prompt. The answer is one [`FromChild::Ended`].
    Tokens {
        request: u64,
        prompt: Prompt,
        owner: String,
        weight: u32,
    },
    /// Allows the next [`FromChild::Events`] of a request.
    More { request: u64 },
    /// Cancels a request, which still ends with [`FromChild::Ended`].
    Cancel { request: u64 },
    /// Asks for one [`FromChild::Figures`].
    Figures,
}

/// A message of the model's process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromChild {
    /// The process is confined. The answer to [`ToChild::Load`] begins with it.
    Confined(Confinement),
    /// The share of the load that is done, 0.0 to 1.0.
    Progress(f32),
    /// The model is in memory.
    Loaded(Box<WireAbout>),
    /// The model could not be loaded.
    NotLoaded(WireError),
    /// The answer to [`ToChild::Probe`].
    Probed(Probed),
    /// A request for text was accepted.
    Started { request: u64 },
    /// Events of a request, and the number of its tokens so far. The next ones need a
    /// [`ToChild::More`].
    Events {
        request: u64,
        events: Vec<Event>,
        tokens: u32,
    },
    /// The end of a request, with the figures then.
    Ended {
        request: u64,
        end: Result<Answer, WireError>,
        figures: Box<Figures>,
    },
    /// The answer to [`ToChild::Figures`].
    Figures(Box<Figures>),
}

/// What a request ended with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// A generation ended.
    Text(Outcome),
    /// The vectors.
    Vectors(Embeddings),
    /// The tokens of a prompt.
    Tokens(Vec<u32>),
}

/// What only the process knows of the model. The host knows the rest of
/// [`About`](mynah_core::About).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireAbout {
    pub(crate) info: ModelInfo,
    pub(crate) capabilities: Capabilities,
    pub(crate) recommended: Settings,
}

/// What the model is doing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) status: Status,
    pub(crate) sessions: Vec<SessionStatus>,
    pub(crate) owners: Vec<WireShare>,
}

/// [`OwnerShare`] on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WireShare {
    name: String,
    weight: u32,
    served_tokens: u64,
    requests: u64,
}

impl From<OwnerShare> for WireShare {
    fn from(share: OwnerShare) -> Self {
        Self {
            name: share.name.to_string(),
            weight: share.weight,
            served_tokens: share.served_tokens,
            requests: share.requests as u64,
        }
    }
}

impl From<&WireShare> for OwnerShare {
    fn from(share: &WireShare) -> Self {
        Self {
            name: share.name.as_str().into(),
            weight: share.weight,
            served_tokens: share.served_tokens,
            requests: usize::try_from(share.requests).unwrap_or(usize::MAX),
        }
    }
}

/// What a confined process was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probed {
    pub(crate) confinement: Confinement,
    /// Whether it could open a file of the host.
    pub(crate) opens_files: bool,
    /// Whether it could make a file.
    pub(crate) writes_files: bool,
    /// Whether it could make a socket.
    pub(crate) opens_sockets: bool,
    /// Whether it could start a process.
    pub(crate) starts_processes: bool,
}
