//! Divides the memory of `limits.memory_mb` over the parts of the flow.
//!
//! There are five parts: files that wait as they are, what of them is inflated before it is decoded,
//! images that are decoded, finished rows that wait for earlier ones, and the row group that is
//! written. Each has a fixed share, so their sum
//! is bounded for a dataset of any size. The memory of the program itself (code, tables, the list
//! of images) comes on top.

use super::PreprocessError;
use crate::config::Config;
use crate::error::Fault;
use crate::flow::Budget;
use crate::shard::reader::BATCH_ROWS;

/// The shares.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The number of images between the source and the shard writer.
    pub items: usize,
    /// Bytes for files that were read ahead.
    pub read_ahead: usize,
    /// Bytes for data sets that are inflated, and for images without a DICOM header.
    pub inflating: Budget,
    /// Bytes for images that are decoded.
    pub decoding: Budget,
}

impl Memory {
    /// Divides `limits.memory_mb` for these numbers of threads.
    ///
    /// # Errors
    /// [`PreprocessError::TooLittleMemory`] if nothing is left for decoding.
    pub fn divide(config: &Config, workers: usize, readers: usize) -> Result<Self, Fault> {
        let all = config.limits.memory_mb << 20;
        let sample =
            config.resize.height * config.resize.width * usize::from(config.window.bits) / 8;
        // A row group exists as samples, as a batch, and in encoded form.
        let writing = 3 * BATCH_ROWS * sample;
        let rest = all.saturating_sub(writing);
        // Enough to keep every thread busy while the earliest image takes its time, but at most an
        // eighth of the rest.
        let items = (4 * workers + 2 * readers).min(rest / 8 / sample).max(workers + readers);
        let rest = rest.saturating_sub(items * sample);
        let read_ahead = rest / 4;
        let inflating = rest / 8;
        let decoding = rest - read_ahead - inflating;
        let least = 64 << 20;
        if decoding < least {
            let needed_mb = (all - decoding + least).div_ceil(1 << 20);
            return Err(PreprocessError::TooLittleMemory {
                needed_mb,
                found_mb: config.limits.memory_mb,
            }
            .into());
        }
        let (inflating, decoding) = (Budget::new(inflating), Budget::new(decoding));
        Ok(Self { items, read_ahead, inflating, decoding })
    }
}

/// The program's largest resident memory so far, in bytes, if Linux reports it.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_add_up_to_no_more_than_all() {
        for workers in [1, 2, 7, 64] {
            let config = Config::default();
            let memory = Memory::divide(&config, workers, workers).unwrap();
            let sample = 1024 * 512;
            let sum = memory.items * sample
                + memory.read_ahead
                + memory.inflating.total()
                + memory.decoding.total()
                + 3 * BATCH_ROWS * sample;
            assert!(sum <= config.limits.memory_mb << 20, "{workers} workers: {sum}");
        }
    }

    #[test]
    fn too_little_memory_is_refused_with_what_would_do() {
        let mut config = Config::default();
        config.limits.memory_mb = 64;
        let fault = Memory::divide(&config, 2, 4).unwrap_err();
        let Some(PreprocessError::TooLittleMemory { needed_mb, .. }) = fault.cause() else {
            panic!("64 MiB cannot do");
        };
        config.limits.memory_mb = needed_mb * 4 / 3;
        assert!(Memory::divide(&config, 2, 4).is_ok());
    }
}
