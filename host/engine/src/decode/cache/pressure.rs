//! What is done where memory is short: the actions of each level of pressure.

use std::time::{Duration, Instant};

use super::disk_cache::is_to_be_written;
use super::retain::CacheEntry;
use crate::decode::engine::Engine;
use crate::decode::executor::Executor;
use crate::log::MEMORY;
use crate::memory::{Pressure, PressureLevel};
use crate::memory_limit::{BETWEEN_LOOKS, MemoryUse};

/// Time between two looks of a worker that has nothing else to do, and holds what it could give
/// back.
const WHEN_IDLE: Duration = Duration::from_secs(2);

/// What is known of memory.
#[derive(Debug)]
pub(in crate::decode) struct Ease {
    /// When memory is looked at again.
    next_look: Instant,
    /// Host memory that what was left behind and what is parked may take now: what the operator
    /// allows, and less where the process has little left.
    pub(in crate::decode) allowance: u64,
}

impl Ease {
    pub(in crate::decode) fn new(allowance: u64) -> Self {
        Self {
            next_look: Instant::now(),
            allowance,
        }
    }
}

impl<C: Executor> Engine<'_, C> {
    /// Looks at memory where it is time to, and does what its level asks for.
    pub(in crate::decode) fn ease_pressure(&mut self, now: Instant) {
        if now < self.ease.next_look {
            return;
        }
        self.ease.next_look = now + BETWEEN_LOOKS;
        let in_use = self.queue.memory().in_use(now);
        let threshold = self.queue.memory().threshold();
        let running = self.kv.used().saturating_sub(self.idle_cells());
        let pressure = Pressure {
            level: PressureLevel::None,
            cells: share(running, u64::from(self.params.context.cells)),
            parked: share(self.bytes_in_use(), self.params.config.max_parked_bytes),
            process: in_use.process,
            device: in_use.device,
        }
        .with_level(threshold);
        let before = std::mem::replace(&mut self.counters.pressure, pressure);
        if pressure.level != before.level {
            tracing::info!(
                target: MEMORY,
                model = &**self.queue.model(),
                pressure = pressure.level.name(),
                before = before.level.name(),
                cells = pressure.cells,
                parked = pressure.parked,
                process = pressure.process.map(MemoryUse::share),
                device = pressure.device.map(MemoryUse::share),
                "memory pressure changed"
            );
        }
        // The others are shortages that what is remembered in host memory doesn't make.
        let level = PressureLevel::of_process(pressure.process, threshold);
        if level >= PressureLevel::Drop {
            self.drop_unused();
        }
        if level >= PressureLevel::Park {
            self.put_out();
        }
        // What it holds is part of what the process has.
        let held = self.bytes_in_use() + self.saved_bytes();
        let left = in_use
            .process
            .map_or(u64::MAX, |process| left_below(process, threshold));
        self.ease.allowance = held
            .saturating_add(left)
            .min(self.params.config.max_parked_bytes);
    }

    /// When memory is to be looked at though nothing happens: while something could be given back.
    pub(in crate::decode) fn next_look(&self) -> Option<Instant> {
        let is_short = self.counters.pressure.level > PressureLevel::None;
        (is_short || self.saved_bytes() > 0).then(|| self.ease.next_look + WHEN_IDLE)
    }

    /// Forgets what is in host memory that no open session goes on from.
    fn drop_unused(&mut self) {
        let unused = |entry: &CacheEntry| entry.saved().is_some() && entry.session.is_none();
        for entry in self.shelf.take_all(unused) {
            self.note_evicted(&entry, "memory is short");
        }
    }

    /// Takes what is remembered out of host memory: at once what is on disk or can't be kept there;
    /// the rest is written first, one after the other.
    fn put_out(&mut self) {
        let stored = self.stored.as_ref();
        let stays = |entry: &CacheEntry| {
            stored.is_some_and(|stored| is_to_be_written(entry) || stored.is_writing(entry))
        };
        let going = |entry: &CacheEntry| entry.saved().is_some() && !stays(entry);
        for entry in self.shelf.take_all(going) {
            self.note_evicted(&entry, "memory is short");
        }
        if let Some(index) = self.next_to_write(|entry| entry.saved().is_some()) {
            self.store(index);
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
fn left_below(memory: MemoryUse, threshold: f32) -> u64 {
    let most = (memory.limit as f64 * f64::from(threshold)) as u64;
    most.saturating_sub(memory.used)
}
