//! The figures of `metrics.jsonl` as TensorBoard event files.
//!
//! A file is a row of records, `length u64 | masked CRC of it | bytes | masked CRC of them`, little-endian; the bytes
//! are a `tensorflow.Event` in protocol-buffer form, of which only numbers are written here. See
//! `tensorflow/core/lib/io/record_writer.h` and `tensorflow/core/util/event.proto`.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fs_err as fs;

use super::tables::LogLine;

/// One event file, open for adding.
#[derive(Debug)]
pub struct EventFile {
    file: fs::File,
}

impl EventFile {
    /// Begins a new file in `dir`, which is made if it is not there. TensorBoard reads all files of a folder, later
    /// ones over earlier ones, so a resumed run only adds one.
    ///
    /// # Errors
    /// - the folder or the file cannot be made
    pub fn create(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let now = wall_time();
        // Two files of one second differ in the last part; a name that is taken is an error, never written over.
        let name = format!("events.out.tfevents.{:010}.sporeprint.{}", now as u64, (now.fract() * 1e9) as u64);
        let file = fs::OpenOptions::new().write(true).create_new(true).open(dir.join(name))?;
        let mut events = Self { file };
        events.record(&event(now, 0, &bytes(3, b"brain.Event:2")))?;
        Ok(events)
    }

    /// Adds every number of a line as `<stage>/<name>` at the line's epoch.
    ///
    /// # Errors
    /// - the file cannot be written
    pub fn add(&mut self, metric: &LogLine) -> io::Result<()> {
        let mut summary = Vec::new();
        for (name, number) in metric.numbers() {
            let mut value = bytes(1, format!("{}/{name}", metric.stage).as_bytes());
            value.push(2 << 3 | FIXED32);
            value.extend((number as f32).to_le_bytes());
            summary.extend(bytes(1, &value));
        }
        if summary.is_empty() {
            return Ok(());
        }
        self.record(&event(wall_time(), metric.epoch.round() as u64, &bytes(5, &summary)))
    }

    fn record(&mut self, event: &[u8]) -> io::Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(event.len() + 16);
        record.extend(length);
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(event);
        record.extend(masked_crc(event).to_le_bytes());
        self.file.write_all(&record)
    }
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0., |since| since.as_secs_f64())
}

/// Kinds of fields, the lowest three bits of a key.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// An event at a time and a step, with its last field ready made.
fn event(wall_time: f64, step: u64, what: &[u8]) -> Vec<u8> {
    let mut out = vec![1 << 3 | FIXED64];
    out.extend(wall_time.to_le_bytes());
    out.push(2 << 3 | VARINT);
    out.extend(varint(step));
    out.extend(what);
    out
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | BYTES];
    out.extend(varint(content.len() as u64));
    out.extend(content);
    out
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// CRC-32C, turned and shifted, as a check sum of data that may hold check sums.
fn masked_crc(data: &[u8]) -> u32 {
    let crc = data.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    });
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tensorboard.compat.tensorflow_stub.pywrap_tensorflow.masked_crc32c(b"123456789")`; CRC-32C is 0xe3069283.
    #[test]
    fn check_sums_are_those_of_tensorboard() {
        let crc = 0xe306_9283u32;
        assert_eq!(masked_crc(b"123456789"), crc.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn records_hold_stage_name_step_and_number() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut events = EventFile::create(dir.path()).expect("file");
        events.add(&LogLine::new("aggregate", 300.).number("loss", 0.5).text("warning", "w")).expect("written");
        events.add(&LogLine::new("aggregate", 301.).text("warning", "no numbers, no record")).expect("written");
        let path = fs::read_dir(dir.path()).expect("folder").next().expect("one").expect("entry").path();
        let data = fs::read(path).expect("file");
        let mut records = Vec::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("eight")) as usize;
            records.push(&rest[12..12 + length]);
            rest = &rest[16 + length..];
        }
        assert_eq!(records.len(), 2);
        // Field 1 is the time; then step 300 as a varint, and the summary with one value of name and number.
        let expected =
            [&[0x10, 0xac, 0x02, 0x2a, 23, 0x0a, 21, 0x0a, 14][..], b"aggregate/loss", &[0x15, 0, 0, 0, 0x3f]];
        assert_eq!(records[1][9..], expected.concat());
    }
}
