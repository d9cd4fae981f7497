//! The operator's view of a running host, and changes to it: status, metrics, logs, traces, the
//! control socket and `mynah top`.

mod control;
mod endpoints;
mod logging;
mod status;
mod telemetry;
mod top;
