//! Thumbnails in sheets: a page loads one file for many pictures, and only those that come into view.

use std::borrow::Cow;
use std::path::Path;

use fs_err as fs;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, Rgb, RgbImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ReportError, ReportOptions, Thumbnails};
use sporeprint_images::content_hash;
use sporeprint_run::write_atomically;

/// JPEG quality at which thumbnails show no blocks.
const QUALITY: u8 = 84;
/// Sheets are at most about this wide and high: larger ones cost memory for one picture in view.
const SHEET_PX: u32 = 1152;
/// Colour of the cell of a picture that is gone.
const ABSENT: Rgb<u8> = Rgb([150, 144, 138]);

/// Pixels of one image, eight bits each of red, green and blue, row after row.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `3 * width * height` bytes.
    pub data: Cow<'a, [u8]>,
}

/// Cells of a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetLayout {
    /// Side of a cell in pixels.
    pub cell: u32,
    /// Cells per row.
    pub columns: u32,
    /// Rows of a full sheet.
    pub rows: u32,
}

impl SheetLayout {
    /// The layout for cells of a given side.
    #[must_use]
    pub fn new(cell: u32) -> Self {
        let columns = (SHEET_PX / cell.max(1)).max(1);
        Self { cell, columns, rows: columns }
    }

    fn per_sheet(&self) -> usize {
        (self.columns * self.rows) as usize
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheets {
    /// Cells of a sheet.
    pub layout: SheetLayout,
    /// Per image, by index: whether its pixels were gone. Pages then show its name.
    pub absent: Vec<bool>,
    /// Per image, by index: whether its file is not where the run read it.
    pub moved: Vec<bool>,
}

impl Sheets {
    /// Images without pixels.
    pub(super) fn n_absent(&self) -> usize {
        self.absent.iter().filter(|&&absent| absent).count()
    }

    /// Images whose file is gone.
    pub(super) fn n_moved(&self) -> usize {
        self.moved.iter().filter(|&&moved| moved).count()
    }
}

/// What a folder of sheets was made from, to know it again.
#[derive(PartialEq, Serialize, Deserialize)]
struct Made {
    order: u64,
    cell: u32,
    absent: Vec<u32>,
}

/// File beside the sheets that holds [`Made`].
const MADE: &str = "made.json";

/// Takes over the sheets of an older report of the same pictures and cards in the same order, as further names of the same
/// files, so that pages can be renewed often while a run works.
pub(super) fn reuse_sheets(old: &Path, dir: &Path, order: &[u32], cards: &[u32]) -> Option<Sheets> {
    let made: Made = serde_json::from_str(&fs::read_to_string(old.join(MADE)).ok()?).ok()?;
    if made.order != order_hash(order, cards) {
        return None;
    }
    for entry in fs::read_dir(old).ok()? {
        let path = entry.ok()?.path();
        let place = dir.join(path.file_name()?);
        fs::hard_link(&path, &place).or_else(|_| fs::copy(&path, &place).map(drop)).ok()?;
    }
    let mut absent = vec![false; order.len()];
    made.absent.iter().for_each(|&image| absent[image as usize] = true);
    Some(Sheets { layout: SheetLayout::new(made.cell), absent, moved: Vec::new() })
}

fn order_hash(order: &[u32], cards: &[u32]) -> u64 {
    content_hash(&order.iter().chain(cards).flat_map(|image| image.to_le_bytes()).collect::<Vec<u8>>(), 0)
}

/// Writes the pictures of `order` into `0.jpg`, `1.jpg`, .., in that order, and those of `cards` likewise into `cards-0.jpg`,
/// ..: the few pictures that stand for each cluster side by side, so that a page of many clusters decodes few sheets.
pub(super) fn write_sheets(
    dir: &Path,
    order: &[u32],
    cards: &[u32],
    options: &ReportOptions<'_>,
) -> Result<Sheets, ReportError> {
    let layout = SheetLayout::new(options.thumbnail_px.unwrap_or_else(|| fitting_cell(order, options.thumbnails)));
    let gone = write_series(dir, "", order, layout, options.thumbnails)?;
    write_series(dir, "cards-", cards, layout, options.thumbnails)?;
    let mut absent = vec![false; order.len()];
    gone.iter().for_each(|&image| absent[image as usize] = true);
    let made = Made { order: order_hash(order, cards), cell: layout.cell, absent: gone };
    fs::write(dir.join(MADE), serde_json::to_string(&made).map_err(std::io::Error::other)?)?;
    Ok(Sheets { layout, absent, moved: Vec::new() })
}

/// One series of sheets; gives the images whose pixels are gone. A sheet of nothing but such is not written.
fn write_series(
    dir: &Path,
    prefix: &str,
    images: &[u32],
    layout: SheetLayout,
    thumbnails: Thumbnails<'_>,
) -> Result<Vec<u32>, ReportError> {
    let of_sheet = |(number, images): (usize, &[u32])| {
        let (sheet, gone) = draw_sheet(images, layout, thumbnails);
        if gone.len() < images.len() {
            let path = dir.join(format!("{prefix}{number}.jpg"));
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, QUALITY)
                .encode(sheet.as_raw(), sheet.width(), sheet.height(), ExtendedColorType::Rgb8)
                .map_err(|error| ReportError::Picture { path: path.clone(), reason: error.to_string() })?;
            fs::write(&path, bytes)?;
        }
        Ok(gone)
    };
    let gone = images.par_chunks(layout.per_sheet()).enumerate().map(of_sheet);
    Ok(gone.collect::<Result<Vec<_>, ReportError>>()?.concat())
}

/// The larger the run, the smaller its thumbnails; none larger than most of the first few images are.
fn fitting_cell(order: &[u32], thumbnails: Thumbnails<'_>) -> u32 {
    let wanted = match order.len() {
        0..=2_000 => 160,
        2_001..=20_000 => 112,
        _ => 64,
    };
    let mut sides: Vec<u32> =
        order.iter().take(32).filter_map(|&image| thumbnails(image as usize)).map(|p| p.width.min(p.height)).collect();
    sides.sort_unstable();
    sides.get(sides.len() / 2).map_or(wanted, |&side| wanted.min(side.max(32)))
}

fn draw_sheet(images: &[u32], layout: SheetLayout, thumbnails: Thumbnails<'_>) -> (RgbImage, Vec<u32>) {
    let rows = (images.len() as u32).div_ceil(layout.columns);
    let mut sheet = RgbImage::new(layout.columns * layout.cell, rows * layout.cell);
    let mut gone = Vec::new();
    for (at, &image) in (0..).zip(images) {
        let cell = thumbnails(image as usize).and_then(|picture| square(&picture, layout.cell)).unwrap_or_else(|| {
            gone.push(image);
            placeholder(layout.cell)
        });
        let (x, y) = (at % layout.columns * layout.cell, at / layout.columns * layout.cell);
        imageops::replace(&mut sheet, &cell, i64::from(x), i64::from(y));
    }
    (sheet, gone)
}

/// The middle square of a picture at a given side, antialiased. Nothing if the sizes do not fit the bytes.
pub(super) fn square(picture: &Picture<'_>, side: u32) -> Option<RgbImage> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let short = width.min(height);
    if short == 0 || picture.data.len() != 3 * width * height {
        return None;
    }
    let (left, top) = ((width - short) / 2, (height - short) / 2);
    let rows = picture.data.chunks_exact(3 * width).skip(top).take(short);
    let middle: Vec<u8> = rows.flat_map(|row| &row[3 * left..3 * (left + short)]).copied().collect();
    let middle = RgbImage::from_raw(short as u32, short as u32, middle)?;
    Some(if short as u32 == side { middle } else { imageops::resize(&middle, side, side, FilterType::Triangle) })
}

/// A grey cell with a lighter cross: there was a picture here.
pub(super) fn placeholder(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let on_cross = x.abs_diff(y) <= side / 40 || x.abs_diff(side - 1 - y) <= side / 40;
        let inside = (side / 4..side - side / 4).contains(&x);
        if on_cross && inside { Rgb([205, 200, 195]) } else { ABSENT }
    })
}

