//! Memory and tables, as a guest asks for them.

use std::fmt;

use wasmtime::ResourceLimiter;

use crate::Limits;
use crate::error::Limit;

/// A limit was reached; ends the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverLimit {
    pub(crate) limit: Limit,
    pub(crate) allowed: u64,
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} {}", self.allowed, self.limit)
    }
}

impl std::error::Error for OverLimit {}

/// Says yes while there is room, and ends the batch when there is none: a guest that is told no would go on to
/// fail in its own, less clear way.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: u64,
    table_elements: u64,
    core_instances: usize,
    /// Bytes of all memories together, at their largest.
    pub(crate) memory_peak: u64,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: limits.memory,
            table_elements: u64::from(limits.table_elements),
            core_instances: limits.core_instances as usize,
            memory_peak: 0,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let total = self.memory_peak.saturating_add(more);
        if total > self.memory {
            return Err(wasmtime::Error::new(OverLimit {
                limit: Limit::Memory,
                allowed: self.memory,
            }));
        }
        self.memory_peak = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired as u64 > self.table_elements {
            let allowed = self.table_elements;
            return Err(wasmtime::Error::new(OverLimit {
                limit: Limit::TableElements,
                allowed,
            }));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.core_instances
    }

    fn tables(&self) -> usize {
        self.core_instances
    }

    fn memories(&self) -> usize {
        self.core_instances
    }
}
