//! NumPy's `.npy` files: versions 1 and 2, little endian, one or two dimensions; ours are `f32` or `f64` in C order, those of
//! others may be `f16` or in Fortran order.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use thiserror::Error;

use super::write_atomically;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy pads the header so that the numbers start on such a boundary.
const ALIGNMENT: usize = 64;
/// No header of ours or NumPy's comes near this; a larger one is a damaged file.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// A dense array in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T> {
    /// Sizes of the dimensions, outermost first: `[n]` or `[rows, columns]`.
    pub shape: Vec<usize>,
    /// The numbers, row after row.
    pub data: Vec<T>,
}

/// Why a `.npy` file could not be read or written.
#[derive(Debug, Error)]
pub enum NpyError {
    /// The file system said no; the message holds the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not what was asked for.
    #[error("{}: found {found}, expected {expected}\nhint: {hint}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What was asked for.
        expected: String,
        /// What to do.
        hint: &'static str,
    },
}

/// A floating-point number that `.npy` files of ours hold.
pub trait NpyFloat: Copy {
    /// NumPy's name of the type.
    const DESCR: &'static str;
    /// Bytes of one number.
    const N_BYTES: usize;
    /// Reads one number from exactly `N_BYTES` bytes.
    fn from_le(bytes: &[u8]) -> Self;
    /// Appends the number's bytes.
    fn push_le(self, out: &mut Vec<u8>);
}

