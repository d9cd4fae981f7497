//! Frees memory according to the pressure level.

use std::time::{Duration, Instant};

use mynah_core::log::MEMORY;
use mynah_core::{MemoryUse, Pressure, PressureLevel};

use super::disk_cache::is_to_be_written;
use super::entry::CacheEntry;
use super::manager::CacheManager;
use crate::decode::executor::Executor;
use crate::memory_limit::{BETWEEN_LOOKS, MemoryWatch};

/// Time between two looks at memory while the worker has nothing else to do, and holds memory that
/// it could free.
const WHEN_IDLE: Duration = Duration::from_secs(2);

impl<C: Executor> CacheManager<C> {
    /// Does the regular work: removes the entries of owners that are gone, frees memory if it is
    /// short, handles the answers of the disk thread, and writes entries to disk.
    pub(in crate::decode) fn tick(&mut self, now: Instant, memory: &MemoryWatch) {
        self.forget_gone();
        self.relieve(now, memory);
        // Comes after that, so that a state which was read for a sequence is not evicted before the
        // sequence has it.
        self.take_answers(now);
        self.write_back(now);
    }

    /// When [`tick`](Self::tick) has work to do though nothing happens: an entry is to be written,
    /// or memory is to be looked at.
    pub(in crate::decode) fn next_tick(&self) -> Option<Instant> {
        let is_short = self.pressure.level > PressureLevel::None;
        let look = (is_short || self.saved_bytes() > 0).then(|| self.next_look + WHEN_IDLE);
        self.next_write().into_iter().chain(look).min()
    }

    /// Measures memory if it is due, and takes the measures of the pressure level.
    fn relieve(&mut self, now: Instant, memory: &MemoryWatch) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + BETWEEN_LOOKS;
        let in_use = memory.in_use(now);
        let threshold = memory.threshold();
        let running = self.kv.used().saturating_sub(self.idle_cells());
        let pressure = Pressure {
            level: PressureLevel::None,
            cells: share(running, u64::from(self.params.context.cells)),
            parked: share(self.bytes_in_use(), self.params.config.max_parked_bytes),
            process: in_use.process,
            device: in_use.device,
        }
        .with_level(threshold);
        let before = std::mem::replace(&mut self.pressure, pressure);
        if pressure.level != before.level {
            tracing::info!(
                target: MEMORY,
                model = &*self.model,
                pressure = pressure.level.name(),
                before = before.level.name(),
                cells = pressure.cells,
                parked = pressure.parked,
                process = pressure.process.map(MemoryUse::share),
                device = pressure.device.map(MemoryUse::share),
                "memory pressure changed"
            );
        }
        // Evicting entries from host memory helps against no other shortage.
        let level = PressureLevel::of_process(pressure.process, threshold);
        if level >= PressureLevel::Drop {
            self.drop_unused();
        }
        if level >= PressureLevel::Park {
            self.empty_host_memory();
        }
        // The process's memory in use includes the states that are held here.
        let held = self.bytes_in_use() + self.saved_bytes();
        let free = in_use
            .process
            .map_or(u64::MAX, |process| free_below(process, threshold));
        self.allowance = held
            .saturating_add(free)
            .min(self.params.config.max_parked_bytes);
    }

    /// Evicts the entries in host memory that no open session continues.
    fn drop_unused(&mut self) {
        let unused = |entry: &CacheEntry| entry.saved().is_some() && entry.session.is_none();
        for entry in self.entries.take_all(unused) {
            self.note_evicted(&entry, "memory is short");
        }
    }

    /// Evicts the entries in host memory. Those that are on disk or cannot be stored there are
    /// evicted at once. The others are written first, one after the other.
    fn empty_host_memory(&mut self) {
        let disk = self.disk.cache();
        let stays = |entry: &CacheEntry| {
            disk.is_some_and(|disk| is_to_be_written(entry) || disk.is_writing(entry))
        };
        let goes = |entry: &CacheEntry| entry.saved().is_some() && !stays(entry);
        for entry in self.entries.take_all(goes) {
            self.note_evicted(&entry, "memory is short");
        }
        if let Some(index) = self.next_to_write(|entry| entry.saved().is_some()) {
            self.write(index);
        }
    }
}

/// The share of a whole that is in use.
fn share(used: u64, limit: u64) -> f32 {
    MemoryUse { used, limit }.share()
}

/// Bytes that may be taken before that share of the limit is in use.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of bytes, from 0.1 to 1.0"
)]
fn free_below(memory: MemoryUse, threshold: f32) -> u64 {
    let most = (memory.limit as f64 * f64::from(threshold)) as u64;
    most.saturating_sub(memory.used)
}
