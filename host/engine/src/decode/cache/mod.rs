//! The KV cells of a model, and the prefix cache in them, in host memory and on disk.
//!
//! [`CacheManager`] manages all of it. It only knows sequences by their numbers, and is independent
//! of the queue, the scheduler and requests.

mod disk_cache;
mod disk_state;
mod entry;
mod kv;
mod lookup;
mod manager;
mod own_entry;
mod parked;
mod pressure;
mod retain;
mod shift;
mod write_back;

#[cfg(test)]
pub(super) use disk_cache::DiskCache;
pub(crate) use disk_cache::DiskCacheParams;
pub(super) use disk_state::DiskState;
pub(super) use entry::{SequenceId, Wanted};
pub(super) use lookup::{Computed, LEAST_GAIN, LastCopy};
pub(super) use manager::CacheManager;
pub(super) use own_entry::{Admitted, Arrival, Reused};
pub(super) use parked::ParkedState;
pub(super) use retain::Finished;
