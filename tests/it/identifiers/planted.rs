//! Texts that are planted in files, and the search for them.

use std::collections::{BTreeSet, HashMap};

use super::files::READ;
use crate::common::dicom_file::{DicomFile, Element, Lengths, Value};

/// Tags and value representations of PS3.15 table E.1-1.
const PROFILE: &str = include_str!("../../fixtures/confidentiality_profile.txt");

/// An attribute that identifies somebody, with what is planted in it.
#[derive(Debug, Clone)]
pub struct Planted {
    pub tag: u32,
    pub vr: &'static str,
    /// A word that is in no other place.
    pub word: String,
    /// A value that this value representation allows.
    pub value: String,
}

/// A word that tells the tag it was planted in.
pub fn word(tag: u32) -> String {
    format!("ZQ{tag:08X}KX")
}

/// All attributes of the profile.
pub fn profile() -> Vec<Planted> {
    let lines = PROFILE.lines().filter(|line| !line.starts_with('#'));
    let planted = lines.enumerate().map(|(i, line)| {
        let (tag, vr) = line.split_once(' ').unwrap();
        let tag = u32::from_str_radix(tag, 16).unwrap();
        let word = word(tag);
        let date = format!("19{:02}{:02}17", 31 + i % 60, 1 + i / 60);
        let time = format!("{:02}4217.{:06}", i % 24, 300_017 + i * 911);
        let value = match vr {
            "UI" => format!("1.2.826.0.1.9917{i:06}.41"),
            "DA" => date,
            "TM" => time,
            "DT" => date + &time,
            "IS" => format!("{}", 1_730_000_000 + i * 1009),
            "DS" => format!("9173{i:03}.5{i:03}7"),
            "PN" => format!("{word}^JANE^^DR"),
            "AS" => "073Y".into(),
            _ => word.clone(),
        };
        Planted { tag, vr, word, value }
    });
    planted.collect()
}

impl Planted {
    /// The element with `text`, in an item if it is a sequence.
    pub fn element(&self, vr: &'static str, text: &str) -> Element {
        let plain = |tag, vr| Element { tag, vr, value: Value::Text(text.to_owned()) };
        if vr == "SQ" {
            let item = vec![plain(0x0008_0104, "LO"), plain(0x0040_A123, "PN")];
            let value = Value::Items(vec![item], Lengths::Undefined);
            return Element { tag: self.tag, vr, value };
        }
        plain(self.tag, vr)
    }
}

/// Plants `text` of each attribute in a file, in its own value representation or in this one.
pub fn plant(file: &mut DicomFile, vr: Option<&'static str>, text: impl Fn(&Planted) -> String) {
    let own = profile().into_iter().map(|planted| {
        let vr = vr.unwrap_or(planted.vr);
        planted.element(vr, &text(&planted))
    });
    let private = [(0x0009_0010, "LO"), (0x0009_1001, "LO"), (0x0009_1002, "UN")]
        .map(|(tag, vr)| Element { tag, vr, value: Value::Text(word(tag)) });
    for Element { tag, vr, value } in own.chain(private) {
        file.set(tag, vr, value);
    }
}

/// Finds planted texts, in capitals or not.
pub struct Search {
    /// The first eight characters of every word.
    words: BTreeSet<Vec<u8>>,
    /// By their first eight characters.
    needles: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    starts: [bool; 256],
}

impl Search {
    pub fn new() -> Self {
        let tags = profile().into_iter().map(|planted| planted.tag);
        let tags = tags.chain(READ.map(|(tag, _)| tag)).chain([0x0009_0010]);
        let words = tags.map(|tag| word(tag).to_ascii_lowercase().into_bytes()[..8].to_vec());
        let mut search =
            Self { words: words.collect(), needles: HashMap::new(), starts: [false; 256] };
        for Planted { vr, value, .. } in profile() {
            match vr {
                "AS" => {}
                // The part that is not in every UID.
                "UI" => search.add(value.trim_start_matches("1.2.826.0.1.")),
                "DA" | "TM" | "DT" | "IS" | "DS" => search.add(&value),
                // A word.
                _ => {}
            }
        }
        search
    }

    fn add(&mut self, needle: &str) {
        let needle = needle.to_ascii_lowercase().into_bytes();
        self.starts[usize::from(needle[0])] = true;
        self.needles.entry(needle[..8].to_vec()).or_default().push(needle);
    }

    /// The planted texts in these bytes.
    pub fn found(&self, bytes: &[u8]) -> BTreeSet<String> {
        let bytes = bytes.to_ascii_lowercase();
        let mut found = BTreeSet::new();
        for (at, byte) in bytes.iter().enumerate() {
            let rest = &bytes[at..];
            // A word, whole or cut.
            if rest.get(..8).is_some_and(|start| self.words.contains(start)) {
                let end = rest.iter().position(|b| !b.is_ascii_alphanumeric());
                let word = &rest[..end.unwrap_or(rest.len())];
                found.insert(String::from_utf8_lossy(word).into_owned());
            }
            if self.starts[usize::from(*byte)]
                && let Some(needles) = rest.get(..8).and_then(|start| self.needles.get(start))
            {
                let there = needles.iter().filter(|needle| rest.starts_with(needle));
                found.extend(there.map(|needle| String::from_utf8_lossy(needle).into_owned()));
            }
        }
        found
    }
}
