//! Measures a folder: names, whole files, prefixes, shards.
//!
//! In: [`Options`], and the files of the dataset in the order of a release, if there is one. Out: a
//! [`Measurement`] without decoding. The files of a dataset are only read. Everything else lies in
//! `Scratch` folders, which are removed before the function returns, also after an error.

use std::fs;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use super::access;
use super::error::StorageError;
use super::files::{Extent, Reader, made};
use super::measurement::{Cache, Data, Measurement, Order, System, VERSION};
use super::metadata::Names;
use super::options::{Budget, Options, PlannedFile};
use super::scratch::{Scratch, looks_like_data};
use super::shards::{self, Shards};
use super::system::system;
use crate::flow::Stop;

/// Room for the small files that are created and unlinked.
const NAMES_ROOM: u64 = 100 << 20;

/// The parts of a measurement, as they are done one after another.
struct Run<'a> {
    options: &'a Options,
    budget: Budget,
    /// Of the files that are read.
    system: System,
    /// Of the folder that is written to.
    scratch_system: Option<System>,
    progress: &'a (dyn Fn(&str) + Sync),
    stop: &'a Stop,
    notes: Vec<String>,
}

/// Measures the folder of `options`. `files` are those of the dataset in it, in the order of a
/// release; `None` if it holds none that can be listed, and files are to be made. They are made in
/// the folder itself, or if it looks like a dataset all the same, in that of `scratch`, which is
/// then the measured folder. `progress` gets a line for every part that begins.
///
/// # Errors
/// [`StorageError`]; after a stop, [`StorageError::Interrupted`].
pub fn run(
    options: &Options,
    files: Option<&[PlannedFile]>,
    progress: &(dyn Fn(&str) + Sync),
    stop: &Stop,
) -> Result<Measurement, StorageError> {
    let begin = Instant::now();
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let path = fs::canonicalize(&options.path).map_err(StorageError::io(&options.path))?;
    if !path.is_dir() {
        return Err(StorageError::NotAFolder { path });
    }
    if files.is_some_and(<[PlannedFile]>::is_empty) {
        return Err(StorageError::NoFiles { path });
    }
    let (options, notes) = place(Options { path, ..options.clone() }, files.is_some())?;
    let options = &options;
    let system = system(&options.path)?;
    let budget = options.budget(system.memory_bytes)?;
    let scratch_system = None;
    let mut run = Run { options, budget, system, scratch_system, progress, stop, notes };
    let mut measured = run.all(files)?;
    measured.started = since_1970.map_or(0, |time| time.as_secs());
    measured.seconds = begin.elapsed().as_secs_f64();
    Ok(measured)
}

/// The options with the folder that is measured, and a note if it is another one than was named.
fn place(options: Options, is_dataset: bool) -> Result<(Options, Vec<String>), StorageError> {
    match &options.scratch {
        Some(scratch) if !is_dataset && looks_like_data(&options.path) => {
            let instead = fs::canonicalize(scratch).map_err(StorageError::io(scratch))?;
            let note = format!(
                "{} looks like a dataset, but has no table that lists it: files were made and read in \
                 {} instead, and the result is that of this folder",
                options.path.display(),
                instead.display()
            );
            Ok((Options { path: instead, scratch: None, ..options }, vec![note]))
        }
        _ => Ok((options, Vec::new())),
    }
}

