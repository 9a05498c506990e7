//! The views of an image whose codes are averaged: always the same ones, unlike those of training.

use super::augment::{Factor, make_grey};
use super::cache::ImageCache;
use super::resize::{Filter, Taps, apply, center_offset, resize_and_crop};
use super::rgb::RgbView;

/// Side of [`Frame::Middle`], as a share of the shorter side.
const MIDDLE: f64 = 0.8;

/// What of an image a code view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// The evaluation picture: the centre square.
    Whole,
    /// The same, left and right exchanged.
    Mirrored,
    /// The middle four fifths of it, from the larger picture that is kept.
    Middle,
}

/// One view of every image, for codes ("test-time augmentation"). What a network says of a picture and of its mirror image
/// differs by noise, which the mean of both has less of; the middle shows the thing larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeView {
    frame: Frame,
    /// Quarter turns to the left, 0 to 3.
    turns: usize,
    grey: bool,
}

impl CodeView {
    /// The centre square as it is.
    pub const WHOLE: Self = Self { frame: Frame::Whole, turns: 0, grey: false };

    /// The views whose codes are averaged: of the first `n` frames (the image, its mirror image, its middle), so that `ignored`
    /// factors no longer tell pictures apart.
    ///
    /// Colour: every view is grey. Rotation: every view is taken in four quarter turns, whose mean is the same however the
    /// image lies. The other factors only change the views of training.
    pub fn averaged(n: usize, ignored: &[Factor]) -> Vec<Self> {
        let grey = ignored.contains(&Factor::Color);
        let turns = if ignored.contains(&Factor::Rotation) { 4 } else { 1 };
        let frames = [Frame::Whole, Frame::Mirrored, Frame::Middle].into_iter().take(n);
        frames.flat_map(|frame| (0..turns).map(move |turns| Self { frame, turns, grey })).collect()
    }

    /// RGB8 pixels of this view of an image, `[size, size, 3]` with the cache's image size.
    ///
    /// # Panics
    /// - as [`ImageCache::picture`]
    pub fn of(self, cache: &ImageCache, image: usize) -> Vec<u8> {
        self.of_picture(cache.picture(image).view(), cache.image_size(), cache.config().filter)
    }

    /// Several views of an image, each as [`CodeView::of`] gives it; its picture is decoded once.
    ///
    /// # Panics
    /// - as [`ImageCache::picture`]
    pub fn all_of(views: &[Self], cache: &ImageCache, image: usize) -> Vec<Vec<u8>> {
        let picture = cache.picture(image);
        views.iter().map(|view| view.of_picture(picture.view(), cache.image_size(), cache.config().filter)).collect()
    }

    /// RGB8 pixels of this view of a picture, `[size, size, 3]`.
    ///
    /// # Panics
    /// - when `size` is 0
    pub fn of_picture(self, picture: RgbView<'_>, size: usize, filter: Filter) -> Vec<u8> {
        let framed = self.frame.of(picture, size, filter);
        let mut pixels = (0..self.turns).fold(framed, |pixels, _| quarter_turn(&pixels, size));
        if self.grey {
            make_grey(&mut pixels);
        }
        pixels
    }
}

impl Frame {
    fn of(self, picture: RgbView<'_>, size: usize, filter: Filter) -> Vec<u8> {
        match self {
            Self::Whole => resize_and_crop(picture, size, filter).data,
            Self::Mirrored => {
                let whole = resize_and_crop(picture, size, filter).data;
                whole.chunks_exact(3 * size).flat_map(|row| row.rchunks_exact(3).flatten().copied()).collect()
            }
            Self::Middle => {
                let short = picture.width.min(picture.height);
                let side = ((MIDDLE * short as f64).round() as usize).max(1);
                let taps = |length: usize| {
                    let start = center_offset(length, side);
                    Taps::new(length, (start as f64, (start + side) as f64), size, 0, size)
                };
                let mut out = vec![0; 3 * size * size];
                apply(picture, &taps(picture.width), &taps(picture.height), &mut Vec::new(), &mut out);
                out
            }
        }
    }
}

/// A square picture turned to the left: its right column becomes its first row.
fn quarter_turn(pixels: &[u8], size: usize) -> Vec<u8> {
    let at = |row: usize, column: usize| &pixels[3 * (row * size + column)..][..3];
    (0..size).flat_map(|row| (0..size).flat_map(move |column| at(column, size - 1 - row))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_quarter_turns_are_none_and_the_right_column_comes_up() {
        let picture: Vec<u8> = (0..3 * 9).collect();
        let turned = quarter_turn(&picture, 3);
        assert_eq!(turned[..9], [6, 7, 8, 15, 16, 17, 24, 25, 26]);
        let back = (0..3).fold(turned, |pixels, _| quarter_turn(&pixels, 3));
        assert_eq!(back, picture);
    }

    #[test]
    fn a_mirrored_picture_has_its_columns_exchanged() {
        let picture = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]].concat();
        let mirrored = CodeView::averaged(2, &[])[1].of_picture(RgbView::new(2, 2, &picture), 2, Filter::Bilinear);
        assert_eq!(mirrored, [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
    }

    #[test]
    fn ignored_factors_decide_the_views() {
        assert_eq!(CodeView::averaged(1, &[]), [CodeView::WHOLE]);
        assert_eq!(CodeView::averaged(3, &[Factor::Background, Factor::Scale]).len(), 3);
        let grey = CodeView::averaged(2, &[Factor::Color]);
        assert!(grey.len() == 2 && grey.iter().all(|view| view.grey));
        let turned = CodeView::averaged(2, &[Factor::Rotation]);
        assert!(turned.len() == 8 && (0..4).all(|n| turned.iter().filter(|view| view.turns == n).count() == 2));
    }
}
