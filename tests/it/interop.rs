//! The release is read by engines that know nothing of us, and our grey levels are pydicom's.
//!
//! `MAMMO_PIPE_PYTHON` names a Python with what `tests/interop/requirements.txt` lists; CI
//! makes one.

use crate::common;

use common::needs::{python, real_files};
use common::release::{config, dataset, run};
use mammo_pipe::config::{Compression, ShardFormat};
use mammo_pipe::preprocess::decode::{Decoder, Want};
use mammo_pipe::preprocess::read::open;
use mammo_pipe::record::{Laterality, View};
use mammo_pipe::synth::machines::Machine;
use mammo_pipe::synth::{Coding, DicomFile, Layout, PhantomSpec, SynthSpec, phantom};
use mammo_pipe::train::tensorboard::Events;

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON"]
fn every_engine_reads_every_kind_of_release() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    dataset(&data, &SynthSpec { patients: 8, test_patients: 1, ..SynthSpec::default() });
    for (format, compression, bits, engines) in [
        (ShardFormat::Parquet, None, 8, 5),
        (ShardFormat::Parquet, Some(Compression::Lz4), 16, 5),
        (ShardFormat::Parquet, Some(Compression::None), 8, 5),
        (ShardFormat::Tensor, None, 8, 1),
        (ShardFormat::Tensor, None, 16, 1),
        (ShardFormat::Tensor, Some(Compression::Lz4), 8, 1),
        (ShardFormat::Tensor, Some(Compression::Zstd), 16, 1),
    ] {
        let release = folder.path().join(format!("{format:?}-{compression:?}-{bits}"));
        let mut config = config(&data, &release);
        config.shard.format = format;
        config.shard.compression = compression;
        config.window.bits = bits;
        let rows = run(&config, 2).unwrap().counts.written;
        let release = release.to_str().unwrap();
        let text = python("read_release.py", &[release, &rows.to_string()]);
        assert_eq!(text.lines().count(), engines, "{text}");
    }
}

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON"]
fn pydicom_decodes_what_we_write_as_we_do() {
    let folder = tempfile::tempdir().unwrap();
    let machines = [29, 49, 216];
    for id in machines {
        let example = PhantomSpec::example(Layout::SideMarker, View::Mlo, Laterality::Left, 7);
        let spec = PhantomSpec { machine: Machine::of(id).unwrap(), ..example };
        let image = phantom(&spec);
        for coding in Coding::ALL {
            let file = DicomFile::new(&spec, &image, coding, 10, 20).to_bytes();
            let (header, pixel_data) = open(file.clone().into(), 1 << 24).unwrap();
            let stored = Decoder::default().decode(&header, &pixel_data, &Want::default()).unwrap();
            let words: Vec<u8> =
                stored.pixels.pixels().iter().flat_map(|value| value.to_le_bytes()).collect();
            let path = folder.path().join(format!("{id}-{}", coding.as_str()));
            std::fs::write(path.with_extension("dcm"), file).unwrap();
            std::fs::write(path.with_extension("raw"), words).unwrap();
        }
    }
    let files = (machines.len() * Coding::ALL.len()).to_string();
    let arguments = [folder.path().to_str().unwrap(), &files];
    let text = python("decode_phantoms.py", &arguments);
    assert_eq!(text.lines().count().to_string(), files, "{text}");
}

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON, and ../shared with real files"]
fn grey_levels_are_those_of_pydicom() {
    let mut files = vec![env!("CARGO_BIN_EXE_mammo-pipe").to_owned()];
    let shared = real_files();
    let table = std::fs::read_to_string(shared.join("decoded_sha256.csv")).unwrap();
    let names = table.lines().skip(1).filter_map(|line| line.split(',').next());
    files.extend(names.map(|name| shared.join(name).display().to_string()));
    let arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    let text = python("window_truth.py", &arguments);
    eprintln!("{}", text.lines().last().unwrap_or_default());
}

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON"]
fn tensorboard_shows_one_curve_of_a_run_that_was_killed_and_went_on() {
    let folder = tempfile::tempdir().unwrap();
    let write = |first: u64, value: f64| {
        let mut events = Events::create(folder.path(), first).unwrap();
        for step in first..6 {
            events.scalars(step, &[("train/loss", value), ("speed/data_wait", 0.25)]).unwrap();
        }
        events.flush().unwrap();
    };
    // Killed after step 5 with its last state at step 3.
    write(0, 1.5);
    write(3, -2.0);
    let text = python("read_events.py", &[folder.path().to_str().unwrap()]);
    let loss: Vec<&str> = text.lines().filter(|line| line.starts_with("train/loss")).collect();
    let expected = ["0 1.5", "1 1.5", "2 1.5", "3 -2.0", "4 -2.0", "5 -2.0"];
    assert_eq!(loss, expected.map(|step| format!("train/loss {step}")), "{text}");
    assert_eq!(text.lines().count(), 12, "{text}");
}
