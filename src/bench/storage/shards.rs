//! Writes shards and reads them as training does.
//!
//! In: a folder for made files. Out: [`Series`] of writing a shard with sync and commit, and of
//! reading one page (an image) at random, one row group at random, and whole shards in sequence.
//! The shards have the sizes of a Parquet release: pages of 350 kB, one image each, in row groups
//! of 16. A measured item here is a read, without opening the file, which training keeps open.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::access::{self, Aligned, CHUNK, Fetched};
use super::error::StorageError;
use super::files::made::Noise;
use super::files::notes::check_cache;
use super::files::shuffle;
use super::measurement::{Cache, Order, Series, System};
use super::options::{Budget, Limits};
use super::workers::series::{self, Pass};
use super::workers::{Clock, Part, timed};
use crate::flow::Stop;
use crate::random::Random;

/// Bytes of one image's page.
pub const PAGE: u64 = 350_000;

/// Bytes of a row group.
pub const ROW_GROUP: u64 = 16 * PAGE;

/// Row groups of the smallest shard.
const LEAST_GROUPS: u64 = 3;

/// Numbers of threads that write, where none are given. More would not fit into the budget.
const WRITERS: [usize; 3] = [1, 2, 4];

/// The most threads that write.
const MOST_WRITERS: usize = 8;

/// The patterns of reading, in the order in which they are measured.
const PATTERNS: [&str; 3] = ["one page", "row group", "shard"];

/// A part of a shard.
#[derive(Debug, Clone, Copy)]
struct Piece {
    shard: usize,
    start: u64,
    bytes: u64,
}

/// Shards in a folder for made files.
pub struct Shards<'a> {
    folder: PathBuf,
    system: &'a System,
    budget: &'a Budget,
    seed: u64,
    stop: &'a Stop,
    /// Written shards. All have the same size.
    paths: Vec<PathBuf>,
    shard_bytes: u64,
}

/// Numbers of threads that write shards.
fn writers(budget: &Budget) -> Vec<usize> {
    if budget.early_stop {
        return WRITERS.to_vec();
    }
    let few: Vec<usize> = budget.threads.iter().copied().filter(|&n| n <= MOST_WRITERS).collect();
    if few.is_empty() { vec![MOST_WRITERS] } else { few }
}

/// The largest size of a shard, and how many are written with `threads` threads.
fn sizes(budget: &Budget, threads: usize) -> (u64, usize) {
    let writers = writers(budget);
    let most = writers.iter().copied().max().unwrap_or(1) as u64;
    let per_point = budget.shards.bytes / writers.len() as u64;
    let groups = (budget.shard_bytes.min(per_point / most) / ROW_GROUP).max(LEAST_GROUPS);
    let shard = groups * ROW_GROUP;
    (shard, threads.max((per_point / shard) as usize))
}

/// Bytes that [`Shards`] writes at most.
pub fn room(budget: &Budget) -> u64 {
    let point = |threads: usize| {
        let (shard, count) = sizes(budget, threads);
        shard * count as u64
    };
    LEAST_GROUPS * ROW_GROUP + writers(budget).into_iter().map(point).sum::<u64>()
}

/// The series that would be measured, without points, where nothing may be written.
pub fn skipped(note: &str) -> (Vec<Series>, Vec<Series>) {
    let series = |pattern: &str, order, cache| Series {
        pattern: pattern.into(),
        order,
        cache,
        points: Vec::new(),
        note: note.into(),
    };
    let reads = PATTERNS.iter().map(|pattern| series(pattern, order_of(pattern), Cache::Cold));
    (vec![series("shard", Order::Plan, Cache::Cold)], reads.collect())
}

fn order_of(pattern: &str) -> Order {
    if pattern == "shard" { Order::Plan } else { Order::Shuffled }
}

impl<'a> Shards<'a> {
    /// Shards in `folder`, which exists.
    pub fn new(
        folder: &Path,
        system: &'a System,
        budget: &'a Budget,
        seed: u64,
        stop: &'a Stop,
    ) -> Self {
        let (paths, shard_bytes) = (Vec::new(), LEAST_GROUPS * ROW_GROUP);
        Self { folder: folder.to_owned(), system, budget, seed, stop, paths, shard_bytes }
    }

    /// Writes shards: each to a temporary name, synced, moved to its place, and the folder synced.
    /// Order and cache of this series mean nothing. The shards are so large that writing one takes
    /// about a second.
    ///
    /// # Errors
    /// [`StorageError::Io`], [`StorageError::Interrupted`].
    pub fn write(&mut self) -> Result<Series, StorageError> {
        let begin = Instant::now();
        let trial = self.folder.join("trial.bin");
        let written =
            commit(&trial, self.shard_bytes, &mut Noise::new(self.seed), &Clock::until(self.stop));
        written.map_err(self.because(&trial))?;
        let rate = self.shard_bytes as f64 / begin.elapsed().as_secs_f64();
        fs::remove_file(&trial).map_err(StorageError::io(&trial))?;
        let groups = ((rate / ROW_GROUP as f64) as u64).max(LEAST_GROUPS);
        self.shard_bytes = sizes(self.budget, 1).0.min(groups * ROW_GROUP);
        let writers = writers(self.budget);
        let early_stop = self.budget.early_stop;
        let (points, note) = series::climb(&writers, early_stop, |threads| {
            Ok(series::point(threads, self.budget.shards, |left| self.write_pass(threads, left))?.0)
        })?;
        let pattern = "shard".to_owned();
        Ok(Series { pattern, order: Order::Plan, cache: Cache::Cold, points, note })
    }

