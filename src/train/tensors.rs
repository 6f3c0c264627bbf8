//! A safetensors file with one JSON text in its metadata, written in one step.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View, serialize};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TrainError;
use crate::error::Fault;
use crate::store;

/// Key of the text in the file's metadata. The metadata are an unordered map; with a single key,
/// the same content always gives the same bytes.
const KEY: &str = "mammo_pipe";

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
    let text = serde_json::to_string(facts).expect("plain data becomes JSON");
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
/// [`Fault::Io`]; [`TrainError::Checkpoint`] if it is not such a file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<(T, Tensors), Fault> {
    let bytes = std::fs::read(path).map_err(Fault::io(path))?;
    let wrong = |reason: String| TrainError::Checkpoint { path: path.into(), reason };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(e.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|texts| texts.get(KEY));
    let text = text.ok_or_else(|| wrong("it was not written by mammo-pipe".into()))?;
    let facts = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
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
    Ok((facts, tensors))
}

#[cfg(test)]
mod tests {
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
        write(folder.path(), &path, &(7, "seven"), &tensors).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        write(folder.path(), &path, &(7, "seven"), &tensors).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        let (facts, read): ((u32, String), _) = super::read(&path).unwrap();
        assert_eq!(facts, (7, "seven".to_owned()));
        assert_eq!(read["b"], (vec![2, 1], vec![1.5, f32::MIN_POSITIVE]));
        assert!(read["a"].1[0].is_sign_negative());
        // Half a file is refused, not read as less.
        std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        let refused = super::read::<(u32, String)>(&path).unwrap_err().to_string();
        assert!(refused.contains("x.safetensors"), "{refused}");
    }
}