macro_rules! npy_float {
    ($type:ty, $descr:literal) => {
        impl NpyFloat for $type {
            const DESCR: &'static str = $descr;
            const N_BYTES: usize = size_of::<$type>();
            fn from_le(bytes: &[u8]) -> Self {
                let mut exact = [0; size_of::<$type>()];
                exact.copy_from_slice(bytes);
                <$type>::from_le_bytes(exact)
            }
            fn push_le(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    };
}
npy_float!(f32, "<f4");
npy_float!(f64, "<f8");

/// Reads an array of one or two dimensions.
///
/// # Errors
/// - the file cannot be read, is no `.npy` file, is cut short or longer than its header says
/// - its type is not `T`, its order is Fortran's, it has no or more than two dimensions
pub fn read_npy<T: NpyFloat>(path: &Path) -> Result<Array<T>, NpyError> {
    let opened = Opened::new(path)?;
    if opened.descr != T::DESCR {
        return Err(opened.unfit(
            format!("numbers of type {:?}", opened.descr),
            format!("{:?}", T::DESCR),
            "convert with array.astype(numpy.float32) before numpy.save",
        ));
    }
    if opened.fortran && opened.shape.len() > 1 {
        return Err(opened.unfit(
            "columns stored one after the other (fortran_order)".to_owned(),
            "rows stored one after the other".to_owned(),
            "save numpy.ascontiguousarray(array)",
        ));
    }
    let shape = opened.shape.clone();
    let data = opened.numbers(T::N_BYTES, T::from_le)?;
    Ok(Array { shape, data })
}

/// Reads rows that another program wrote: two dimensions, 16, 32 or 64-bit floating point, rows or columns first.
/// Numbers too large for `f32` become infinite.
///
/// # Shapes
/// - result: `[rows, columns]`
/// # Errors
/// - as [`read_npy`], but for the types and orders named above
pub fn read_npy_rows(path: &Path) -> Result<Array<f32>, NpyError> {
    let opened = Opened::new(path)?;
    let &[n_rows, n_columns] = opened.shape.as_slice() else {
        return Err(opened.unfit(
            format!("shape {:?}", opened.shape),
            "[rows, numbers per row]".to_owned(),
            "reshape to two dimensions before numpy.save",
        ));
    };
    let fortran = opened.fortran;
    let data = match opened.descr.as_str() {
        "<f2" => opened.numbers(2, |bytes| half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32())?,
        "<f4" => opened.numbers(4, f32::from_le)?,
        "<f8" => opened.numbers(8, |bytes| f64::from_le(bytes) as f32)?,
        other => {
            let found = format!("numbers of type {other:?}");
            let expected = "\"<f2\", \"<f4\" or \"<f8\" (floating point, little endian)".to_owned();
            return Err(opened.unfit(found, expected, "convert with array.astype(numpy.float32) before numpy.save"));
        }
    };
    if !fortran {
        return Ok(Array { shape: vec![n_rows, n_columns], data });
    }
    let rows = (0..n_rows).flat_map(|row| (0..n_columns).map(move |column| (row, column)));
    let turned = rows.map(|(row, column)| data[column * n_rows + row]).collect();
    Ok(Array { shape: vec![n_rows, n_columns], data: turned })
}

/// A file whose header has been read and found to fit the file's length.
struct Opened<'a> {
    path: &'a Path,
    file: fs::File,
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
    n_header_bytes: usize,
    n_file_bytes: u64,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Self, NpyError> {
        let mut file = fs::File::open(path)?;
        let n_file_bytes = file.metadata()?.len();
        let damaged = |found: &str| NpyError::Unfit {
            path: path.to_owned(),
            found: found.to_owned(),
            expected: "a whole .npy file of version 1 or 2".to_owned(),
            hint: "write it again with numpy.save",
        };
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(|_| damaged("fewer than 8 bytes"))?;
        if &start[..6] != MAGIC {
            return Err(damaged("other leading bytes than NumPy's"));
        }
        let size_bytes = match start[6] {
            1 => 2,
            2 => 4,
            version => return Err(damaged(&format!("version {version}"))),
        };
        let mut size = [0; 4];
        file.read_exact(&mut size[..size_bytes]).map_err(|_| damaged("a file that ends in its header"))?;
        let header_bytes = u32::from_le_bytes(size) as usize;
        if header_bytes > MAX_HEADER_BYTES {
            return Err(damaged(&format!("a header of {header_bytes} bytes")));
        }
        let mut header = vec![0; header_bytes];
        file.read_exact(&mut header).map_err(|_| damaged("a file that ends in its header"))?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let (descr, fortran, shape) = parse_header(&header).ok_or_else(|| damaged(&format!("header {header:?}")))?;
        let n_header_bytes = 8 + size_bytes + header_bytes;
        let opened = Self { path, file, descr, fortran, shape, n_header_bytes, n_file_bytes };
        if !matches!(opened.shape.len(), 1 | 2) {
            return Err(opened.unfit(
                format!("shape {:?}", opened.shape),
                "one or two dimensions".to_owned(),
                "reshape to [images, numbers per image]",
            ));
        }
        Ok(opened)
    }

    fn unfit(&self, found: String, expected: String, hint: &'static str) -> NpyError {
        NpyError::Unfit { path: self.path.to_owned(), found, expected, hint }
    }

    /// The numbers in the order of the file, read in pieces: the bytes of a large file are never held beside them.
    fn numbers<T>(mut self, bytes_each: usize, from: impl Fn(&[u8]) -> T) -> Result<Vec<T>, NpyError> {
        let count = self.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let n_bytes = count.and_then(|count| count.checked_mul(bytes_each)).ok_or_else(|| {
            self.unfit(
                format!("shape {:?}", self.shape),
                "a whole .npy file of version 1 or 2".to_owned(),
                "write it again with numpy.save",
            )
        })?;
        let body_bytes = self.n_file_bytes.saturating_sub(self.n_header_bytes as u64);
        if body_bytes != n_bytes as u64 {
            return Err(self.unfit(
                format!("{body_bytes} bytes of numbers"),
                format!("{n_bytes} for shape {:?}", self.shape),
                "the file was cut short or damaged: write it again",
            ));
        }
        let mut data = Vec::with_capacity(n_bytes / bytes_each);
        let mut piece = vec![0; (bytes_each << 16).min(n_bytes)];
        let mut left = n_bytes;
        while left > 0 {
            let size = left.min(piece.len());
            self.file.read_exact(&mut piece[..size])?;
            data.extend(piece[..size].chunks_exact(bytes_each).map(&from));
            left -= size;
        }
        Ok(data)
    }
}

/// Writes an array atomically, byte for byte as `numpy.save` does.
///
/// # Errors
/// - the file cannot be written
/// # Panics
/// - `shape` does not multiply to the length of `data`, or is not of one or two dimensions
pub fn write_npy<T: NpyFloat>(path: &Path, shape: &[usize], data: &[T]) -> Result<(), NpyError> {
    assert!(matches!(shape.len(), 1 | 2), "shape {shape:?} has to have one or two dimensions");
    assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?} against the numbers given");
    let sizes = match shape {
        [n] => format!("({n},)"),
        _ => format!("({}, {})", shape[0], shape[1]),
    };
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {sizes}, }}", T::DESCR);
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    write_atomically(path, |out| {
        out.write_all(MAGIC)?;
        out.write_all(&[1, 0])?;
        // Two short numbers and a type never fill 64 KiB.
        out.write_all(&(header.len() as u16).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        let mut bytes = Vec::new();
        for chunk in data.chunks(1 << 14) {
            bytes.clear();
            chunk.iter().for_each(|&number| number.push_le(&mut bytes));
            out.write_all(&bytes)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Takes `descr`, `fortran_order` and `shape` out of the header, which is a Python dictionary.
fn parse_header(header: &str) -> Option<(String, bool, Vec<usize>)> {
    let value = |key: &str| {
        let at = header.find(&format!("'{key}'"))?;
        Some(header[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
    };
    let descr = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
    let fortran = match value("fortran_order")? {
        rest if rest.starts_with("True") => true,
        rest if rest.starts_with("False") => false,
        _ => return None,
    };
    let sizes = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    Some((descr, fortran, sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numpy_bytes(version: u8, header: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.as_bytes());
        bytes.extend(body);
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<Array<f32>, NpyError> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("a.npy");
        fs::write(&path, bytes).expect("file");
        read_npy(&path)
    }

    fn refusal(bytes: &[u8]) -> String {
        read_bytes(bytes).expect_err("refused").to_string()
    }

    #[test]
    fn arrays_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("a.npy");
        let numbers = [1.5f32, -0.0, f32::INFINITY, 1e-40, 3.0, 4.0];
        for shape in [vec![6], vec![2, 3], vec![6, 1]] {
            write_npy(&path, &shape, &numbers).expect("written");
            assert_eq!(read_npy::<f32>(&path).expect("read"), Array { shape, data: numbers.to_vec() });
        }
        write_npy::<f64>(&path, &[0, 128], &[]).expect("written");
        assert_eq!(read_npy::<f64>(&path).expect("read"), Array { shape: vec![0, 128], data: vec![] });
    }

    /// `numpy.save("a.npy", numpy.float32([[1, 2]]))` with NumPy 2.3, printed with `od`.
    #[test]
    fn bytes_equal_those_of_numpy() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("a.npy");
        write_npy(&path, &[1, 2], &[1f32, 2.]).expect("written");
        let mut expected =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }".to_vec();
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
        assert_eq!(fs::read(&path).expect("file"), expected);
    }

    #[test]
    fn version_2_is_read() {
        let bytes = numpy_bytes(2, "{'descr':'<f4','fortran_order':False,'shape':(1,),}\n", &2f32.to_le_bytes());
        assert_eq!(read_bytes(&bytes).expect("read"), Array { shape: vec![1], data: vec![2.] });
    }

    #[test]
    fn unfit_files_are_refused_with_what_was_found() {
        let header = |descr: &str, fortran: &str, shape: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
        };
        let body = [0; 16];
        let told = |header: &str| refusal(&numpy_bytes(1, header, &body));
        assert!(told(&header("<f8", "False", "(2, 1)")).contains("\"<f8\""));
        assert!(told(&header("<f4", "True", "(2, 2)")).contains("fortran_order"));
        assert!(told(&header("<f4", "False", "(2, 1, 2)")).contains("[2, 1, 2]"));
        assert!(told(&header("<f4", "False", "(2, 3)")).contains("16 bytes of numbers, expected 24"));
        assert!(told(&header("<f4", "False", "(99999999999, 99999999999)")).contains("whole .npy"));
        assert!(told("{'shape': (1,)}").contains("header"));
        assert!(refusal(b"PK\x03\x04 a zip file").contains("other leading bytes"));
        assert!(refusal(b"").contains("fewer than 8"));
        assert!(refusal(&numpy_bytes(3, "", &[])).contains("version 3"));
        assert!(refusal(&b"\x93NUMPY\x01\x00v\x00{'descr"[..]).contains("ends in its header"));
    }
}
