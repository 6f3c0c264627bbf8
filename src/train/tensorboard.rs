//! Writes scalars as TensorBoard event files.
//!
//! A file is a sequence of records: length (u64), masked CRC-32C of it, data, masked CRC-32C of
//! that (TensorFlow's `record_writer.cc`). The data are an `Event` message (`event.proto`). We
//! write it by hand, because we need only three of its fields.
//!
//! Each process that starts or resumes a run opens a new file, named after its first step. Its
//! first event is a session start, so TensorBoard drops what a killed process wrote from that step
//! on.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Fault;

/// An open event file.
#[derive(Debug)]
pub struct Events {
    file: BufWriter<File>,
    path: std::path::PathBuf,
}

impl Events {
    /// Creates the file of a run that starts or resumes at `step`.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn create(folder: &Path, step: u64) -> Result<Self, Fault> {
        let path = folder.join(format!("events.out.tfevents.{step:010}.mammo-pipe"));
        let file = File::create(&path).map_err(Fault::io(&path))?;
        let mut events = Self { file: BufWriter::new(file), path };
        let mut version = Vec::new();
        bytes(&mut version, 3, b"brain.Event:2");
        events.event(0, &version)?;
        // SessionLog { status: START }
        let mut start = Vec::new();
        bytes(&mut start, 7, &[1 << 3, 1]);
        events.event(step, &start)?;
        events.flush()?;
        Ok(events)
    }

    /// Adds a value under each tag.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), Fault> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            bytes(&mut entry, 1, tag.as_bytes());
            entry.push(2 << 3 | 5);
            entry.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &entry);
        }
        let mut field = Vec::new();
        bytes(&mut field, 5, &summary);
        self.event(step, &field)
    }

    /// Flushes the buffer.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.file.flush().map_err(Fault::io(&self.path))
    }

    fn event(&mut self, step: u64, field: &[u8]) -> Result<(), Fault> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut event = vec![1 << 3 | 1];
        event.extend(now.to_le_bytes());
        event.push(2 << 3);
        varint(&mut event, step);
        event.extend(field);
        self.file.write_all(&record(&event)).map_err(Fault::io(&self.path))
    }
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// A CRC that is safe to use on data that contain CRCs (TensorFlow's `crc32c.h`).
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// A length-delimited field.
fn bytes(out: &mut Vec<u8>, field: u8, data: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, data.len() as u64);
    out.extend(data);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of each record of a file.
    fn records(mut file: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while !file.is_empty() {
            let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
            let crc = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
            assert_eq!(crc(8), masked_crc(&file[..8]));
            assert_eq!(crc(12 + length), masked_crc(&file[12..12 + length]));
            records.push(file[12..12 + length].to_vec());
            file = &file[16 + length..];
        }
        records
    }

    #[test]
    fn an_event_holds_its_step_tag_and_value() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::create(folder.path(), 300).unwrap();
        events.scalars(301, &[("loss", 0.5)]).unwrap();
        events.flush().unwrap();
        let written = std::fs::read(&events.path).unwrap();
        let records = records(&written);
        assert_eq!(records.len(), 3);
        assert!(records[0].ends_with(b"brain.Event:2"));
        // Step 300 is the varint AC 02; then field 7, SessionLog.
        assert_eq!(records[1][9..], [0x10, 0xAC, 0x02, 0x3A, 2, 0x08, 1]);
        let value = [
            &[0x10, 0xAD, 0x02, 0x2A, 13, 0x0A, 11, 0x0A, 4][..],
            b"loss",
            &[0x15],
            &0.5_f32.to_le_bytes(),
        ];
        assert_eq!(records[2][9..], value.concat());
    }

    #[test]
    fn the_crc_is_tensorflows() {
        // crc32c_test.cc of LevelDB: 32 zero bytes. Masked as crc32c.h does it.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8A91_36AA);
        // ((crc >> 15) | (crc << 17)) + 0xA282EAD8, modulo 2^32.
        assert_eq!(masked_crc(&[0; 32]), 0x0FD7_FFFA);
    }
}
