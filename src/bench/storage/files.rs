//! Reads whole files and prefixes: by order, state of the cache and number of threads.
//!
//! In: the files of a dataset in plan order, or made ones. Out: [`Series`]. A point takes files that
//! no earlier point of the same order took, as long as there are enough; then it begins again. So
//! with a large dataset no cache on the way holds them, also not the server's.
//!
//! A cold read begins with names that are known: the dataset was listed before, so this machine's
//! cache of names and attributes is warm. Only root could empty it, and it would slow down
//! everybody on the machine.

pub mod made;
pub mod notes;

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Mutex;

use super::access::{self, Aligned, CHUNK, Fetched};
use super::error::StorageError;
use super::measurement::{Cache, Order, Series, System};
use super::options::{Limits, PlannedFile};
use super::workers::series::{self, Pass};
use super::workers::{Clock, Part, timed};
use crate::flow::Stop;
use crate::random::Random;
use notes::{Failures, check_cache};

/// Threads for work that is not timed.
const HELPERS: usize = 16;

/// Most bytes that a warm measurement keeps in the page cache.
const WARM_BYTES: u64 = 512 << 20;

/// Most files whose inodes are asked for.
const INODES: usize = 16_384;

/// Seconds for asking.
const INODE_SECONDS: f64 = 5.0;

/// The first read of a prefix (`preprocess/read/prefix.rs`).
const FIRST: u64 = 128 << 10;

/// How much of each file is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// All.
    Whole,
    /// This share from its start, and its end, as `decode.read: prefix` does.
    Prefix(f64),
}

impl Extent {
    fn bytes(self, file: &PlannedFile) -> u64 {
        match self {
            Self::Whole => file.bytes,
            Self::Prefix(share) => {
                let goal = ((file.bytes as f64 * share) as u64).max(FIRST);
                if goal > file.bytes / 4 * 3 { file.bytes } else { goal }
            }
        }
    }
}

/// The files, and which of them were read.
pub struct Reader<'a> {
    /// In plan order.
    files: &'a [PlannedFile],
    seen: Vec<bool>,
    system: &'a System,
    seed: u64,
    stop: &'a Stop,
}

/// Positions of files in one order, dealt from a random place on.
struct Deck {
    order: Vec<usize>,
    next: usize,
}

impl Deck {
    /// The next files with together at least `bytes`, each at most once.
    fn next(&self, bytes: u64, bytes_of: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut sum = 0;
        let all = self.order.iter().cycle().skip(self.next).take(self.order.len()).copied();
        all.take_while(|&file| {
            let room = sum < bytes;
            sum += bytes_of(file);
            room
        })
        .collect()
    }

    fn advance(&mut self, count: usize) {
        self.next = (self.next + count) % self.order.len().max(1);
    }
}

impl<'a> Reader<'a> {
    /// A reader of `files`, given in plan order.
    pub fn new(files: &'a [PlannedFile], system: &'a System, seed: u64, stop: &'a Stop) -> Self {
        Self { files, seen: vec![false; files.len()], system, seed, stop }
    }

    /// Number of files read so far, and their bytes.
    pub fn measured(&self) -> (usize, u64) {
        let seen = self.files.iter().zip(&self.seen).filter(|(_, seen)| **seen);
        seen.fold((0, 0), |(count, bytes), (file, _)| (count + 1, bytes + file.bytes))
    }

    /// Cold on this machine, as far as it is known.
    pub fn cold(&self) -> Cache {
        if self.system.network { Cache::ClientCold } else { Cache::Cold }
    }

    /// Measures one series.
    ///
    /// # Errors
    /// [`StorageError::Interrupted`]; [`StorageError::AllFailed`] if no file can be read.
    pub fn series(
        &mut self,
        extent: Extent,
        order: Order,
        cache: Cache,
        threads: &[usize],
        early_stop: bool,
        limits: Limits,
    ) -> Result<Series, StorageError> {
        let pattern = if extent == Extent::Whole { "whole files" } else { "prefix" }.to_owned();
        let empty = |note: String| Series {
            pattern: pattern.clone(),
            order,
            cache,
            points: Vec::new(),
            note,
        };
        let mut deck = self.deck(order)?;
        if deck.order.is_empty() {
            return Ok(empty("there are no files".into()));
        }
        if cache == Cache::Direct
            && let Err(error) = self.try_direct(deck.order[0])
        {
            return Ok(empty(format!("this file system has no direct reads: {error}")));
        }
        let warm = if cache == Cache::Warm { Some(self.warm_up(&deck, extent)?) } else { None };
        let (mut failures, mut cut_off) = (Failures::default(), 0);
        let (points, absent) = series::climb(threads, early_stop, |threads| {
            let (point, timed) = series::point(threads, limits, |left| {
                let list = match &warm {
                    Some(list) => list.clone(),
                    None => deck.next(left.bytes, |file| extent.bytes(&self.files[file])),
                };
                let pass = self.pass(extent, cache, threads, &list, left)?;
                failures.add(&pass.timed, |item| &self.files[list[item]]);
                deck.advance(if warm.is_some() { 0 } else { pass.timed.taken });
                Ok(pass)
            })?;
            timed.check(self.stop, |_| failures.path())?;
            cut_off += timed.cut_off;
            Ok(point)
        })?;
        let cached = check_cache(cache, points.iter().map(|point| point.cached));
        let cut_off = series::cut_off_note(cut_off);
        let note = series::join(&[absent, cached, cut_off, failures.note("read")]);
        Ok(Series { points, ..empty(note) })
    }

