//! Pictures as files: PNG, and sheets of many pictures.

use std::io::Write;
use std::path::{Path, PathBuf};

use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use super::rgb::{RgbImage, RgbView};

/// A picture that could not be saved.
#[derive(Debug, thiserror::Error)]
#[error("cannot write picture {path}: {reason}\nhint: is there space, and may this directory be written?")]
pub struct DrawError {
    /// The file.
    pub path: PathBuf,
    /// Reason of the operating system or the encoder.
    pub reason: String,
}

/// Saves a picture as PNG; the file appears complete or not at all.
///
/// # Errors
/// - a directory that cannot be written, a full disk, a picture without pixels
pub fn save_png(path: &Path, picture: &RgbImage) -> Result<(), DrawError> {
    let failed = |reason: &dyn std::fmt::Display| DrawError { path: path.to_path_buf(), reason: reason.to_string() };
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    PngEncoder::new(&mut bytes)
        .write_image(&picture.data, width, height, image::ExtendedColorType::Rgb8)
        .map_err(|error| failed(&error))?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    let draft = path.with_file_name(name);
    let written = std::fs::File::create(&draft)
        .and_then(|mut file| file.write_all(&bytes))
        .and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|error| {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&draft);
        failed(&error)
    })
}

/// Pictures side by side, row by row, each at the top left of a cell as large as the largest, on white with 2 px between.
///
/// # Panics
/// - when `columns` is 0
pub fn contact_sheet(pictures: &[RgbView<'_>], columns: usize) -> RgbImage {
    const GAP: usize = 2;
    assert!(columns > 0, "a sheet has at least one column");
    let cell_width = pictures.iter().map(|picture| picture.width).max().unwrap_or(0) + GAP;
    let cell_height = pictures.iter().map(|picture| picture.height).max().unwrap_or(0) + GAP;
    let columns = columns.min(pictures.len().max(1));
    let rows = pictures.len().div_ceil(columns).max(1);
    let mut sheet = RgbImage::filled(columns * cell_width + GAP, rows * cell_height + GAP, [255; 3]);
    for (i, picture) in pictures.iter().enumerate() {
        let (left, top) = (GAP + i % columns * cell_width, GAP + i / columns * cell_height);
        for y in 0..picture.height {
            let at = ((top + y) * sheet.width + left) * 3;
            sheet.data[at..at + picture.width * 3].copy_from_slice(picture.row(y));
        }
    }
    sheet
}

/// Reconstructions under their originals, `columns` pairs to a band.
///
/// # Panics
/// - when `columns` is 0
pub fn pair_sheet(pairs: &[(RgbView<'_>, RgbView<'_>)], columns: usize) -> RgbImage {
    assert!(columns > 0, "a sheet has at least one column");
    let columns = columns.min(pairs.len().max(1));
    let mut pictures = Vec::with_capacity(pairs.len() * 2);
    // An empty picture keeps the last, shorter band in step.
    let nothing = RgbView::new(0, 0, &[]);
    for band in pairs.chunks(columns) {
        let padding = std::iter::repeat_n(nothing, columns - band.len());
        pictures.extend(band.iter().map(|pair| pair.0).chain(padding.clone()));
        pictures.extend(band.iter().map(|pair| pair.1).chain(padding));
    }
    contact_sheet(&pictures, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeLimits, decode_file};

    #[test]
    fn a_saved_picture_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let picture = RgbImage::new(3, 2, (0..18).map(|i| i * 13).collect());
        let path = dir.path().join("picture.png");
        save_png(&path, &picture).unwrap();
        assert_eq!(decode_file(&path, &DecodeLimits::default()).unwrap().1.image, picture);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let error = save_png(&dir.path().join("no/such/picture.png"), &picture).unwrap_err().to_string();
        assert!(error.contains("no/such/picture.png") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn pairs_stand_one_above_the_other() {
        let (a, b) = (RgbImage::filled(4, 4, [10; 3]), RgbImage::filled(4, 4, [20; 3]));
        let pairs = vec![(a.view(), b.view()); 3];
        let sheet = pair_sheet(&pairs, 2);
        assert_eq!((sheet.width, sheet.height), (2 + 2 * 6, 2 + 4 * 6));
        let at = |x: usize, y: usize| sheet.data[(y * sheet.width + x) * 3];
        assert_eq!([at(2, 2), at(8, 2), at(2, 8), at(2, 14), at(8, 14), at(2, 20)], [10, 10, 20, 10, 255, 20]);
    }
}
