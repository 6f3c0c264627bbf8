//! Entries that show whether they are what was written.
//!
//! In: an [`Entry`]. Out: the bytes of its file, which hold a checksum of the rest, and back. An
//! entry decides what a release holds, so a changed one must not be taken for a finished shard.

use std::fs;
use std::path::Path;

use super::manifest::Entry;
use crate::error::Fault;
use crate::store;

/// The file of `entry`.
pub fn sealed(entry: &Entry) -> Vec<u8> {
    store::sealed_json(entry)
}

/// Reads the file of an entry; if its content is not what was written, says so.
///
/// # Errors
/// [`Fault::Io`] if the file cannot be read.
pub fn read(path: &Path) -> Result<Result<Entry, String>, Fault> {
    let text = fs::read(path).map_err(Fault::io(path))?;
    Ok(opened(&text).ok_or_else(|| "its entry is damaged".to_owned()))
}

fn opened(text: &[u8]) -> Option<Entry> {
    let entry: Entry = serde_json::from_slice(text).ok()?;
    // A change that the reader does not see, as in a key or a space, shows here. Older versions wrote
    // no checksum.
    (sealed(&entry) == text || store::json(&entry) == text).then_some(entry)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::shard::manifest::Quarantined;

    fn entry() -> Entry {
        let rejected = Quarantined {
            split: Some(crate::record::Split::Train),
            line: Some(7),
            patient_id: Some("1".into()),
            image_id: None,
            path: "a/b.dcm".into(),
            stage: "read".into(),
            reason: "the file is empty".into(),
        };
        Entry {
            shard: 3,
            first: 24,
            planned: 8,
            file: Some("shards/shard-00003-0123456789ab.parquet".into()),
            rows: 7,
            bytes: 1234,
            sha256: "0123456789abcdef".repeat(4),
            rejected: vec![rejected],
            notes: BTreeMap::from([("no_meta".into(), 2)]),
        }
    }

    #[test]
    fn every_bit_of_an_entry_that_flips_shows() {
        let text = sealed(&entry());
        assert_eq!(opened(&text), Some(entry()));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(opened(&flipped), None, "byte {at}, bit {bit}");
            }
        }
        for end in 0..text.len() {
            assert_eq!(opened(&text[..end]), None, "{end}");
        }
    }

    #[test]
    fn an_entry_of_an_older_version_is_read() {
        assert_eq!(opened(&store::json(&entry())), Some(entry()));
    }
}
