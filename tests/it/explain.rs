//! Maps lie where the image has what they show, and others can read what is written of them.

use crate::common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::needs::{self, python};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use mammo_pipe::config::Config;
use mammo_pipe::dataset::{Job, Role};
use mammo_pipe::dicom::{DataSet, Encoding, Value, file_meta};
use mammo_pipe::explain::gradcam::{Method, maps};
use mammo_pipe::explain::overlay;
use mammo_pipe::explain::place::Heat;
use mammo_pipe::explain::secondary_capture::{self, Derivation};
use mammo_pipe::image::Pixels;
use mammo_pipe::image::{Plane, Rect};
use mammo_pipe::model::{
    Buffer, Entry, Images, Mode, Options, Pixels as Values, Tap, Variant, build,
};
use mammo_pipe::preprocess::memory::Memory;
use mammo_pipe::preprocess::read::{COPIED, Origin};
use mammo_pipe::preprocess::steps::{Steps, steps};
use mammo_pipe::record::{Id, ImageRecord, Laterality, View};
use mammo_pipe::synth::machines::Machine;
use mammo_pipe::synth::{Coding, DicomFile, Finding, FindingKind, Layout, PhantomSpec, phantom};
use safetensors::SafeTensors;

/// A phantom with a mass or, all else the same, without it.
fn spec(laterality: Laterality, with: bool) -> PhantomSpec {
    let example = PhantomSpec::example(Layout::SideMarker, View::Mlo, laterality, 11);
    let mass = Finding {
        kind: FindingKind::SpiculatedMass,
        depth: 0.6,
        across: [0.2, 0.25],
        radius: 9.0,
        seed: 5,
    };
    let findings = if with { vec![mass] } else { Vec::new() };
    PhantomSpec { machine: Machine::of(29).unwrap(), findings, ..example }
}

/// Writes its file; gives the box of the mass in the source.
fn write(path: &Path, spec: &PhantomSpec) -> Option<Rect> {
    let image = phantom(spec);
    let file = DicomFile::new(spec, &image, Coding::Jpeg2000, 10, 20);
    std::fs::write(path, file.to_bytes()).unwrap();
    image.findings.first().map(|(_, place)| *place)
}

fn all_steps(path: &Path, config: &Config) -> Steps {
    let id = || Id::new("x").unwrap();
    let job = Job {
        record: ImageRecord::unlabelled(id(), id()),
        role: Role::Test,
        relative: String::new(),
        name: String::new(),
        path: path.into(),
        bytes: std::fs::metadata(path).unwrap().len(),
    };
    let memory = Memory::divide(config, 1, 1).unwrap();
    steps(job, &Arc::new(config.clone()), &memory).unwrap()
}

fn config(flip_to: Option<Laterality>) -> Config {
    let mut config = Config::default();
    (config.resize.height, config.resize.width) = (320, 192);
    config.roi.flip_to = flip_to;
    config
}

/// An activation of one channel, 1/16 of the output's size: where two outputs differ.
fn difference(one: &Pixels, other: &Pixels) -> Tap {
    let (Pixels::U8(one), Pixels::U8(other)) = (one, other) else { unreachable!("8 bits") };
    let (width, height) = (one.width() / 16, one.height() / 16);
    let mut activation = vec![0.0; width * height];
    for (y, (a, b)) in one.rows().zip(other.rows()).enumerate() {
        for (x, (a, b)) in a.iter().zip(b).enumerate() {
            activation[y / 16 * width + x / 16] += f32::from(a.abs_diff(*b));
        }
    }
    Tap { shape: [1, height, width, 1], gradient: vec![1.0; activation.len()], activation }
}

