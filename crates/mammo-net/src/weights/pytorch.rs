//! Reads the weights of what `torch.save` wrote, in the zip format of PyTorch 1.6 and later.
//!
//! In: an archive with a pickle (`data.pkl`), which describes the tensors, and one member with the
//! values of each storage. Out: the tensors of the state dict in f32, row by row, whatever their
//! strides are. Everything else of a checkpoint is passed over.
//!
//! Memory: the values, their file's pickle before, and [`SPAN`] bytes. A tensor that would be
//! larger than its file can be is refused before anything is taken for it.

mod pickle;
mod zip;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;

use super::file::{Number, Tensor, Tensors, VALUES, shown, values};
use pickle::{At, Global, Pickle, Value};
use zip::Archive;

/// The keys under which training scripts store weights in a checkpoint. Moving averages come first,
/// as in timm.
const KEYS: [&str; 4] = ["state_dict_ema", "model_ema", "state_dict", "model"];
/// The bytes that may come out of fewer bytes of the archive.
const SLACK: u64 = 8 << 20;
/// The pickle's bytes, at most.
const PICKLE: u64 = 256 << 20;
/// The bytes from the first to the last value of a tensor whose values do not lie row by row.
const SPAN: u64 = 32 << 20;
/// The tensors of a file, at most.
const TENSORS: usize = 1 << 16;
/// The dimensions of a tensor, at most.
const DIMENSIONS: usize = 16;

/// Reads all tensors of a file of `length` bytes.
pub fn read(file: &File, length: u64) -> Result<Tensors, String> {
    refuse_other_formats(file)?;
    let archive = Archive::open(file, length)?;
    let mut pickles = archive.names().filter_map(|name| name.strip_suffix("data.pkl"));
    let folder = match (pickles.next(), pickles.next()) {
        (Some(folder), None) => folder.to_owned(),
        (None, _) => {
            return Err("a zip archive without data.pkl was not written by torch.save".into());
        }
        (Some(_), Some(_)) => return Err("the archive holds data.pkl twice".into()),
    };
    let member = |name: &str| archive.member(&format!("{folder}{name}"));
    if member("constants.pkl").is_some() {
        return Err("a TorchScript archive: save model.state_dict() with torch.save".into());
    }
    if let Some(order) = member("byteorder")
        && (order.size != 6 || archive.bytes(order)? != b"little")
    {
        return Err("written on a big-endian machine: load it there, and write safetensors".into());
    }
    let pickle = member("data.pkl").expect("the member that was found");
    if pickle.size > (pickle.packed + SLACK).min(PICKLE) {
        return Err(format!(
            "the list of tensors has {} bytes: save the state dict alone",
            pickle.size
        ));
    }
    let stored = {
        let bytes = archive.bytes(pickle)?;
        state_dict(&Pickle::read(&bytes)?)?
    };
    if stored.is_empty() {
        return Err("holds no tensors: save model.state_dict() with torch.save".into());
    }
    check_amounts(&archive, &folder, &stored)?;
    let mut checked = HashSet::new();
    let mut tensors = Tensors::new();
    for (name, tensor) in stored {
        let said = |reason: String| format!("{}: {reason}", shown(&name));
        if checked.insert(tensor.key.clone())
            && let Some(member) = member(&format!("data/{}", tensor.key))
        {
            archive.check(member).map_err(said)?;
        }
        let values = tensor.values(&archive, &folder).map_err(said)?;
        tensors.insert(name, Tensor { shape: tensor.shape, values });
    }
    Ok(tensors)
}

fn refuse_other_formats(file: &File) -> Result<(), String> {
    use std::io::{Read as _, Seek as _};
    let (mut start, mut file) = (Vec::new(), file);
    file.take(4).read_to_end(&mut start).map_err(|error| error.to_string())?;
    file.rewind().map_err(|error| error.to_string())?;
    if start.starts_with(b"PK") {
        return Ok(());
    }
    // A pickle of its own, with torch's magic number first; before PyTorch 0.1.10, a tar archive.
    let what = if start.first() == Some(&0x80) {
        "in the format that PyTorch wrote before 1.6"
    } else {
        "not in the format of torch.save"
    };
    Err(format!("{what}: torch.load it, and torch.save it again with PyTorch 1.6 or later"))
}

