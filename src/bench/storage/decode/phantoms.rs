//! Phantoms to decode, where there is no dataset: what RSNA's machines write, at full size.

use std::collections::BTreeMap;

use bytes::Bytes;
use rayon::prelude::*;

use crate::dataset::{Job, Role};
use crate::error::Fault;
use crate::flow::{Stop, threads};
use crate::record::{Density, Id, ImageRecord, Laterality, View};
use crate::synth::machines::{self, Machine};
use crate::synth::{DicomFile, PhantomSpec, phantom};

/// How many machines are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// One machine with JPEG 2000 and one with JPEG lossless, which together stand for nearly all
    /// files.
    Two,
    /// Every machine with its coding.
    All,
}

/// Machines of [`Detail::Two`]: 8.5 megapixels in JPEG 2000, 13.6 in JPEG lossless.
const TWO: [i64; 2] = [48, 49];

/// Number of RSNA's patients by the transfer syntax of their files: the mix that is assumed where
/// there is no dataset.
pub fn usual_mix() -> Vec<(String, usize)> {
    let mut mix = BTreeMap::new();
    for machine in &machines::ALL {
        *mix.entry(machine.coding.uid()).or_insert(0) += machine.patients as usize;
    }
    mix.into_iter().map(|(uid, patients)| (uid.to_owned(), patients)).collect()
}

/// Files in memory by the UID of their transfer syntax.
pub(super) type Files = BTreeMap<&'static str, Vec<(Job, Bytes)>>;

/// One file for each machine whose syntax is measured. None once the stop is raised.
///
/// # Errors
/// [`Fault::Io`] if the system refuses threads.
pub(super) fn files(detail: Detail, stop: &Stop) -> Result<Files, Fault> {
    let chosen = |machine: &&'static Machine| detail == Detail::All || TWO.contains(&machine.id);
    let machines: Vec<&'static Machine> = machines::ALL.iter().filter(chosen).collect();
    let drawn: Vec<_> = threads::pool(threads::count(None))?.install(|| {
        let draw = |machine: &&'static Machine| (!stop.is_raised()).then(|| file(machine));
        machines.par_iter().filter_map(draw).collect()
    });
    let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (machine, (job, bytes)) in drawn {
        files.entry(machine.coding.uid()).or_default().push((job, bytes));
    }
    Ok(files)
}

fn file(machine: &'static Machine) -> (&'static Machine, (Job, Bytes)) {
    let spec = PhantomSpec {
        patient: 1,
        breast: 2,
        image: 3,
        machine,
        divisor: 1,
        laterality: Laterality::Left,
        view: View::Mlo,
        density: Density::B,
        age: 60,
        findings: Vec::new(),
        layouts: Vec::new(),
    };
    let id = machine.id.unsigned_abs();
    let bytes = DicomFile::new(&spec, &phantom(&spec), machine.coding, 1, id).to_bytes();
    let name = |text: &str| Id::new(text).expect("digits are an id");
    let record = ImageRecord::unlabelled(name("1"), name(&id.to_string()));
    let relative = format!("1/{id}.dcm");
    let job = Job {
        record,
        role: Role::Test,
        path: relative.clone().into(),
        name: relative.clone(),
        relative,
        bytes: bytes.len() as u64,
    };
    (machine, (job, bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_mix_is_half_jpeg_2000_and_half_jpeg_lossless() {
        let mix = usual_mix();
        let all: usize = mix.iter().map(|(_, patients)| patients).sum();
        let share = |uid: &str| {
            let found = mix.iter().find(|(of, _)| of == uid).unwrap();
            found.1 as f64 / all as f64
        };
        let (wavelet, lossless) =
            (share("1.2.840.10008.1.2.4.90"), share("1.2.840.10008.1.2.4.70"));
        assert!((0.48..0.54).contains(&wavelet), "{wavelet}");
        assert!((0.44..0.50).contains(&lossless), "{lossless}");
    }
}