#[test]
fn a_map_of_what_a_lesion_changes_lands_on_the_lesion_in_the_source() {
    use Laterality::{Left, Right};
    let folder = tempfile::tempdir().unwrap();
    for (laterality, flip_to) in
        [(Left, None), (Right, None), (Left, Some(Right)), (Right, Some(Left))]
    {
        let (with, without) = (folder.path().join("with.dcm"), folder.path().join("without.dcm"));
        let lesion = write(&with, &spec(laterality, true)).unwrap();
        write(&without, &spec(laterality, false));
        let config = config(flip_to);
        let [with, without] = [with, without].map(|path| all_steps(&path, &config));
        assert_eq!(with.sample.geometry, without.sample.geometry);
        let tap = difference(&with.sample.pixels, &without.sample.pixels);
        let methods =
            [Method::GradCam, Method::GradCamPlusPlus, Method::HiResCam, Method::LayerCam];
        for method in methods {
            let [map] = maps(&tap, method, (192, 320)).try_into().unwrap();
            let heat = Heat::new(map, with.sample.geometry);
            let (x, y) = heat.peak().unwrap();
            let (cx, cy) = (
                lesion.left as f64 + lesion.width as f64 / 2.0,
                lesion.top as f64 + lesion.height as f64 / 2.0,
            );
            // The box holds the spicules too; the mass is the middle half of it.
            let (dx, dy) = ((x - cx) / lesion.width as f64, (y - cy) / lesion.height as f64);
            assert!(dx.abs() < 0.25 && dy.abs() < 0.25, "{laterality:?} {flip_to:?}: {dx} {dy}");
            assert!(heat.share_inside(with.sample.found.breast).unwrap() > 0.99);
            assert!(heat.share_inside(lesion).unwrap() > 0.6, "{:?}", heat.share_inside(lesion));

            let page = overlay::on_source(&with.windowed, &heat);
            let tint = |(x, y): (usize, usize)| page.row(y)[x][0].abs_diff(page.row(y)[x][2]);
            let places = (0..page.height()).flat_map(|y| (0..page.width()).map(move |x| (x, y)));
            let (mut inside, mut all) = (0, 0);
            for place in places {
                let is_in = |at, low, high| (low..high).contains(&at);
                let tint = usize::from(tint(place));
                all += tint;
                if is_in(place.0, lesion.left, lesion.right())
                    && is_in(place.1, lesion.top, lesion.bottom())
                {
                    inside += tint;
                }
            }
            assert!(inside * 10 > all * 7, "{inside} of {all} of the colour is on the lesion");
        }
    }
}

const DERIVATION: Derivation =
    Derivation { run: "0123456789abcdef", fold: 0, layer: "blocks.5.2", method: Method::GradCam };

/// Fails if dicom3tools find an error in the file.
fn assert_conforms(path: &Path) {
    let output = needs::run(Command::new("dciodvfy").arg(path), "Debian: dicom3tools");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("SCImage"), "recognised as a secondary capture: {said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("Error")).collect();
    assert!(errors.is_empty(), "{said}");
}

/// A source as a hospital's archive has it: all of patient and study filled in.
fn whole_source(rows: u16, columns: u16) -> Vec<u8> {
    let mut data = DataSet::default();
    for (tag, vr) in COPIED {
        let value = match (tag, vr) {
            (tags::SPECIFIC_CHARACTER_SET, _) => "ISO_IR 100",
            (tags::PATIENT_SEX, _) => "F",
            (tags::IMAGE_LATERALITY, _) => "R",
            (tags::PATIENT_ORIENTATION, _) => "P\\F",
            (tags::BODY_PART_EXAMINED, _) => "BREAST",
            (tags::LOSSY_IMAGE_COMPRESSION, _) => "01",
            (tags::LOSSY_IMAGE_COMPRESSION_METHOD, _) => "ISO_15444_1",
            (_, VR::PN) => "M\u{fc}ller^Eva",
            (_, VR::DA) => "20240131",
            (_, VR::TM) => "101112",
            (_, VR::AS) => "057Y",
            (_, VR::UI) => "1.2.826.0.1.3680043.2.1143.7",
            (_, VR::CS) => "NO",
            (_, VR::IS | VR::DS) => "7",
            _ => "SOME TEXT",
        };
        let latin1 = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
        data.set(tag, &vr.to_bytes(), Value::Bytes(latin1));
    }
    data.text(tags::SOP_CLASS_UID, b"UI", "1.2.840.10008.5.1.4.1.1.1.2");
    data.text(tags::SOP_INSTANCE_UID, b"UI", "1.2.826.0.1.3680043.2.1143.8");
    data.number(tags::ROWS, rows);
    data.number(tags::COLUMNS, columns);
    let mut bytes = file_meta("1.2.3", "1.2.4", "1.2.840.10008.1.2.1");
    data.write(Encoding::ExplicitLittle, &mut bytes);
    bytes
}

