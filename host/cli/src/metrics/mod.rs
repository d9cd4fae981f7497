//! An HTTP server for metrics while a component runs: `/metrics` for Prometheus, `/status` as JSON,
//! `/healthz` for a supervisor that restarts a hanging host.

mod exposition;
mod table;

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
use mynah_core::{ModelInfo, Registry, Report};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) use table::{Kind, METRICS, Metric, Value, buckets};

/// The host whose status is served, with its models.
#[derive(Debug)]
pub(crate) struct Serving {
    models: Registry,
    component: String,
}

impl Serving {
    /// `component` is the path of the running guest.
    pub(crate) fn new(models: &Registry, component: &Path) -> Arc<Self> {
        let name = component.file_name().unwrap_or_default();
        Arc::new(Self {
            models: models.clone(),
            component: name.to_string_lossy().into_owned(),
        })
    }

    /// The name under which components load a model.
    pub(crate) fn name_of(&self, info: &Arc<ModelInfo>) -> Option<String> {
        let mut models = self.models.models().into_iter();
        let named = models.find(|(_, model)| model.info() == *info);
        named.map(|(name, _)| name)
    }

    /// The host's status now.
    pub(crate) fn status(&self) -> HostStatus {
        let models = self.models.models().into_iter();
        HostStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            component: self.component.clone(),
            models: models.map(|(name, model)| (name, model.report())).collect(),
        }
    }
}

/// The content of `/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HostStatus {
    /// The host's version.
    pub(crate) version: String,
    /// The host's process.
    pub(crate) pid: u32,
    /// The file name of the running guest.
    pub(crate) component: String,
    /// Status of each model, by the name under which components load it.
    pub(crate) models: BTreeMap<String, Report>,
}

/// The server. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
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
    let address = listener.local_addr()?;
    let router = router(serving);
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "metrics are no longer served");
        }
    });
    Ok(Server { address, task })
}

/// The routes. They hold only a weak reference to the models, so that an open connection does not
/// keep models loaded when the host ends.
pub(crate) fn router(serving: &Arc<Serving>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/healthz", get(health))
        .with_state(Arc::downgrade(serving))
}

/// The answer of a host that is about to end.
const ENDS: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "the host ends\n");

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

/// Whether every model's worker makes progress. The answer names those that do not.
async fn health(State(serving): State<Weak<Serving>>) -> Response {
    let Some(serving) = serving.upgrade() else {
        return ENDS.into_response();
    };
    let models = serving.models.models().into_iter();
    let hanging: Vec<String> = models
        .filter(|(_, model)| !model.is_alive())
        .map(|(name, _)| name)
        .collect();
    if hanging.is_empty() {
        return "ok\n".into_response();
    }
    let told = format!("no life in the worker of: {}\n", hanging.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, told).into_response()
}
