//! Limits for the memory and the tables of a guest.

use std::fmt;

use bytesize::ByteSize;
use wasmtime::{ResourceLimiter, bail};

/// Maximum number of entries in each table of a guest. Compilers emit far fewer, and this number
/// costs the host little.
const MAX_TABLE_ELEMENTS: usize = 1 << 20;

/// Limits the total size of all memories of a store. Growing beyond the limit is a trap, so that
/// the host can distinguish it from the guest's own faults.
#[derive(Debug)]
pub(crate) struct Limiter {
    max_memory: u64,
    used: u64,
    refused: Option<Refused>,
}

/// A growth that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    wanted: u64,
    allowed: u64,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the guest wanted {} of memory, --max-memory allows {}: raise it if it should have \
             more",
            ByteSize(self.wanted).display().iec(),
            ByteSize(self.allowed).display().iec(),
        )
    }
}

impl Limiter {
    pub(crate) fn new(max_memory: ByteSize) -> Self {
        Self {
            max_memory: max_memory.as_u64(),
            used: 0,
            refused: None,
        }
    }

    /// The refused growth that ended the guest, if there is one.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = (desired as u64).saturating_sub(current as u64);
        let wanted = self.used.saturating_add(grown);
        if wanted > self.max_memory {
            let refused = Refused {
                wanted,
                allowed: self.max_memory,
            };
            self.refused = Some(refused);
            bail!("{refused}");
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            bail!(
                "the guest wanted a table of {desired} elements, at most {MAX_TABLE_ELEMENTS} are \
                 allowed"
            );
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_count_together() {
        let mut limiter = Limiter::new(ByteSize(100));
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        let error = limiter.memory_growing(40, 41, None).unwrap_err();
        assert!(error.to_string().contains("101 B"), "{error}");
        assert!(limiter.refused().is_some());
    }
}
