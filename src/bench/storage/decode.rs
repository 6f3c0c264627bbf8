//! Measures the CPU time of decoding, by transfer syntax.
//!
//! In: files of the dataset, or without one, phantoms that are drawn and coded in memory. Out:
//! [`DecodeRate`]s: the CPU time per image for all that `preprocess` does with a file's bytes, from
//! their hash to the resized image. It is the time of the thread, so waiting for storage does not
//! count. One thread per core decodes, as in `preprocess`: cores that share a memory, or are two
//! threads of one core, slow each other down.
//!
//! Files of the dataset are read before the clock starts. Files that `preprocess` would reject are
//! left out.

mod clock;
mod phantoms;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::measurement::DecodeRate;
use crate::config::Config;
use crate::dataset::Job;
use crate::error::Fault;
use crate::flow::{Stage, Stop, threads};
use crate::preprocess::Reject;
use crate::preprocess::memory::Memory;
use crate::preprocess::read::{self, RawFrame, SourceFacts, TransferSyntax};
use crate::preprocess::stages::{Decode, FindRoi, Judge, Look, Resize, Sample, Window};

pub use phantoms::{Detail, usual_mix};

use clock::ThreadClock;

/// CPU time that is spent on each syntax, in seconds.
const SECONDS: f64 = 0.5;

/// The number of files whose headers are read to learn which syntaxes a dataset has.
const SAMPLE: usize = 64;

/// The most files of one syntax that are decoded. Each is decoded at least once, so that a few
/// large ones do not decide the mean; small ones are decoded again until the time is over.
const FILES: usize = 6;

/// What was found in a dataset, or in phantoms.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoding {
    /// Number of files by transfer syntax UID in a sample of the dataset; empty for phantoms.
    pub syntaxes: Vec<(String, usize)>,
    /// The CPU time by syntax.
    pub rates: Vec<DecodeRate>,
}

/// Decodes files of a dataset, evenly spread over its plan.
///
/// # Errors
/// A [`Fault`] if the settings leave no memory for decoding. A file that cannot be read or decoded
/// is left out.
pub fn of_dataset(
    jobs: &[Job],
    config: &Config,
    progress: &dyn Fn(&str),
    stop: &Stop,
) -> Result<Decoding, Fault> {
    let sampled = SAMPLE.min(jobs.len());
    let mut found: BTreeMap<&'static str, Vec<&Job>> = BTreeMap::new();
    for job in (0..sampled).map(|i| &jobs[i * jobs.len() / sampled]) {
        if stop.is_raised() {
            return Ok(Decoding::default());
        }
        if let Ok(header) = read::header(&job.path) {
            found.entry(header.syntax.uid()).or_default().push(job);
        }
    }
    let paths = paths(config)?;
    let mut rates = Vec::new();
    for (uid, jobs) in &found {
        progress(&format!("decoding {}", name_of(uid)));
        let some = jobs.iter().take(FILES);
        let files = some.filter_map(|job| Some(((*job).clone(), fs::read(&job.path).ok()?.into())));
        let files: Vec<(Job, Bytes)> = files.collect();
        rates.extend(rate(&paths, uid, true, &files, stop));
    }
    let syntaxes = found.iter().map(|(uid, jobs)| ((*uid).to_owned(), jobs.len()));
    Ok(Decoding { syntaxes: syntaxes.collect(), rates })
}

/// Decodes phantoms of the syntaxes that RSNA's machines write.
///
/// # Errors
/// As [`of_dataset`].
pub fn of_phantoms(
    detail: Detail,
    progress: &dyn Fn(&str),
    stop: &Stop,
) -> Result<Decoding, Fault> {
    progress("drawing phantoms to decode");
    let files = phantoms::files(detail, stop)?;
    let paths = paths(&Config::default())?;
    let mut rates = Vec::new();
    for (uid, files) in &files {
        progress(&format!("decoding {}", name_of(uid)));
        rates.extend(rate(&paths, uid, false, files, stop));
    }
    Ok(Decoding { syntaxes: Vec::new(), rates })
}

/// The name of a transfer syntax for people; the UID itself if it is not known.
pub fn name_of(uid: &str) -> &str {
    match TransferSyntax::from_uid(uid) {
        Some(syntax) => syntax.name(),
        None => uid,
    }
}

