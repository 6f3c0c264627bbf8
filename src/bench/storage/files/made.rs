//! Makes files in the sizes of a dataset, for a folder that holds none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::bench::storage::access::CHUNK;
use crate::bench::storage::error::StorageError;
use crate::bench::storage::options::{Limits, PlannedFile};
use crate::bench::storage::workers::{Clock, Part, timed};
use crate::flow::Stop;
use crate::random::Random;

/// Mean size of a file of the RSNA screening set: 315 GB in 54,706 files.
const MEAN: f64 = 315e9 / 54_706.0;

/// Spread of the sizes: the standard deviation of their logarithm.
const SPREAD: f64 = 0.5;

/// Files of one patient.
const PER_FOLDER: usize = 4;

/// Threads that write.
const THREADS: usize = 4;

/// Bytes that no file system can compress or find a second time.
pub struct Noise {
    random: Random,
    chunk: Vec<u8>,
}

impl Noise {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), chunk: vec![1; CHUNK] }
    }

    /// Begins the stream of another seed.
    pub fn seed(&mut self, seed: u64) {
        self.random = Random::new(seed);
    }

    /// Writes `bytes` to `file`, a mebibyte at a time.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::Interrupted`] if the clock has stopped.
    pub fn write(&mut self, file: &mut File, bytes: u64, clock: &Clock) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            if clock.is_stopped() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            for word in self.chunk.as_chunks_mut::<8>().0 {
                *word = self.random.next().to_le_bytes();
            }
            let part = left.min(CHUNK as u64);
            file.write_all(&self.chunk[..part as usize])?;
            left -= part;
        }
        Ok(())
    }
}

/// Makes files in `folder`, until either limit is reached, and writes them to the disk. Returns
/// them in the order of their names.
///
/// # Errors
/// [`StorageError::Interrupted`]; [`StorageError::AllFailed`] if no file could be written.
pub fn make(
    folder: &Path,
    limits: Limits,
    seed: u64,
    stop: &Stop,
) -> Result<Vec<PlannedFile>, StorageError> {
    let files = plan(folder, limits.bytes, seed);
    let work = |noise: &mut Noise, item: &(usize, PlannedFile), clock: &Clock| {
        let (number, PlannedFile { path, bytes }) = item;
        if let Some(patient) = path.parent() {
            fs::create_dir_all(patient)?;
        }
        noise.seed(Random::seed_of(seed, *number as u64));
        let mut file = File::create(path)?;
        noise.write(&mut file, *bytes, clock)?;
        file.sync_all()?;
        Ok(Part::whole(*bytes))
    };
    let noise = || Noise::new(seed);
    // The plan has as many bytes as there may be.
    let limits = Limits { bytes: u64::MAX, ..limits };
    let done = timed(THREADS, &files, limits, stop, |file| file.1.bytes, noise, work)?;
    done.check(stop, |item| &files[item].1.path)?;
    if let Some(failure) = done.failures.into_iter().next() {
        return Err(StorageError::io(&files[failure.item].1.path)(failure.error));
    }
    Ok(files.into_iter().take(done.taken).map(|(_, file)| file).collect())
}

/// Names and sizes, with together at most `bytes`, but at least one file.
fn plan(folder: &Path, bytes: u64, seed: u64) -> Vec<(usize, PlannedFile)> {
    let mut random = Random::new(seed);
    let (mut files, mut sum) = (Vec::new(), 0);
    loop {
        let normal = f64::from(random.normal());
        // The mean of a log-normal distribution is exp(mu + sigma^2 / 2).
        let size = (MEAN.ln() - SPREAD * SPREAD / 2.0 + SPREAD * normal).exp() as u64;
        sum += size;
        let number = files.len();
        if number > 0 && sum > bytes {
            return files;
        }
        let name = format!("{:06}/{number:07}.bin", number / PER_FOLDER);
        files.push((number, PlannedFile { path: folder.join(name), bytes: size }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_mean_of_the_dataset_and_a_long_tail() {
        let files = plan(Path::new(""), 40_000_000_000, 3);
        let mean = files.iter().map(|file| file.1.bytes).sum::<u64>() as f64 / files.len() as f64;
        assert!((mean / MEAN - 1.0).abs() < 0.03, "{mean}");
        let large = files.iter().filter(|file| file.1.bytes as f64 > 2.0 * MEAN).count();
        let small = files.iter().filter(|file| (file.1.bytes as f64) < MEAN / 2.0).count();
        assert!(large > files.len() / 50 && small > large, "{large} {small}");
    }

    #[test]
    fn made_files_have_their_sizes_and_no_two_begin_alike() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { seconds: 60.0, bytes: 30_000_000 };
        let files = make(folder.path(), limits, 5, &Stop::default()).unwrap();
        assert!(files.len() > 2);
        let mut starts = Vec::new();
        for file in &files {
            let content = fs::read(&file.path).unwrap();
            assert_eq!(content.len() as u64, file.bytes);
            starts.push(content[..16].to_vec());
        }
        starts.sort();
        starts.dedup();
        assert_eq!(starts.len(), files.len());
        let stop = Stop::default();
        stop.raise();
        let stopped = make(folder.path(), limits, 5, &stop);
        assert!(matches!(stopped, Err(StorageError::Interrupted)));
    }
}
