//! Weights from files and from the hub, in the names of timm and torchvision.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use mammo_net::weights::{Hub, Naming, Source, load_from, load_into};
use mammo_net::{Backbone, Buffer, Images, Mode, Options, Pixels, Variant, build};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::hub::{COMMIT, LocalHub, tag};
use crate::python;

fn network(variant: Variant, channels: usize, seed: u64) -> Box<dyn Backbone> {
    build(variant, channels, &Options::default(), seed).unwrap()
}

/// The network's weights as a file of timm's would hold them.
fn file(network: &dyn Backbone) -> Vec<u8> {
    let bytes = |buffer| -> Vec<u8> {
        network.read(buffer).unwrap().iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    let (parameters, statistics) = (bytes(Buffer::Parameters), bytes(Buffer::Statistics));
    let layout = network.layout();
    let all = layout.parameters.iter().map(|entry| (entry, &parameters));
    let all = all.chain(layout.statistics.iter().map(|entry| (entry, &statistics)));
    let views = all.map(|(entry, values)| {
        let values = &values[entry.range.start * 4..entry.range.end * 4];
        (entry.name.clone(), TensorView::new(Dtype::F32, entry.shape.clone(), values).unwrap())
    });
    serialize(views, None::<HashMap<String, String>>).unwrap()
}

/// Features of a fixed input of 48 x 40 pixels, `(i * 37 % 101) / 50 - 1` at place i.
fn features(network: &mut dyn Backbone, channels: usize) -> Vec<f32> {
    let count = 2 * channels * 48 * 40;
    let input: Vec<f32> = (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let images = Images { pixels: Pixels::F32(&input), batch: 2, height: 48, width: 40 };
    network.forward(&images, Mode::Evaluate).unwrap()
}

#[test]
fn a_repository_of_the_hub_is_downloaded_once_and_then_read_without_it() {
    let mut theirs = network(Variant::B0, 3, 7);
    let hub = LocalHub::serve("/timm/net.a1/resolve/main/model.safetensors", file(&*theirs));
    let folder = tempfile::tempdir().unwrap();
    let client = Hub { endpoint: hub.endpoint.clone(), cache: folder.path().into() };
    let source = Source::parse("timm/net.a1").unwrap();
    assert_eq!(source, Source::Hub("timm/net.a1".into()));
    let expected = features(&mut *theirs, 3);
    // The second time from the cache: nobody listens on port 1.
    for endpoint in [hub.endpoint.as_str(), "http://127.0.0.1:1"] {
        let client = Hub { endpoint: endpoint.into(), ..client.clone() };
        let mut ours = network(Variant::B0, 3, 8);
        let report = load_from(&mut *ours, &source, &client).unwrap();
        assert_eq!((report.naming, report.misfits.len()), (Naming::Timm, 0));
        assert_eq!(features(&mut *ours, 3), expected);
    }
    assert_eq!(hub.downloads.load(Ordering::SeqCst), 1);
}

/// The files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_hub_that_lies_is_refused_and_writes_nothing() {
    let place = "/timm/net.a1/resolve/main/model.safetensors";
    let weights = file(&*network(Variant::B0, 1, 1));
    let (right, length) = (tag(&weights), weights.len());
    let wrong = tag(b"another file");
    let answer = |commit: &str, etag: &str, more: &str| {
        format!("200 OK\r\nx-repo-commit: {commit}\r\netag: \"{etag}\"\r\n{more}")
    };
    let sized = format!("content-length: {length}");
    let cases = [
        ("no hash", answer(COMMIT, "../../../evil", &sized)),
        ("no hash", answer("../../../../../evil", &right, &sized)),
        ("no hash", answer("c0ffee", &right, &sized)),
        ("no hash", answer(COMMIT, "", &sized)),
        ("SHA-256", answer(COMMIT, &wrong, &sized)),
        ("bytes", answer(COMMIT, &right, "content-length: 99999999999999")),
        ("no hub", format!("200 OK\r\n{sized}")),
        ("404", "404 Not Found\r\ncontent-length: 0".into()),
        ("redirects more", format!("302 Found\r\ncontent-length: 0\r\nlocation: {place}")),
        ("nowhere", "302 Found\r\ncontent-length: 0".into()),
        ("not https", "302 Found\r\ncontent-length: 0\r\nlocation: file:///etc/passwd".into()),
        ("not https", "302 Found\r\ncontent-length: 0\r\nlocation: //evil.example/x".into()),
    ];
    for (reason, headers) in cases {
        let parent = tempfile::tempdir().unwrap();
        let cache = parent.path().join("a/b/c/cache");
        let hub = LocalHub::answer(place, headers.clone(), weights.clone());
        let client = Hub { endpoint: hub.endpoint.clone(), cache };
        let said = client.fetch("timm/net.a1").unwrap_err().to_string();
        assert!(said.contains(reason), "{headers}: {said}");
        assert_eq!(below(parent.path()), [] as [PathBuf; 0], "{headers}");
    }
    // Nor does a name or a revision lead out of the cache.
    let hub = LocalHub::serve(place, weights);
    let parent = tempfile::tempdir().unwrap();
    let client = Hub { endpoint: hub.endpoint.clone(), cache: parent.path().join("cache") };
    for name in ["timm/..", "../net.a1", "timm/net.a1@../..", "timm/net.a1@a/b", "timm", "a/b/c"] {
        assert!(client.fetch(name).is_err(), "{name}");
    }
    assert_eq!(hub.downloads.load(Ordering::SeqCst), 0);
    let path = client.fetch("timm/net.a1").unwrap();
    assert!(path.ends_with(format!("models--timm--net.a1/snapshots/{COMMIT}/model.safetensors")));
    // What Python's client would look for.
    assert_eq!(
        std::fs::read_to_string(parent.path().join("cache/models--timm--net.a1/refs/main"))
            .unwrap(),
        COMMIT
    );
}

#[test]
fn without_a_network_the_message_says_which_file_to_put_where() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub { endpoint: "http://127.0.0.1:1".into(), cache: folder.path().into() };
    let source = Source::parse("timm/efficientnet_b4.ra2_in1k").unwrap();
    let error = load_from(&mut *network(Variant::B0, 1, 1), &source, &hub).unwrap_err();
    let text = error.to_string();
    let address = "http://127.0.0.1:1/timm/efficientnet_b4.ra2_in1k/resolve/main/model.safetensors";
    assert!(text.contains(address), "{text}");
    assert!(text.contains("start from that file instead"), "{text}");
}

