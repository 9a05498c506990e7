//! The views of an image whose codes are averaged: always the same ones, unlike those of training.

use std::borrow::Cow;

use super::cache::ImageCache;
use super::resize::{Taps, apply, centre_offset};

/// Side of [`CodeView::Middle`], as a share of the shorter side.
const MIDDLE: f64 = 0.8;

/// One view of every image, for codes ("test-time augmentation"). What a network says of a picture and of its mirror image
/// differs by noise, which the mean of both has less of; the middle shows the thing larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeView {
    /// The evaluation picture: the centre square.
    Whole,
    /// The same, left and right exchanged.
    Mirrored,
    /// The middle four fifths of it, from the larger picture of the view plane.
    Middle,
}

impl CodeView {
    /// In the order in which a number of views takes them.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Mirrored, Self::Middle];

    /// RGB8 pixels of this view of an image, `[size, size, 3]` with the cache's image size.
    ///
    /// # Panics
    /// - when the image is not in the cache
    pub fn of(self, cache: &ImageCache, image: usize) -> Cow<'_, [u8]> {
        let size = cache.image_size();
        match self {
            Self::Whole => Cow::Borrowed(cache.eval(image)),
            Self::Mirrored => {
                let rows = cache.eval(image).chunks_exact(3 * size);
                Cow::Owned(rows.flat_map(|row| row.rchunks_exact(3).flatten().copied()).collect())
            }
            Self::Middle => {
                let source = cache.view(image);
                let short = source.width.min(source.height);
                let side = ((MIDDLE * short as f64).round() as usize).max(1);
                let taps = |length: usize| {
                    let start = centre_offset(length, side);
                    Taps::new(length, (start as f64, (start + side) as f64), size, 0, size)
                };
                let mut out = vec![0; 3 * size * size];
                apply(source, &taps(source.width), &taps(source.height), &mut Vec::new(), &mut out);
                Cow::Owned(out)
            }
        }
    }
}
