//! `mynah:llm/backend-status`: the parts of the report that a guest may see.

use mynah_core as core;
use serde_json::{Value, json};
use wasmtime::component::Resource;

use super::llm::backend_status as wit;
use super::llm::errors::Error;
use crate::llm::work::millis;
use crate::{Graph, LlmCtxView};

impl wit::Host for LlmCtxView<'_> {
    async fn queue(
        &mut self,
        graph: Resource<Graph>,
    ) -> wasmtime::Result<Result<wit::QueueStatus, Error>> {
        let report = self.whole_report(&graph)?;
        Ok(report
            .map(|report| report.queue.into())
            .map_err(Error::from))
    }

    async fn memory(
        &mut self,
        graph: Resource<Graph>,
    ) -> wasmtime::Result<Result<wit::MemoryStatus, Error>> {
        let report = self.whole_report(&graph)?;
        Ok(report
            .map(|report| report.memory.into())
            .map_err(Error::from))
    }

    async fn sessions(
        &mut self,
        graph: Resource<Graph>,
    ) -> wasmtime::Result<Result<wit::SessionsStatus, Error>> {
        let (own, all) = self.sessions_status(&graph)?;
        Ok(Ok(wit::SessionsStatus {
            mine: own.into_iter().map(wit::SessionStatus::from).collect(),
            all: all.map(wit::SessionTotals::from),
        }))
    }

    async fn performance(
        &mut self,
        graph: Resource<Graph>,
    ) -> wasmtime::Result<Result<wit::PerformanceStatus, Error>> {
        let report = self.whole_report(&graph)?;
        Ok(report
            .map(|report| report.performance.into())
            .map_err(Error::from))
    }

    async fn model(
        &mut self,
        graph: Resource<Graph>,
    ) -> wasmtime::Result<Result<wit::ModelStatus, Error>> {
        Ok(Ok(self.model_report(&graph)?.into()))
    }

    async fn json(
        &mut self,
        graph: Resource<Graph>,
        kind: wit::Kind,
    ) -> wasmtime::Result<Result<String, Error>> {
        let value = match kind {
            wit::Kind::Sessions => {
                let (own, all) = self.sessions_status(&graph)?;
                let own: Vec<Value> = own.iter().map(session_json).collect();
                Ok(json!({"mine": own, "all": all}))
            }
            wit::Kind::Model => serde_json::to_value(self.model_report(&graph)?),
            wit::Kind::Queue | wit::Kind::Memory | wit::Kind::Performance => {
                let report = match self.whole_report(&graph)? {
                    Ok(report) => report,
                    Err(error) => return Ok(Err(error.into())),
                };
                match kind {
                    wit::Kind::Queue => serde_json::to_value(report.queue),
                    wit::Kind::Memory => serde_json::to_value(report.memory),
                    _ => serde_json::to_value(report.performance),
                }
            }
        };
        Ok(value
            .map(|value| value.to_string())
            .map_err(|error| Error::RuntimeError(error.to_string())))
    }
}

fn session_json(session: &core::SessionStatus) -> Value {
    json!({
        "id": session.id,
        "state": session.state.name(),
        "tokens": session.tokens,
        "last_used_ms": millis(session.last_used),
    })
}

/// Converts a record whose fields have the same names on both sides. Fields after `into` are
/// converted, too.
macro_rules! record {
    (
        $from:ty => $to:ty
        { $($field:ident),* $(,)? }
        into { $($other:ident),* $(,)? }
        $(rename { $($new:ident: $old:ident),* })?
    ) => {
        impl From<$from> for $to {
            fn from(from: $from) -> Self {
                Self {
                    $($field: from.$field,)*
                    $($other: from.$other.into(),)*
                    $($($new: from.$old.into(),)*)?
                }
            }
        }
    };
}

record!(core::ByPriority => wit::ByPriority { low, normal, high, urgent } into {});
record!(core::QueueReport => wit::QueueStatus {
    length, capacity, running, parked, oldest_wait_ms, estimated_wait_ms, accepted, completed,
    refused, timed_out, cancelled, failed, preempted, exhausted, resumed, fairness,
} into {} rename { waiting: by_priority });
record!(core::MemoryUse => wit::MemoryUse { used, limit } into {});
record!(core::DiskStatus => wit::DiskStatus {
    tokens, bytes, max_bytes, written, read, evictions, damaged, interrupted, failed,
} into {});
record!(core::SessionsReport => wit::SessionTotals {
    open, busy, idle, resident, parked, closed,
} into {});
record!(core::Rate => wit::Rate { prompt, generated } into {});
record!(core::Percentiles => wit::Percentiles { p50_ms, p90_ms, p99_ms } into {});
record!(core::PerformanceReport => wit::PerformanceStatus {
    prompt_tokens, generated_tokens, batch_fill, sampling_share, embedded_texts, steps,
    failed_steps,
} into { now, minute, five_minutes, first_token, between_tokens, step });
record!(core::ModelReport => wit::ModelStatus {
    name, architecture, parameters, quantisation, bytes, context_trained, context_size, layers,
    layers_on_device, loaded_since, kept_until, requests_served,
} into { state });

impl From<core::MemoryReport> for wit::MemoryStatus {
    fn from(memory: core::MemoryReport) -> Self {
        Self {
            cells_used: memory.cells_used,
            cells_idle: memory.cells_idle,
            cells_total: memory.cells_total,
            prefix_tokens: memory.prefix_tokens,
            prefix_bytes: memory.prefix_bytes,
            hits: memory.hits,
            misses: memory.misses,
            hit_rate: memory.hit_rate,
            cached_tokens: memory.cached_tokens,
            evictions: memory.evictions,
            shifts: memory.shifts,
            parked_sessions: memory.parked_sessions,
            parked_bytes: memory.parked_bytes,
            disk: memory.disk.map(wit::DiskStatus::from),
            process: memory.process.map(wit::MemoryUse::from),
            device: memory.device.map(wit::MemoryUse::from),
            pressure: memory.pressure.into(),
        }
    }
}

impl From<core::PressureLevel> for wit::PressureLevel {
    fn from(level: core::PressureLevel) -> Self {
        match level {
            core::PressureLevel::None => Self::None,
            core::PressureLevel::Drop => Self::Drop,
            core::PressureLevel::Park => Self::Park,
            core::PressureLevel::Close => Self::Close,
            core::PressureLevel::Refuse => Self::Refuse,
        }
    }
}

impl From<core::SessionStatus> for wit::SessionStatus {
    fn from(session: core::SessionStatus) -> Self {
        use core::SessionState as State;

        Self {
            id: session.id,
            state: match session.state {
                State::Waiting => wit::SessionState::Waiting,
                State::Running => wit::SessionState::Running,
                State::Preempted => wit::SessionState::Preempted,
                State::Resident => wit::SessionState::Resident,
                State::Parked => wit::SessionState::Parked,
                State::Cold => wit::SessionState::Cold,
            },
            tokens: session.tokens,
            last_used_ms: millis(session.last_used),
        }
    }
}

impl From<core::ModelState> for wit::ModelState {
    fn from(state: core::ModelState) -> Self {
        match state {
            core::ModelState::Loaded => Self::Loaded,
            core::ModelState::Loading => Self::Loading,
            core::ModelState::Unloaded => Self::Unloaded,
        }
    }
}
