//! Figures over HTTP while a component runs: `/metrics` for Prometheus, `/status` as JSON, `/healthz` for whoever restarts what hangs.

mod exposition;
mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mynah_engine::{Registry, Report};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What `/status` tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HostStatus {
    /// Of the host.
    pub(crate) version: String,
    /// By the names under which components load them.
    pub(crate) models: BTreeMap<String, Report>,
}

impl HostStatus {
    fn of(models: &Registry) -> Self {
        let models = models.models().into_iter();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: models.map(|(name, model)| (name, model.report())).collect(),
        }
    }
}

/// The server. It ends when this goes.
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

/// Serves the figures of these models.
///
/// # Errors
///
/// An address that can't be had.
pub(crate) async fn serve(address: SocketAddr, models: &Registry) -> Result<Server> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("figures can't be served at {address}: give another address with --metrics")
    })?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/healthz", get(health))
        .with_state(Arc::new(models.clone()));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "figures are no longer served");
        }
    });
    Ok(Server { address, task })
}

async fn metrics(State(models): State<Arc<Registry>>) -> Response {
    match exposition::text(&HostStatus::of(&models)) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn status(State(models): State<Arc<Registry>>) -> Response {
    axum::Json(HostStatus::of(&models)).into_response()
}

/// Whether every model's worker does what it should; who doesn't is named.
async fn health(State(models): State<Arc<Registry>>) -> Response {
    let models = models.models().into_iter();
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
