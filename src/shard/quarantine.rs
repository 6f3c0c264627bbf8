//! `quarantine.csv`: every listed image that was not written, with the reason.

use super::manifest::Quarantined;

/// The table as bytes, with a header line.
pub fn to_csv(rows: &[Quarantined]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let header = ["split", "line", "patient_id", "image_id", "path", "stage", "reason"];
    writer.write_record(header).expect("memory takes all that is written to it");
    for row in rows {
        writer.serialize(row).expect("memory takes all that is written to it");
    }
    writer.into_inner().expect("memory takes all that is written to it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Split;

    #[test]
    fn a_reason_with_a_comma_stays_one_field() {
        let row = Quarantined {
            split: Some(Split::Train),
            line: Some(7),
            patient_id: Some("1".into()),
            image_id: None,
            path: "train_images/1/2.dcm".into(),
            stage: "decode".into(),
            reason: "holds 3 bytes, needs 4".into(),
        };
        let text = String::from_utf8(to_csv(&[row])).unwrap();
        let (header, line) = text.trim_end().split_once('\n').unwrap();
        assert_eq!(header, "split,line,patient_id,image_id,path,stage,reason");
        assert_eq!(line, "train,7,1,,train_images/1/2.dcm,decode,\"holds 3 bytes, needs 4\"");
    }
}
