//! The KV cells of a model and what is remembered in them, in host memory and on disk.

mod disk_cache;
mod kv;
mod lookup;
mod own_entry;
mod pressure;
mod retain;
mod store_wait;

pub(super) use disk_cache::DiskCache;
pub(crate) use disk_cache::DiskCacheParams;
pub(super) use kv::Kv;
pub(super) use pressure::Ease;
pub(super) use store_wait::{DiskStart, StoreWait};