impl Run<'_> {
    fn all(&mut self, own: Option<&[PlannedFile]>) -> Result<Measurement, StorageError> {
        let (files_in, written_in) = self.scratches(own.is_some())?;
        let made = match &files_in {
            Some(folder) => self.make(folder)?,
            None => Vec::new(),
        };
        let files = own.unwrap_or(&made);
        (self.progress)("waiting until the disk has written what is due");
        access::settle(&self.options.path)?;
        let mut measured = self.empty(files, own.is_some());
        let names = Names { files, budget: &self.budget, stop: self.stop };
        (self.progress)("names: list, stat, open");
        measured.metadata = names.read()?;
        self.read_files(files, &mut measured)?;
        match written_in.as_ref().or(files_in.as_ref()) {
            Some(scratch) => self.write(scratch, files, &mut measured)?,
            None => {
                let note = "nothing is written into a dataset; name a folder with --scratch";
                (measured.writes, measured.shards) = shards::skipped(note);
                self.notes.push(format!("shards, and creating and unlinking files: {note}"));
            }
        }
        for scratch in [files_in, written_in].into_iter().flatten() {
            scratch.close()?;
        }
        measured.notes = std::mem::take(&mut self.notes);
        Ok(measured)
    }

    /// The folder for made files that are read, and that for everything else that is written.
    fn scratches(
        &mut self,
        dataset: bool,
    ) -> Result<(Option<Scratch>, Option<Scratch>), StorageError> {
        let path = &self.options.path;
        let writes = shards::room(&self.budget) + NAMES_ROOM;
        let elsewhere = self.options.scratch.as_ref().map(|folder| {
            let data = dataset.then_some(path.as_path());
            Scratch::create(folder, writes, data)
        });
        let elsewhere = elsewhere.transpose()?;
        let own_writes = if elsewhere.is_some() { 0 } else { writes };
        let here = (!dataset)
            .then(|| Scratch::create(path, self.budget.made.bytes + own_writes, None))
            .transpose()?;
        if let Some(scratch) = &elsewhere {
            let found = system(scratch.path())?;
            self.notes.push(format!(
                "shards were written, and files created and unlinked, in {} ({} on {})",
                scratch.path().parent().unwrap_or(scratch.path()).display(),
                found.file_system,
                found.source,
            ));
            self.scratch_system = Some(found);
        }
        let others = [&here, &elsewhere].into_iter().flatten().flat_map(|s| &s.others);
        for other in others {
            self.notes.push(format!(
                "{} belongs to another measurement; if none is running, remove it",
                other.display()
            ));
        }
        Ok((here, elsewhere))
    }

    fn make(&self, scratch: &Scratch) -> Result<Vec<PlannedFile>, StorageError> {
        (self.progress)("making files to read");
        let folder = scratch.path().join("files");
        made::make(&folder, self.budget.made, self.options.seed, self.stop)
    }

    fn read_files(
        &mut self,
        files: &[PlannedFile],
        measured: &mut Measurement,
    ) -> Result<(), StorageError> {
        let budget = &self.budget;
        let mut reader = Reader::new(files, &self.system, self.options.seed, self.stop);
        let cold = reader.cold();
        let mut plan = vec![(Order::Plan, cold), (Order::Shuffled, cold)];
        if budget.all_patterns {
            plan.push((Order::Inode, cold));
        }
        plan.extend([(Order::Shuffled, Cache::Direct), (Order::Shuffled, Cache::Warm)]);
        for (order, cache) in plan {
            (self.progress)(&format!("whole files, {}, {}", order.name(), cache.name()));
            let limits = if cache == Cache::Warm { budget.warm } else { budget.files };
            let early_stop = budget.early_stop;
            let threads = &budget.threads;
            let whole = Extent::Whole;
            measured.files.push(reader.series(whole, order, cache, threads, early_stop, limits)?);
        }
        (self.progress)("prefixes of files");
        let extent = Extent::Prefix(self.options.prefix_share.clamp(0.0, 1.0));
        let (threads, early_stop) = (&budget.threads, budget.early_stop);
        let found = reader.series(extent, Order::Plan, cold, threads, early_stop, budget.parts)?;
        measured.prefixes.push(found);
        let (count, bytes) = reader.measured();
        measured.data.measured_files = count;
        measured.data.measured_bytes = bytes;
        measured.data.larger_than_memory = bytes > self.system.memory_bytes;
        Ok(())
    }

    fn write(
        &mut self,
        scratch: &Scratch,
        files: &[PlannedFile],
        measured: &mut Measurement,
    ) -> Result<(), StorageError> {
        let folder = |name: &str| -> Result<PathBuf, StorageError> {
            let folder = scratch.path().join(name);
            fs::create_dir(&folder).map_err(StorageError::io(&folder))?;
            Ok(folder)
        };
        (self.progress)("names: create, unlink");
        let names = Names { files, budget: &self.budget, stop: self.stop };
        measured.metadata.extend(names.write(&folder("names")?)?);
        let system = self.scratch_system.as_ref().unwrap_or(&self.system);
        let cold = if system.network { Cache::ClientCold } else { Cache::Cold };
        (self.progress)("writing shards");
        let seed = self.options.seed;
        let mut shards = Shards::new(&folder("shards")?, system, &self.budget, seed, self.stop);
        measured.writes.push(shards.write()?);
        for pattern in shards::patterns() {
            (self.progress)(&format!("reading shards: {pattern}, {}", cold.name()));
            measured.shards.push(shards.read(pattern, cold)?);
        }
        if self.budget.all_patterns {
            (self.progress)("reading shards: one page, warm");
            measured.shards.push(shards.read("one page", Cache::Warm)?);
        }
        Ok(())
    }

    fn empty(&self, files: &[PlannedFile], own: bool) -> Measurement {
        Measurement {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            started: 0,
            seconds: 0.0,
            effort: self.options.effort,
            path: self.options.path.clone(),
            system: self.system.clone(),
            data: Data {
                own,
                files: files.len(),
                bytes: files.iter().map(|file| file.bytes).sum(),
                measured_files: 0,
                measured_bytes: 0,
                syntaxes: Vec::new(),
                larger_than_memory: false,
            },
            metadata: Vec::new(),
            files: Vec::new(),
            prefixes: Vec::new(),
            shards: Vec::new(),
            writes: Vec::new(),
            decode: Vec::new(),
            notes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
