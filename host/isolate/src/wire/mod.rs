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

pub(crate) use error::{EndError, WireError};

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
    /// Asks for the bytes of tokens. The answer is one [`FromChild::Ended`].
    Detokenise {
        request: u64,
        tokens: Vec<u32>,
        control: bool,
        owner: String,
        weight: u32,
    },
    /// Allows the next [`FromChild::Events`] of a request.
    More { request: u64 },
    /// Cancels a request, which still ends with [`FromChild::Ended`]. If its reader has left, the
    /// next request of the session may start.
    Cancel { request: u64, has_left: bool },
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
        end: Result<Answer, EndError>,
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
    /// The bytes of tokens.
    Bytes(Vec<u8>),
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

#[cfg(test)]
mod tests {
    use mynah_settings::Reading;
    use proptest::prelude::*;

    use super::*;

    fn arrives<M: Serialize + serde::de::DeserializeOwned>(message: &M) -> M {
        let bytes = frame::frame(message, MAX).unwrap();
        frame::read(&mut bytes.as_slice(), MAX).unwrap()
    }

    const MAX: usize = 1 << 20;

    /// Settings as an operator or a guest writes them.
    fn document() -> impl Strategy<Value = String> {
        let number = prop::num::f32::POSITIVE.prop_map(|number| number.clamp(0.0, 2.0));
        let texts = prop::collection::vec("[a-z\"é]{1,8}", 0..4);
        let fields = (
            prop::option::of(number),
            prop::option::of(any::<u32>()),
            prop::option::of(1_u32..5000),
            prop::option::of(texts),
            prop::option::of(prop::collection::btree_map(
                0_u32..999,
                -100.0_f32..100.0,
                0..4,
            )),
            prop::option::of(any::<bool>()),
            prop::option::of("[a-z]{1,8}"),
        );
        fields.prop_map(
            |(temperature, seed, max_tokens, stop, bias, shifting, regex)| {
                let mut all = serde_json::Map::new();
                let mut put = |section: &str, key: &str, value: Option<serde_json::Value>| {
                    if let Some(value) = value {
                        let section = all.entry(section).or_insert_with(|| serde_json::json!({}));
                        section[key] = value;
                    }
                };
                put("sampling", "temperature", temperature.map(Into::into));
                put("sampling", "seed", seed.map(Into::into));
                put(
                    "sampling",
                    "logit_bias",
                    bias.map(|bias| {
                        let keys = bias.into_iter();
                        keys.map(|(key, bias)| (key.to_string(), serde_json::Value::from(bias)))
                            .collect()
                    }),
                );
                put("stopping", "max_tokens", max_tokens.map(Into::into));
                put("stopping", "stop", stop.map(Into::into));
                put("memory", "context_shifting", shifting.map(Into::into));
                put("output", "regex", regex.map(Into::into));
                serde_json::Value::from(all).to_string()
            },
        )
    }

    proptest! {
        #[test]
        fn settings_arrive_as_they_were(document in document()) {
            let read = Reading::json(document.as_bytes()).for_operator(true).unwrap();
            let settings = read.operator.settings.clone();
            prop_assert_eq!(arrives(&settings), settings);
            let config = read.operator.config();
            prop_assert_eq!(arrives(&config), config);
        }

        #[test]
        fn probabilities_arrive_to_the_last_bit(id: u32, bytes: Vec<u8>, bits: u32) {
            let log_prob = f32::from_bits(bits);
            let token = mynah_core::TokenProb { id, bytes, log_prob };
            let arrived = arrives(&token);
            prop_assert_eq!(arrived.log_prob.to_bits(), bits);
            prop_assert_eq!((arrived.id, arrived.bytes), (token.id, token.bytes));
        }
    }

    #[test]
    fn figures_arrive_as_they_were() {
        let figures = Figures::default();
        let arrived = arrives(&figures);
        assert_eq!(arrived.status, figures.status);
    }
}