    fn pass(
        &mut self,
        extent: Extent,
        cache: Cache,
        threads: usize,
        list: &[usize],
        limits: Limits,
    ) -> Result<Pass, StorageError> {
        let is_cold = matches!(cache, Cache::Cold | Cache::ClientCold);
        if is_cold {
            self.evict(list)?;
        }
        let files = self.files;
        let work = |buffer: &mut Aligned, item: &usize, clock: &Clock| {
            read_file(&files[*item], extent, cache, buffer, clock)
        };
        let bytes_of = |item: &usize| extent.bytes(&files[*item]);
        let before = Fetched::now();
        let buffer = || Aligned::new(CHUNK);
        let timed = timed(threads, list, limits, self.stop, bytes_of, buffer, work)?;
        let cached = before.cached(timed.moved, self.system);
        for &file in &list[..timed.taken] {
            self.seen[file] = true;
        }
        if is_cold {
            // So that reading a large dataset does not push everything else out of the cache.
            self.evict(&list[..timed.taken])?;
        }
        let exhausted = timed.taken == list.len() && !self.stop.is_raised();
        Ok(Pass { timed, cached, exhausted })
    }

    fn deck(&self, order: Order) -> Result<Deck, StorageError> {
        let mut random = Random::new(Random::seed_of(self.seed, order as u64));
        let count = self.files.len();
        let begin = (random.next() % count.max(1) as u64) as usize;
        let mut positions: Vec<usize> = (0..count).filter(|&i| self.files[i].bytes > 0).collect();
        match order {
            Order::Plan => {}
            Order::Shuffled => shuffle(&mut positions, &mut random),
            Order::Inode => {
                let window = count.min(INODES);
                let part = (begin..begin + window).map(|i| i % count.max(1));
                let part: Vec<usize> = part.filter(|&i| self.files[i].bytes > 0).collect();
                let order = self.by_inode(&part)?;
                return Ok(Deck { order, next: 0 });
            }
        }
        Ok(Deck { order: positions, next: begin })
    }

    /// Files sorted by device and inode. Asking ends after some seconds; the rest is left out.
    fn by_inode(&self, part: &[usize]) -> Result<Vec<usize>, StorageError> {
        let found = Mutex::new(Vec::new());
        let limits = Limits { seconds: INODE_SECONDS, bytes: u64::MAX };
        let work = |(): &mut (), item: &usize, _: &Clock| {
            let inode = fs::metadata(&self.files[*item].path)?;
            let mut found = found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            found.push((inode.dev(), inode.ino(), *item));
            Ok(Part::whole(0))
        };
        timed(HELPERS, part, limits, self.stop, |_| 0, || (), work)?;
        let mut found = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        found.sort_unstable();
        Ok(found.into_iter().map(|(_, _, item)| item).collect())
    }

    /// Removes files from the page cache. One that cannot be opened fails when it is read.
    fn evict(&self, list: &[usize]) -> Result<(), StorageError> {
        let work = |(): &mut (), item: &usize, _: &Clock| {
            let _ = access::evict(&self.files[*item].path);
            Ok(Part::whole(0))
        };
        timed(HELPERS.min(list.len()), list, NO_LIMITS, self.stop, |_| 0, || (), work)?;
        if self.stop.is_raised() { Err(StorageError::Interrupted) } else { Ok(()) }
    }

    fn try_direct(&self, file: usize) -> io::Result<()> {
        let file = &self.files[file];
        let open = access::open(&file.path, Cache::Direct)?;
        access::read(&open, 0, 1, &mut Aligned::new(1), &Clock::endless()).map(drop)
    }

    /// Reads files that fit into the cache, and returns them.
    fn warm_up(&self, deck: &Deck, extent: Extent) -> Result<Vec<usize>, StorageError> {
        let most = WARM_BYTES.min(self.system.memory_bytes / 4);
        let list = deck.next(most, |file| extent.bytes(&self.files[file]));
        let work = |buffer: &mut Aligned, item: &usize, clock: &Clock| {
            read_file(&self.files[*item], extent, Cache::Warm, buffer, clock)
        };
        let buffer = || Aligned::new(CHUNK);
        let done = timed(HELPERS, &list, NO_LIMITS, self.stop, |_| 0, buffer, work)?;
        done.check(self.stop, |item| &self.files[list[item]].path)?;
        Ok(list)
    }
}

const NO_LIMITS: Limits = Limits { seconds: f64::INFINITY, bytes: u64::MAX };

/// Opens, reads and closes one file.
fn read_file(
    file: &PlannedFile,
    extent: Extent,
    cache: Cache,
    buffer: &mut Aligned,
    clock: &Clock,
) -> io::Result<Part> {
    let open = access::open(&file.path, cache)?;
    let want = extent.bytes(file);
    if want == file.bytes {
        return Ok(Part::of(access::read(&open, 0, want, buffer, clock)?, want, clock));
    }
    let mut bytes = access::read(&open, 0, FIRST, buffer, clock)?;
    bytes += access::read(&open, FIRST, want - FIRST, buffer, clock)?;
    if bytes == want {
        open.read_at(&mut buffer.bytes_mut()[..16], file.bytes - 16)?;
    }
    Ok(Part::of(bytes, want, clock))
}

/// Puts `list` in a random order.
pub(super) fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for i in (1..list.len()).rev() {
        list.swap(i, (random.next() % (i as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests;
