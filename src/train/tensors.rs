//! A safetensors file with one JSON text in its metadata, written in one step.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View, serialize};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use super::TrainError;
use crate::error::Fault;
use crate::store;

/// Key of the text in the file's metadata. The metadata are an unordered map; with a single key,
/// the same content always gives the same bytes.
const KEY: &str = "mammo_pipe";

/// What stands around the checksum, the last field of the text.
const SEAL: &str = ",\"checksum\":\"";
const END: &str = "\"}";

/// A tensor to write.
#[derive(Debug, Clone)]
pub(super) struct Named<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Cow<'a, [f32]>,
}

impl View for &Named<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Writes a file to `path` in one step, through `.tmp` in `folder`.
///
/// # Errors
/// [`Fault::Io`].
pub(super) fn write(
    folder: &Path,
    path: &Path,
    facts: &impl Serialize,
    tensors: &[Named<'_>],
) -> Result<(), Fault> {
    let mut text = serde_json::to_string(facts).expect("plain data becomes JSON");
    let parts =
        tensors.iter().map(|tensor| (tensor.name.as_str(), (&*tensor.shape, &*tensor.values)));
    let sum = checksum(&text, &parts.collect());
    text.pop();
    write!(text, "{SEAL}{sum}{END}").expect("a string takes all that is written to it");
    let views = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor));
    let bytes = serialize(views, Some(HashMap::from([(KEY.to_owned(), text)])))
        .expect("every tensor has the bytes that its shape asks for");
    store::replace(folder, path, &bytes)
}

/// The tensors of a file by name: shape and values.
pub(super) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Reads what [`write`] wrote.
///
/// # Errors
/// [`Fault::Io`]; [`TrainError::Checkpoint`] if it is not such a file, or not as it was written. A
/// file without a checksum, of an earlier version, is taken as it is.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<(T, Tensors), Fault> {
    let bytes = std::fs::read(path).map_err(Fault::io(path))?;
    let wrong = |reason: String| TrainError::Checkpoint { path: path.into(), reason };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(e.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|texts| texts.get(KEY));
    let text = text.ok_or_else(|| wrong("it was not written by mammo-pipe".into()))?;
    let facts = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let seal = text.rsplit_once(SEAL).and_then(|(open, sum)| Some((open, sum.strip_suffix(END)?)));
    let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(wrong(format!("{name} has type {:?}, not F32", view.dtype())).into());
        }
        let number = |four: &[u8]| f32::from_le_bytes(four.try_into().expect("four bytes"));
        let values = view.data().chunks_exact(4).map(number).collect();
        tensors.insert(name.to_owned(), (view.shape().to_vec(), values));
    }
    if let Some((open, sum)) = seal {
        let parts = tensors.iter().map(|(name, (shape, values))| (&**name, (&**shape, &**values)));
        let expected = checksum(&format!("{open}}}"), &parts.collect());
        if sum != expected {
            let reason = "is damaged: its checksum is not that of its content";
            return Err(wrong(reason.into()).into());
        }
    }
    Ok((facts, tensors))
}

/// XXH3 of the text and of the tensors' names, shapes and values, in hexadecimal.
fn checksum(text: &str, tensors: &BTreeMap<&str, (&[usize], &[f32])>) -> String {
    let mut hash = Xxh3::new();
    hash.update(text.as_bytes());
    let mut bytes = Vec::new();
    for (name, (shape, values)) in tensors {
        hash.update(name.as_bytes());
        shape.iter().for_each(|size| hash.update(&size.to_le_bytes()));
        for some in values.chunks(1 << 16) {
            bytes.clear();
            bytes.extend(some.iter().flat_map(|value| value.to_le_bytes()));
            hash.update(&bytes);
        }
    }
    format!("{:016x}", hash.digest())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_file_comes_back_as_it_was_written_and_is_the_same_bytes_each_time() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".tmp")).unwrap();
        let path = folder.path().join("x.safetensors");
        let named = |name: &str, shape: &[usize], values: &'static [f32]| Named {
            name: name.into(),
            shape: shape.into(),
            values: values.into(),
        };
        let tensors = [named("b", &[2, 1], &[1.5, f32::MIN_POSITIVE]), named("a", &[], &[-0.0])];
        let written = BTreeMap::from([("epoch".to_owned(), 7), ("step".to_owned(), 70)]);
        write(folder.path(), &path, &written, &tensors).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        write(folder.path(), &path, &written, &tensors).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        type Facts = BTreeMap<String, Value>;
        let numbers = |facts: &Facts| {
            let numbers = facts.iter().filter_map(|(name, n)| Some((name.clone(), n.as_u64()?)));
            numbers.collect::<BTreeMap<_, _>>()
        };
        let (facts, read): (Facts, _) = super::read(&path).unwrap();
        assert_eq!(numbers(&facts), written);
        assert_eq!(read["b"], (vec![2, 1], vec![1.5, f32::MIN_POSITIVE]));
        assert!(read["a"].1[0].is_sign_negative());
        // Half a file is refused, not read as less.
        std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        let refused = super::read::<Facts>(&path).unwrap_err().to_string();
        assert!(refused.contains("x.safetensors"), "{refused}");
        // No flipped bit gives other numbers. A flip in the checksum's name leaves them as they are.
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, flipped).unwrap();
            if let Ok((facts, tensors)) = super::read::<Facts>(&path) {
                assert_eq!((numbers(&facts), &tensors), (written.clone(), &read), "bit {bit}");
            }
        }
    }
}
