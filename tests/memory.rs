//! Memory stays within `limits.memory_mb` and 150 MB for the program itself.
//!
//! In a process of its own, because the peak is the process's.

mod common;

use std::fs;

use common::release::dataset;
use mammo_pipe::record::{Laterality, View};
use mammo_pipe::synth::{
    Coding, DicomFile, Layout, PhantomSpec, SynthSpec, machines::Machine, phantom,
};

#[cfg(target_os = "linux")]
#[test]
fn images_of_26_megapixels_among_200_small_ones_stay_within_the_budget() {
    const BUDGET_MB: u64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let (data, release) = (folder.path().join("data"), folder.path().join("release"));
    dataset(&data, &SynthSpec { patients: 45, test_patients: 1, ..SynthSpec::default() });

    let mut spec = PhantomSpec::example(Layout::Inverted, View::Mlo, Laterality::Left, 3);
    spec.divisor = 1;
    let large = phantom(&spec);
    assert!(large.pixels.pixels().len() > 26_000_000);
    assert_eq!(Machine::of(29).map(|m| m.id), Some(spec.machine.id));
    let mut images: Vec<_> = fs::read_dir(data.join("train_images"))
        .unwrap()
        .flat_map(|patient| fs::read_dir(patient.unwrap().path()).unwrap())
        .map(|image| image.unwrap().path())
        .collect();
    images.sort();
    assert!(images.len() >= 180);
    let codings = [Coding::Jpeg2000, Coding::JpegLosslessSv1, Coding::ExplicitLittle];
    let files = codings.map(|coding| DicomFile::new(&spec, &large, coding, 1, 1).to_bytes());
    for (index, image) in images.iter().step_by(20).enumerate() {
        fs::write(image, &files[index % files.len()]).unwrap();
    }
    drop((files, large));

    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
        .args(["preprocess", "--json", "--workers", "4", "--input"])
        .arg(&data)
        .arg("--output")
        .arg(&release)
        .args(["--set", &format!("limits.memory_mb={BUDGET_MB}")])
        .args(["--set", "resize.height=256", "--set", "resize.width=128"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let peak = summary["peak_memory_bytes"].as_u64().unwrap() >> 20;
    eprintln!("peak {peak} MiB of {BUDGET_MB} + 150");
    assert!(peak < BUDGET_MB + 150, "peak {peak} MiB");
    assert_eq!(summary["counts"]["written"].as_u64(), Some(images.len() as u64));
}