#[test]
#[ignore = "needs dciodvfy, and MAMMO_PIPE_PYTHON"]
fn a_secondary_capture_passes_dicom3tools_and_pydicom_finds_its_source_s_study_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (bare, whole) = (folder.path().join("bare.dcm"), folder.path().join("whole.dcm"));
    write(&bare, &spec(Laterality::Right, true)).unwrap();
    let steps = all_steps(&bare, &config(None));
    let tap = difference(&steps.sample.pixels, &Pixels::U8(Plane::new(192, 320, vec![0; 61440])));
    let [map] = maps(&tap, Method::GradCam, (192, 320)).try_into().unwrap();
    let page = overlay::on_source(&steps.windowed, &Heat::new(map, steps.sample.geometry));
    std::fs::write(&whole, whole_source(page.height() as u16, page.width() as u16)).unwrap();
    for source in [bare, whole] {
        let origin = Origin::read(&std::fs::read(&source).unwrap().into());
        let origin = origin.unwrap_or_else(|error| panic!("{error}"));
        let capture = source.with_extension("capture.dcm");
        std::fs::write(&capture, secondary_capture::file(&origin, &page, &DERIVATION)).unwrap();
        assert_conforms(&capture);
        let paths = [&source, &capture].map(|path| path.to_str().unwrap());
        python("secondary_capture.py", &paths);
    }
}

#[derive(serde::Deserialize)]
struct Truth {
    shape: [usize; 3],
    maps: Vec<TrueMap>,
}

#[derive(serde::Deserialize)]
struct TrueMap {
    block: String,
    method: Method,
    file: String,
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON"]
fn maps_are_those_of_pytorch_grad_cam_on_timm_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    python("gradcam_truth.py", &[folder.to_str().unwrap()]);
    let truth = std::fs::read(folder.join("truth.json")).unwrap();
    let Truth { shape: [batch, height, width], maps: truths } =
        serde_json::from_slice(&truth).unwrap();
    let file = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&file).unwrap();
    let tensor = |name: &str| -> Vec<f32> {
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let mut backbone = build(Variant::B0, 1, &Options::default(), 1).unwrap();
    let layout = backbone.layout().clone();
    let flat = |entries: &[Entry]| entries.iter().flat_map(|e| tensor(&e.name)).collect::<Vec<_>>();
    backbone.write(Buffer::Parameters, &flat(&layout.parameters)).unwrap();
    backbone.write(Buffer::Statistics, &flat(&layout.statistics)).unwrap();
    // The gradient of the sum of the batch's scores.
    let gradient = tensor("classifier.weight").repeat(batch);
    let input = floats(&folder.join("input.f32"));
    let images = Images { pixels: Values::F32(&input), batch, height, width };
    assert_eq!(truths.len(), 3 * 4 + 2);
    for TrueMap { block, method, file } in truths {
        backbone.tap(Some(&block)).unwrap();
        backbone.forward(&images, Mode::Explain).unwrap();
        backbone.backward(&gradient, &mut |_| {}).unwrap();
        let found = maps(&backbone.tapped().unwrap(), method, (width, height));
        let found = found.iter().flat_map(|map| map.pixels().to_vec());
        let expected = floats(&folder.join(file));
        let far = found.zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{block} {method:?}: {far:.1e}");
        assert!(far < 1e-3, "{block} {method:?}: {far}");
    }
}
