//! Beside PyTorch.

use mammo_net::weights::read;

use crate::python;

/// The script saves checkpoints, and beside each the tensors that PyTorch loads from it, as f32 in
/// safetensors.
#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON with torch and safetensors"]
fn checkpoints_hold_the_tensors_that_pytorch_loads_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let text = python::run("write_checkpoints.py", &[folder.path().to_str().unwrap()]);
    let mut seen = 0;
    for name in text.lines().filter_map(|line| line.strip_prefix("same ")) {
        let found = read(&folder.path().join(name).with_extension("pth"));
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = read(&folder.path().join(name).with_extension("safetensors")).unwrap();
        let names =
            |tensors: &mammo_net::weights::Tensors| tensors.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{name}");
        for (tensor, expected) in &expected {
            assert_eq!(&found[tensor], expected, "{name}: {tensor}");
        }
        seen += 1;
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("refused ")) {
        let (name, reason) = line.split_once(' ').unwrap();
        let said = read(&folder.path().join(name)).unwrap_err().to_string();
        assert!(said.contains(reason), "{name}: {said}");
        seen += 1;
    }
    assert_eq!(seen, 23, "{text}");
}