#[test]
fn weights_made_with_another_padding_are_refused_before_they_are_fetched() {
    let hub = Hub { endpoint: "http://127.0.0.1:1".into(), cache: "nowhere".into() };
    let source = Source::parse("timm/tf_efficientnet_b4.ns_jft_in1k").unwrap();
    let error = load_from(&mut *network(Variant::B0, 1, 1), &source, &hub).unwrap_err();
    assert!(error.to_string().contains("padding"), "{error}");
}

#[test]
fn a_file_of_another_network_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let mut ours = network(Variant::B0, 1, 4);
    let before = ours.read(Buffer::Parameters).unwrap();
    // B1 has B0's widths and more blocks, B2 has other widths.
    for (other, what) in [
        (Variant::B1, "not the network's: blocks.0.1.bn1.bias"),
        (Variant::B2, "blocks.2.0.conv_pwl.weight is [48, 144, 1, 1], needs [40, 144, 1, 1]"),
    ] {
        std::fs::write(&path, file(&*network(other, 1, 3))).unwrap();
        let error = load_into(&mut *ours, &Source::File(path.clone())).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert_eq!(ours.read(Buffer::Parameters).unwrap(), before);
    }
}

#[test]
fn text_that_is_neither_file_nor_repository_is_refused() {
    for text in ["b4", "a/b/c", "/missing", "./x/", ""] {
        assert!(Source::parse(text).is_err(), "{text}");
    }
    let file = Source::parse("not/there/yet.safetensors").unwrap();
    let error = load_into(&mut *network(Variant::B0, 1, 1), &file).unwrap_err().to_string();
    assert!(error.starts_with("not/there/yet.safetensors: No such file"), "{error}");
}

/// The script writes files and features. From each file our features must be the same, and PyTorch
/// must read our file.
#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON with timm, torch and torchvision"]
fn files_of_timm_and_torchvision_give_their_features_and_ours_give_them_to_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("ours.safetensors");
    let mut network_of_ours = network(Variant::B0, 1, 5);
    std::fs::write(&ours, file(&*network_of_ours)).unwrap();
    let text = python::run("write_weights.py", &[folder.path().to_str().unwrap()]);
    let mut seen = 0;
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = case["file"].as_str().unwrap();
        let expected = case["features"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
        let variant: Variant = case["model"].as_str().unwrap().parse().unwrap();
        let channels = case["channels"].as_u64().unwrap() as usize;
        let found = if name == "ours.safetensors" {
            features(&mut *network_of_ours, 1)
        } else {
            let mut network = network(variant, channels, 1);
            let path: &Path = &folder.path().join(name);
            let source = Source::parse(path.to_str().unwrap()).unwrap();
            let report = load_into(&mut *network, &source).unwrap();
            assert!(report.unexpected.is_empty(), "{name}: {report}");
            assert_eq!(report.classifier.len(), 2, "{name}");
            features(&mut *network, channels)
        };
        let pairs = found.iter().zip(expected);
        let worst =
            pairs.map(|(ours, theirs)| (f64::from(*ours) - theirs).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: {worst:.1e}");
        seen += 1;
    }
    assert_eq!(seen, 6, "{text}");
}
