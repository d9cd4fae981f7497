//! What a model is doing: its counters, how fast it is, and the report that every view shows.

mod counters;
mod ignored;
mod meter;
mod report;
mod snapshot;

pub use counters::{
    CacheStatus, DiskStatus, EmbeddingStatus, OwnerShare, Requests, SessionState, SessionStatus,
    Status,
};
pub use ignored::IgnoredKey;
pub(crate) use ignored::IgnoredKeys;
pub use meter::{Histogram, Meter, Performance, Rate, StepNote};
pub use report::{
    ByPriority, Histograms, MemoryReport, ModelReport, Percentiles, PerformanceReport, QueueReport,
    Report, SessionsReport,
};
pub use snapshot::{ModelState, Presence, Snapshot};