/// A tensor as the pickle describes it, in values of its storage.
#[derive(Debug)]
struct Stored {
    number: Number,
    key: String,
    /// The values of the storage.
    storage: u64,
    offset: u64,
    shape: Vec<usize>,
    strides: Vec<u64>,
    /// The number of values, and those from the first to the last in the storage.
    count: u64,
    span: u64,
}

/// The tensors of a checkpoint: its own, or those of the first key that has any.
fn state_dict(pickle: &Pickle) -> Result<BTreeMap<String, Stored>, String> {
    let top = pickle.top();
    let mut found = tensors(pickle, top)?;
    for key in KEYS {
        if found.is_empty() {
            let inner = pickle.dict(top).filter(|(name, _)| pickle.text(*name) == Some(key)).last();
            found = inner.map_or(Ok(found), |(_, at)| tensors(pickle, pickle.value(at)))?;
        }
    }
    Ok(found)
}

/// The tensors among a dict's values, by name. Of two values of a key, the later counts.
fn tensors(pickle: &Pickle, dict: Value) -> Result<BTreeMap<String, Stored>, String> {
    let mut named = BTreeMap::new();
    for (key, at) in pickle.dict(dict) {
        if let Some(name) = pickle.text(key) {
            named.insert(name, at);
            if named.len() > TENSORS {
                return Err(format!("more than {TENSORS} names"));
            }
        }
    }
    let mut tensors = BTreeMap::new();
    for (name, at) in named {
        let wrong = || format!("{}: not a tensor as PyTorch describes it", shown(name));
        let Some(arguments) = rebuilt(pickle, at).ok_or_else(wrong)? else { continue };
        let Some(stored) = Stored::new(pickle, arguments).ok_or_else(wrong)? else { continue };
        tensors.insert(name.to_owned(), stored);
    }
    Ok(tensors)
}

/// The arguments of `_rebuild_tensor_v2`, directly or within a parameter; `Some(None)` for what is
/// no tensor.
fn rebuilt<'a>(pickle: &'a Pickle, mut at: At) -> Option<Option<&'a [At]>> {
    for _ in 0..3 {
        let Value::Call(global, arguments) = pickle.value(at) else { return Some(None) };
        let arguments = pickle.tuple(arguments)?;
        match global {
            Global::Tensor => return Some(Some(arguments)),
            Global::Parameter => at = *arguments.first()?,
            Global::FromType => {
                let is_tensor =
                    matches!(pickle.value(*arguments.first()?), Value::Global(Global::Tensor));
                let inner = pickle.tuple(*arguments.get(2)?);
                return if is_tensor { inner.map(Some) } else { Some(None) };
            }
            Global::Dict | Global::Size | Global::Storage(_) => return Some(None),
        }
    }
    None
}

impl Stored {
    /// From the arguments storage, offset, size, stride, and more. `Some(None)` for a kind of number
    /// that no weights have; `None` if anything is wrong.
    fn new(pickle: &Pickle, arguments: &[At]) -> Option<Option<Self>> {
        let [storage, offset, size, stride, ..] = arguments else { return None };
        let Value::Persistent(id) = pickle.value(*storage) else { return None };
        // ("storage", its type, its key, its device, its number of values)
        let [kind, storage, key, _, count, ..] = pickle.tuple(id)? else { return None };
        if pickle.text(*kind) != Some("storage") {
            return None;
        }
        let number = match pickle.value(*storage) {
            Value::Global(Global::Storage(number)) => number,
            Value::Opaque => return Some(None),
            _ => return None,
        };
        let whole = |at: &At| pickle.integer(*at).and_then(|number| u64::try_from(number).ok());
        let wholes = |at: &At| pickle.tuple(*at)?.iter().map(whole).collect::<Option<Vec<u64>>>();
        let (shape, strides) = (wholes(size)?, wholes(stride)?);
        let (storage, offset) = (whole(count)?, whole(offset)?);
        if shape.len() != strides.len() || shape.len() > DIMENSIONS {
            return None;
        }
        let count = shape.iter().try_fold(1_u64, |count, size| count.checked_mul(*size))?;
        let steps = shape.iter().zip(&strides);
        let last = steps.into_iter().try_fold(0_u64, |last, (size, stride)| {
            last.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
        });
        let span = if count == 0 { 0 } else { last?.checked_add(1)? };
        if offset.checked_add(span)? > storage {
            return None;
        }
        let shape = shape.into_iter().map(usize::try_from).collect::<Result<_, _>>().ok()?;
        let key = pickle.text(*key).filter(|key| key.len() <= 200)?.to_owned();
        Some(Some(Self { number, key, storage, offset, shape, strides, count, span }))
    }