    fn write_pass(&mut self, threads: usize, limits: Limits) -> Result<Pass, StorageError> {
        let begin = self.paths.len();
        let (_, count) = sizes(self.budget, threads);
        let name = |number| self.folder.join(format!("shard-{number:05}.bin"));
        let paths: Vec<PathBuf> = (begin..begin + count).map(name).collect();
        let (bytes, stop) = (self.shard_bytes, self.stop);
        let work = |noise: &mut Noise, path: &PathBuf, _: &Clock| {
            // Half a shard is of no use, so only a stop cuts one off.
            commit(path, bytes, noise, &Clock::until(stop)).map(|()| Part::whole(bytes))
        };
        let streams = std::sync::atomic::AtomicU64::new(begin as u64);
        let noise = || {
            let stream = streams.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Noise::new(Random::seed_of(self.seed ^ 0x5A, stream))
        };
        let timed = timed(threads, &paths, limits, self.stop, |_| bytes, noise, work)?;
        if self.stop.is_raised() {
            return Err(StorageError::Interrupted);
        }
        self.paths.extend(paths.iter().take(timed.taken).cloned());
        match timed.failures.into_iter().next() {
            Some(failure) => Err(StorageError::io(&paths[failure.item])(failure.error)),
            None => Ok(Pass {
                timed: super::workers::Timed { failures: Vec::new(), ..timed },
                cached: None,
                exhausted: false,
            }),
        }
    }

    /// Reads pages, row groups and whole shards. [`Shards::write`] comes before it.
    ///
    /// # Errors
    /// [`StorageError::Io`], [`StorageError::Interrupted`].
    pub fn read(&self, pattern: &str, cache: Cache) -> Result<Series, StorageError> {
        let pieces = self.pieces(pattern);
        let shards: Result<Vec<File>, StorageError> = self
            .paths
            .iter()
            .map(|path| File::open(path).map_err(StorageError::io(path)))
            .collect();
        let shards = shards?;
        if pattern == "one page" {
            shards.iter().for_each(access::expect_random);
        }
        let work = |buffer: &mut Aligned, piece: &Piece, clock: &Clock| {
            let file = &shards[piece.shard];
            let bytes = access::read(file, piece.start, piece.bytes, buffer, clock)?;
            Ok(Part::of(bytes, piece.bytes, clock))
        };
        let (budget, buffer) = (self.budget, || Aligned::new(CHUNK));
        if cache == Cache::Warm {
            let all = Limits { seconds: f64::INFINITY, bytes: u64::MAX };
            let whole = self.pieces("shard");
            timed(WRITERS.len(), &whole, all, self.stop, |_| 0, buffer, work)?;
        }
        let limits = if cache == Cache::Warm { budget.warm } else { budget.parts };
        let (mut next, mut cut_off) = (0, 0);
        let (points, absent) = series::climb(&budget.threads, budget.early_stop, |threads| {
            let (point, timed) = series::point(threads, limits, |left| {
                if cache != Cache::Warm {
                    for path in &self.paths {
                        access::evict(path).map_err(StorageError::io(path))?;
                    }
                }
                let mut list = pieces.clone();
                list.rotate_left(next % pieces.len().max(1));
                let bytes_of = |piece: &Piece| piece.bytes;
                let before = Fetched::now();
                let timed = timed(threads, &list, left, self.stop, bytes_of, buffer, work)?;
                let cached = before.cached(timed.moved, self.system);
                next += timed.taken;
                Ok(Pass { cached, exhausted: timed.taken == list.len(), timed })
            })?;
            timed.check(self.stop, |_| &self.folder)?;
            cut_off += timed.cut_off;
            Ok(point)
        })?;
        let cached = check_cache(cache, points.iter().map(|point| point.cached));
        let note = series::join(&[absent, cached, series::cut_off_note(cut_off)]);
        Ok(Series { pattern: pattern.into(), order: order_of(pattern), cache, points, note })
    }

    /// All parts of all shards, in random order unless they are whole shards.
    fn pieces(&self, pattern: &str) -> Vec<Piece> {
        let bytes = match pattern {
            "one page" => PAGE,
            "row group" => ROW_GROUP,
            _ => self.shard_bytes,
        };
        let starts = |shard| {
            let starts = (0..self.shard_bytes / bytes).map(move |i| i * bytes);
            starts.map(move |start| Piece { shard, start, bytes })
        };
        let mut pieces: Vec<Piece> = (0..self.paths.len()).flat_map(starts).collect();
        if order_of(pattern) == Order::Shuffled {
            shuffle(&mut pieces, &mut Random::new(Random::seed_of(self.seed, bytes)));
        }
        pieces
    }

    fn because(&self, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
        let (stopped, path) = (self.stop.is_raised(), path.to_owned());
        move |error| if stopped { StorageError::Interrupted } else { StorageError::io(path)(error) }
    }
}

/// Names of the patterns of reading.
pub fn patterns() -> impl Iterator<Item = &'static str> {
    PATTERNS.into_iter()
}

/// Writes one shard as a release does: aside, synced, moved, the folder synced.
fn commit(path: &Path, bytes: u64, noise: &mut Noise, clock: &Clock) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    let mut file = File::create(&aside)?;
    noise.write(&mut file, bytes, clock)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in `folder` survive a power failure, where the file system can.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
