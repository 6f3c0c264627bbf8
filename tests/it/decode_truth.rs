//! Every real file decodes to the values on which pylibjpeg and GDCM agree.

use crate::common;

use common::needs::real_files;
use common::sha256_16;
use mammo_pipe::preprocess::decode::{Decoder, Want};
use mammo_pipe::preprocess::read::open;

#[test]
#[ignore = "needs ../shared with real files"]
fn every_real_file_decodes_to_the_values_of_other_decoders() {
    let shared = real_files();
    let mut table = csv::Reader::from_path(shared.join("decoded_sha256.csv")).unwrap();
    let mut decoder = Decoder::default();
    let (mut seen, mut wrong) = (0, Vec::new());
    for row in table.records() {
        let row = row.unwrap();
        let (file, expected) = (&row[0], &row[10]);
        seen += 1;
        let bytes = std::fs::read(shared.join(file)).unwrap();
        let (header, pixel_data) = open(bytes.into(), 100_000_000).unwrap();
        match decoder.decode(&header, &pixel_data, &Want::default()) {
            Ok(stored) => {
                let found = sha256_16(stored.pixels.pixels());
                if found != expected {
                    let sum: u64 = stored.pixels.pixels().iter().map(|&v| u64::from(v)).sum();
                    let mean = sum as f64 / stored.pixels.pixels().len() as f64;
                    wrong.push(format!("{file}: {found}, needs {expected}; mean {mean}"));
                }
            }
            Err(error) => wrong.push(format!("{file}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(seen, 23);
}