    /// Whether the values lie row by row without gaps.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        // Without values the other sizes may be anything.
        self.count == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
                let fits = size == 1 || stride == expected;
                expected *= size as u64;
                fits
            })
    }

    /// Reads the values.
    fn values(&self, archive: &Archive, folder: &str) -> Result<Vec<f32>, String> {
        let member = archive.member(&format!("{folder}data/{}", self.key));
        let member = member.ok_or("its values are not in the file")?;
        if self.count == 0 {
            return Ok(Vec::new());
        }
        let short = |_| String::from("its values cannot be read to their end");
        let mut from = archive.content_from(member, self.offset * self.number.size() as u64)?;
        let read = values(&mut from, self.number, self.span as usize).map_err(short)?;
        if self.is_contiguous() { Ok(read) } else { Ok(self.in_rows(&read)) }
    }

    /// The values in rows, from those between the first and the last.
    fn in_rows(&self, read: &[f32]) -> Vec<f32> {
        let mut place = vec![0; self.shape.len()];
        let mut at = 0;
        let mut rows = Vec::with_capacity(self.count as usize);
        for _ in 0..self.count {
            rows.push(read[at]);
            for dimension in (0..place.len()).rev() {
                place[dimension] += 1;
                at += self.strides[dimension] as usize;
                if place[dimension] < self.shape[dimension] {
                    break;
                }
                at -= self.strides[dimension] as usize * place[dimension];
                place[dimension] = 0;
            }
        }
        rows
    }
}

/// Compares what the tensors would take with the file, before any of it is taken.
fn check_amounts(
    archive: &Archive,
    folder: &str,
    stored: &BTreeMap<String, Stored>,
) -> Result<(), String> {
    let plausible = archive.plausible().saturating_add(SLACK);
    let (mut count, mut bytes, mut work) = (0_u64, 0_u64, 0_u64);
    let mut members = HashSet::new();
    for (name, tensor) in stored {
        let member = archive.member(&format!("{folder}data/{}", tensor.key));
        let member =
            member.ok_or_else(|| format!("{}: its values are not in the file", shown(name)))?;
        let size = tensor.number.size() as u64;
        if tensor.storage.checked_mul(size).is_none_or(|bytes| bytes > member.size) {
            let (values, have) = (tensor.storage, member.size);
            return Err(format!("{}: {have} bytes for {values} values of {size}", shown(name)));
        }
        // A product of numbers below that of the storage, which was checked.
        let span = tensor.span * size;
        if !tensor.is_contiguous() && span > SPAN {
            return Err(format!(
                "{}: its values lie {span} bytes apart, at most {SPAN} are read: save it after \
                 contiguous().clone()",
                shown(name)
            ));
        }
        if members.insert(&tensor.key) {
            work = work.saturating_add(member.size);
        }
        let before = if member.stored { 0 } else { tensor.offset * size };
        work = work.saturating_add(before + span);
        count = count.saturating_add(tensor.count);
        bytes = bytes.saturating_add(tensor.count.saturating_mul(size));
    }
    if count > VALUES {
        return Err(format!("{count} values, at most {VALUES} are read"));
    }
    if bytes > plausible || work > plausible.saturating_mul(8).min(16 << 30) {
        return Err(format!(
            "tensors of {bytes} bytes in an archive of {plausible}: save each with clone() alone"
        ));
    }
    Ok(())
}