/// The most threads that decode at once, so that memory is bounded. A machine with more cores is
/// taken to be as fast per core as these are together.
const MOST_THREADS: usize = 16;

/// One path for each core.
fn paths(config: &Config) -> Result<Vec<Path>, Fault> {
    let cores = threads::count(None).min(MOST_THREADS);
    (0..cores).map(|_| Path::new(config)).collect()
}

/// Decodes `files` on all paths at once. `None` if none of them can be decoded, or the stop is
/// raised before that is known.
fn rate(
    paths: &[Path],
    uid: &str,
    own: bool,
    files: &[(Job, Bytes)],
    stop: &Stop,
) -> Option<DecodeRate> {
    let sum = thread::scope(|scope| {
        let start = |(start, path): (usize, &Path)| {
            let mut path = path.clone();
            scope.spawn(move || path.decode(files, start, stop))
        };
        let running: Vec<_> = paths.iter().enumerate().map(start).collect();
        // A panic is a bug of a decoder. In `preprocess` it costs one image; here, one thread's share.
        let sums = running.into_iter().map(|path| path.join().unwrap_or_default());
        sums.fold(Sum::default(), Sum::and)
    });
    (sum.images > 0).then(|| DecodeRate {
        syntax: uid.to_owned(),
        own,
        images: sum.images,
        cpu_ms: 1e3 * sum.cpu / sum.images as f64,
        file_bytes: sum.bytes as f64 / sum.images as f64,
    })
}

/// What one thread decoded.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    images: usize,
    bytes: usize,
    cpu: f64,
}

impl Sum {
    fn and(self, other: Self) -> Self {
        Self {
            images: self.images + other.images,
            bytes: self.bytes + other.bytes,
            cpu: self.cpu + other.cpu,
        }
    }
}

/// All stages of one worker, with their buffers.
#[derive(Clone)]
struct Path {
    config: Arc<Config>,
    look: Look,
    roi: FindRoi,
    judge: Judge,
    decode: Decode,
    resize: Resize,
}

impl Path {
    fn new(config: &Config) -> Result<Self, Fault> {
        let config = Arc::new(config.clone());
        let memory = Memory::divide(&config, 1, 1)?;
        Ok(Self {
            look: Look::new(&config, &memory),
            roi: FindRoi::new(&config),
            judge: Judge::new(&config),
            decode: Decode::new(&config),
            resize: Resize::new(&config),
            config,
        })
    }

    /// Decodes `files` in turn, from the one at `start` on, until each was decoded once and
    /// [`SECONDS`] of CPU time are over.
    fn decode(&mut self, files: &[(Job, Bytes)], start: usize, stop: &Stop) -> Sum {
        let mut sum = Sum::default();
        // The first decoding fills the buffers. Its time does not count.
        if !files.iter().any(|file| !stop.is_raised() && self.sample(file).is_ok()) {
            return sum;
        }
        for (turn, file) in files.iter().cycle().skip(start).enumerate() {
            if stop.is_raised() || sum.cpu >= SECONDS && turn >= files.len() {
                break;
            }
            let clock = ThreadClock::start();
            let is_decoded = self.sample(file).is_ok();
            let seconds = clock.seconds();
            if is_decoded {
                sum.images += 1;
                sum.bytes += file.1.len();
                sum.cpu += seconds;
            }
        }
        sum
    }

    fn sample(&mut self, (job, bytes): &(Job, Bytes)) -> Result<Sample, Reject> {
        let sha256 = Some(Sha256::digest(bytes).into());
        let length = bytes.len() as u64;
        let (header, pixel_data) = read::open(bytes.clone(), self.config.decode.max_pixels)?;
        let frame = RawFrame {
            job: job.clone(),
            source: SourceFacts { bytes: length, read: length, sha256 },
            spacing: header.spacing,
            header,
            pixel_data,
        };
        let looked = self.look.apply(frame)?;
        let located = self.roi.apply(looked)?;
        let judged = self.judge.apply(located)?;
        let decoded = self.decode.apply(judged)?;
        let windowed = Window.apply(decoded)?;
        self.resize.apply(windowed)
    }
}