/// Writes a picture as PNG, whole or not at all.
pub(super) fn write_png(path: &Path, picture: &RgbImage) -> Result<(), ReportError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|error| ReportError::Picture { path: path.to_owned(), reason: error.to_string() })?;
    write_atomically(path, |out| std::io::Write::write_all(out, bytes.get_ref()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u32, height: u32, value: u8) -> Picture<'static> {
        Picture { width, height, data: vec![value; (3 * width * height) as usize].into() }
    }

    #[test]
    fn every_image_lies_in_its_cell_and_missing_ones_are_counted() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let order: Vec<u32> = (0..40).rev().collect();
        let thumbnails = |image: usize| (image != 7).then(|| plain(20 + image as u32, 64, 6 * image as u8));
        let options = ReportOptions { thumbnail_px: Some(192), ..ReportOptions::new(&thumbnails) };
        let sheets = write_sheets(dir.path(), &order, &[5, 39], &options).expect("written");
        assert_eq!(sheets.layout, SheetLayout { cell: 192, columns: 6, rows: 6 });
        assert_eq!(sheets.absent.iter().filter(|&&absent| absent).count(), 1);
        assert!(sheets.absent[7]);
        let second = image::open(dir.path().join("1.jpg")).expect("sheet").to_rgb8();
        assert_eq!(second.dimensions(), (6 * 192, 192));
        let again = tempfile::tempdir().expect("temporary folder");
        let reused = reuse_sheets(dir.path(), again.path(), &order, &[5, 39]).expect("the same pictures");
        assert_eq!(reused, sheets);
        assert!(again.path().join("1.jpg").exists());
        assert!(reuse_sheets(dir.path(), again.path(), &[0, 1], &[5, 39]).is_none());
        assert!(reuse_sheets(dir.path(), again.path(), &order, &[5]).is_none());
        let cards = image::open(again.path().join("cards-0.jpg")).expect("cards").to_rgb8();
        assert!(cards.get_pixel(96, 96).0[0].abs_diff(30) <= 2 && cards.get_pixel(288, 96).0[0].abs_diff(234) <= 2);
        // Slot 36 holds image 3, the first of the second sheet.
        assert!(second.get_pixel(96, 96).0[0].abs_diff(18) <= 2);
    }

    #[test]
    fn sizes_that_contradict_the_bytes_give_a_placeholder() {
        let short = Picture { width: 9, height: 9, data: vec![0; 3].into() };
        assert!(square(&short, 8).is_none());
        assert!(square(&plain(0, 4, 0), 8).is_none());
        assert_eq!(square(&plain(300, 2, 90), 8).expect("square").get_pixel(4, 4).0, [90; 3]);
    }
}
