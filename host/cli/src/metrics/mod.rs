//! What the host tells over HTTP from its start to its end: `/metrics` for Prometheus, `/status` as
//! JSON, `/healthz` for a supervisor that restarts a hanging host, and `/readyz` for one that waits
//! until the models are loaded.

mod exposition;
mod table;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mynah_core::{OwnerShare, Registry, Report};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::http;

pub(crate) use table::{Kind, METRICS, Metric, Value, buckets};

/// The host whose status is served, with its models.
#[derive(Debug)]
pub(crate) struct Serving {
    models: Registry,
    /// The names of the models that the host loads at its start.
    granted: Vec<String>,
    component: String,
}

impl Serving {
    /// `granted` are the names under which models will be in `models` once they are loaded;
    /// `component` is the path of the running guest.
    pub(crate) fn new(models: &Registry, granted: Vec<String>, component: &Path) -> Arc<Self> {
        let name = component.file_name().unwrap_or_default();
        Arc::new(Self {
            models: models.clone(),
            granted,
            component: name.to_string_lossy().into_owned(),
        })
    }

    /// The names of the models that are not loaded yet.
    fn loading(&self) -> Vec<String> {
        let is_loading = |name: &&String| self.models.get(name).is_err();
        self.granted.iter().filter(is_loading).cloned().collect()
    }

    /// The host's status now.
    pub(crate) fn status(&self) -> HostStatus {
        let models = self.models.models();
        let owners = models.iter().map(|(name, model)| {
            let mut owners = model.owners();
            owners.sort_by_key(|owner| Reverse((owner.requests, owner.served_tokens)));
            owners.truncate(MAX_OWNERS);
            let owners = owners.into_iter().map(OwnerReport::from).collect();
            (name.clone(), owners)
        });
        HostStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            component: self.component.clone(),
            loading: self.loading(),
            owners: owners.collect(),
            models: models
                .into_iter()
                .map(|(name, model)| (name, model.report()))
                .collect(),
        }
    }
}

/// An owner of requests, and what was computed for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OwnerReport {
    /// The name that the operator gave (`--owner`), or that of one instance of a guest.
    pub(crate) name: String,
    /// The weight in fair scheduling.
    pub(crate) weight: u32,
    /// Number of its requests that wait, run or are parked.
    pub(crate) requests: u64,
    /// Number of tokens that were computed for it, of prompts and answers.
    pub(crate) served_tokens: u64,
}

impl From<OwnerShare> for OwnerReport {
    fn from(share: OwnerShare) -> Self {
        Self {
            name: share.name.to_string(),
            weight: share.weight,
            requests: share.requests as u64,
            served_tokens: share.served_tokens,
        }
    }
}

/// Maximum number of owners of a model in the status. Those with requests come first.
const MAX_OWNERS: usize = 100;

/// The content of `/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HostStatus {
    /// The host's version.
    pub(crate) version: String,
    /// The host's process.
    pub(crate) pid: u32,
    /// The file name of the running guest.
    pub(crate) component: String,
    /// The names of the models that are not loaded yet.
    #[serde(default)]
    pub(crate) loading: Vec<String>,
    /// Status of each model, by the name under which components load it.
    pub(crate) models: BTreeMap<String, Report>,
    /// The owners of each model's requests, 100 at most: those with most requests, then those for
    /// which most was computed.
    #[serde(default)]
    pub(crate) owners: BTreeMap<String, Vec<OwnerReport>>,
}

/// The server. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _http: http::Server,
}

/// Serves the metrics at an address.
///
/// # Errors
///
/// The address cannot be bound.
pub(crate) async fn serve(address: SocketAddr, serving: &Arc<Serving>) -> Result<Server> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("metrics can't be served at {address}: give another address with --metrics")
    })?;
    Ok(Server {
        address: listener.local_addr()?,
        _http: http::serve(
            "metrics",
            listener,
            router(serving),
            http::Bounds::default(),
        ),
    })
}

/// The paths, each with what it serves.
const PATHS: &str = "\
/metrics  figures in the text format of OpenMetrics, for Prometheus
/status   the same figures as JSON
/healthz  200 while the host works, 503 if a model's worker hangs
/readyz   200 while the host works and all models are loaded, else 503
";

/// The routes. They hold only a weak reference to the models, so that an open connection does not
/// keep models loaded when the host ends.
pub(crate) fn router(serving: &Arc<Serving>) -> Router {
    Router::new()
        .route("/", get(PATHS))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::downgrade(serving))
}

/// The answer of a host that is about to end.
const ENDS: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "the host ends\n");

async fn unknown() -> (StatusCode, String) {
    let told = format!("there is no such path: these are the paths\n{PATHS}");
    (StatusCode::NOT_FOUND, told)
}

async fn wrong_method() -> (StatusCode, &'static str) {
    let told = "this path has no such method: the header `allow` lists those that it has\n";
    (StatusCode::METHOD_NOT_ALLOWED, told)
}

async fn metrics(State(serving): State<Weak<Serving>>) -> Response {
    let Some(serving) = serving.upgrade() else {
        return ENDS.into_response();
    };
    match exposition::text(&serving.status()) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn status(State(serving): State<Weak<Serving>>) -> Response {
    match serving.upgrade() {
        Some(serving) => axum::Json(serving.status()).into_response(),
        None => ENDS.into_response(),
    }
}

/// Whether the host works: 200 also while models load, because a restart would only begin the load
/// anew. The answer names the models that load or hang.
async fn health(State(serving): State<Weak<Serving>>) -> Response {
    state(&serving, StatusCode::OK)
}

/// Whether the host works and all models are loaded.
async fn ready(State(serving): State<Weak<Serving>>) -> Response {
    state(&serving, StatusCode::SERVICE_UNAVAILABLE)
}

/// The state of the host in words. `loading` is the status of a host that loads models.
fn state(serving: &Weak<Serving>, loading: StatusCode) -> Response {
    let Some(serving) = serving.upgrade() else {
        return ENDS.into_response();
    };
    let models = serving.models.models().into_iter();
    let hanging: Vec<String> = models
        .filter(|(_, model)| !model.is_alive())
        .map(|(name, _)| name)
        .collect();
    if !hanging.is_empty() {
        let told = format!("no life in the worker of: {}\n", hanging.join(", "));
        return (StatusCode::SERVICE_UNAVAILABLE, told).into_response();
    }
    let names = serving.loading();
    if !names.is_empty() {
        return (loading, format!("loading: {}\n", names.join(", "))).into_response();
    }
    "ok\n".into_response()
}
