//! The archive that `torch.save` writes since 2020: an uncompressed zip with one pickle and one file per storage.

use std::collections::BTreeMap;
use std::ops::Range;

use super::file::{Entry, Fault};
use super::pickle;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
/// A 32-bit field whose value stands in a 64-bit one instead.
const ELSEWHERE: u64 = 0xffff_ffff;

pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

/// The tensors of the archive's state dict.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry>, Fault> {
    let files = files(bytes)?;
    let Some((name, range)) = files.iter().find(|(name, _)| name.ends_with("/data.pkl") || *name == "data.pkl") else {
        return Fault::damaged("the archive has no data.pkl");
    };
    let prefix = name.strip_suffix("data.pkl").unwrap_or_default();
    if let Some(order) = files.get(&format!("{prefix}byteorder"))
        && &bytes[order.clone()] != b"little"
    {
        return Fault::damaged("its numbers are big-endian, expected little-endian");
    }
    pickle::state_dict(&bytes[range.clone()])?.resolve(|key| files.get(&format!("{prefix}data/{key}")).cloned())
}

/// Name and content of every file, from the central directory at the archive's end.
fn files(bytes: &[u8]) -> Result<BTreeMap<String, Range<usize>>, Fault> {
    let Some(end) = find_end(bytes) else { return Fault::damaged("the end of the archive is missing") };
    let (mut count, mut at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
    if count == 0xffff || at == ELSEWHERE {
        let Some(locator) = end.checked_sub(20).filter(|&at| bytes[at..].starts_with(LOCATOR64)) else {
            return Fault::damaged("the archive's 64-bit directory is missing");
        };
        let end64 = number(bytes, locator + 8, 8)? as usize;
        expect(bytes, end64, END64)?;
        (count, at) = (number(bytes, end64.saturating_add(32), 8)?, number(bytes, end64.saturating_add(48), 8)?);
    }
    let mut at = at as usize;
    let mut files = BTreeMap::new();
    for _ in 0..count {
        expect(bytes, at, CENTRAL)?;
        let method = number(bytes, at + 10, 2)?;
        let size = number(bytes, at + 24, 4)?;
        let [name_len, extra_len, comment_len] =
            [28, 30, 32].map(|offset| number(bytes, at + offset, 2).map_or(0, |length| length as usize));
        let local = number(bytes, at + 42, 4)?;
        let name = String::from_utf8_lossy(slice(bytes, at + 46, name_len)?).into_owned();
        let extra = slice(bytes, at + 46 + name_len, extra_len)?;
        if method != 0 {
            return Fault::damaged(format!("{name} is compressed, which torch.save never does"));
        }
        let (size, local) = wide(extra, size, local)?;
        expect(bytes, local, LOCAL)?;
        let skip = number(bytes, local + 26, 2)? + number(bytes, local + 28, 2)?;
        let start = local + 30 + skip as usize;
        slice(bytes, start, size)?;
        files.insert(name, start..start + size);
        at += 46 + name_len + extra_len + comment_len;
    }
    Ok(files)
}

/// The last record; only a comment of at most 64 KiB may follow it.
fn find_end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(22)?;
    (last.saturating_sub(0xffff)..=last).rev().find(|&at| bytes[at..].starts_with(END))
}

/// Size and place of a file, from its 64-bit extra field where the 32-bit ones are full.
fn wide(extra: &[u8], size: u64, local: u64) -> Result<(usize, usize), Fault> {
    let (mut size, mut local) = (size, local);
    let mut at = 0;
    while at + 4 <= extra.len() {
        let (kind, length) = (number(extra, at, 2)?, number(extra, at + 2, 2)? as usize);
        if kind == 1 {
            let mut field = at + 4;
            // The packed size, equal to this one without compression, would stand between them.
            if size == ELSEWHERE {
                size = number(extra, field, 8)?;
                field += 8;
                if length >= 24 || (length == 16 && local != ELSEWHERE) {
                    field += 8;
                }
            }
            if local == ELSEWHERE {
                local = number(extra, field, 8)?;
            }
        }
        at += 4 + length;
    }
    Ok((size as usize, local as usize))
}

fn expect(bytes: &[u8], at: usize, signature: &[u8]) -> Result<(), Fault> {
    if slice(bytes, at, 4)? == signature {
        Ok(())
    } else {
        Fault::damaged("a record of the archive is not in its place")
    }
}

/// A little-endian number of 1 to 8 bytes.
pub(super) fn number(bytes: &[u8], at: usize, width: usize) -> Result<u64, Fault> {
    Ok(slice(bytes, at, width)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

pub(super) fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], Fault> {
    let end = at.checked_add(length);
    match end.and_then(|end| bytes.get(at..end)) {
        Some(slice) => Ok(slice),
        None => Fault::damaged(format!("byte {at} and the {length} from there on lie outside its {}", bytes.len())),
    }
}
