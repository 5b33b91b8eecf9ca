//! How much memory one guest instance may have: all its linear memories together, and its tables.
//!
//! It counts what a guest asked for, not what the kernel gave it. **Invariant:** the sum never exceeds the limit.

use wasmtime::{ResourceLimiter, Result};

use crate::model::limits::{GUEST_CORE_INSTANCES_MAX, GUEST_MEMORIES_MAX, GUEST_TABLE_ELEMENTS_MAX, GUEST_TABLES_MAX};

pub(super) struct MemoryLimit {
    bytes_max: usize,
    bytes: usize,
    /// What the growth that was granted last added: taken back when the engine could not do it after all.
    last: usize,
    elements: usize,
    /// A growth was refused since the call began: if the guest then traps, this is why.
    pub denied: bool,
}

impl MemoryLimit {
    pub fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { bytes_max, bytes: 0, last: 0, elements: 0, denied: false }
    }
}

impl MemoryLimit {
    /// What the guest has now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current);
        let sum = self.bytes.saturating_add(more);
        let granted = sum <= self.bytes_max;
        if granted {
            (self.bytes, self.last) = (sum, more);
        } else {
            self.denied = true;
        }
        Ok(granted)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.bytes -= std::mem::take(&mut self.last);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let sum = self.elements.saturating_add(desired.saturating_sub(current));
        let granted = sum <= GUEST_TABLE_ELEMENTS_MAX;
        if granted {
            self.elements = sum;
        } else {
            self.denied = true;
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        GUEST_CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        GUEST_TABLES_MAX
    }

    fn memories(&self) -> usize {
        GUEST_MEMORIES_MAX
    }
}
