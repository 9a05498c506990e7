//! Draws labelled, mushroom-like pictures: something to try everything on where no photographs are at hand.
//!
//! A picture's kind shows in the outline and the markings of its mushrooms alone. Their colours, size, place and tilt,
//! the light and the ground vary as much within a kind as between kinds, so that pixels tell kinds apart badly.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod noise;
mod scene;
mod shapes;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sporeprint_cluster::Rng;

use crate::images::{DrawError, RgbImage, save_png};

use self::scene::Scene;
use self::shapes::Kind;

/// Names of the kinds, which are also the names of their folders.
pub const KINDS: [&str; 6] = ["bracket", "chanterelle", "coral", "fly-agaric", "morel", "puffball"];

/// Side of a picture, in pixels.
pub const PICTURE_SIZE: usize = 128;

/// Why the pictures cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A folder cannot be made.
    #[error("cannot make folder {path}: {source}\nhint: is there space, and may its parent be written?")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Reason of the operating system.
        source: std::io::Error,
    },
    /// A picture cannot be written.
    #[error(transparent)]
    Picture(#[from] DrawError),
}

/// Draws `n_images` pictures, the kinds in turn, and saves them as `dir/<kind>/NNN.png`; the folder is the label.
///
/// The same `n_images` and `seed` give the same files, and more images only add files.
///
/// # Errors
/// - a folder or file that cannot be written
pub fn write_demo(dir: &Path, n_images: usize, seed: u64) -> Result<(), DemoError> {
    for kind in KINDS.iter().take(n_images) {
        let path = dir.join(kind);
        std::fs::create_dir_all(&path).map_err(|source| DemoError::Folder { path, source })?;
    }
    (0..n_images).into_par_iter().try_for_each(|i| {
        let (kind, number) = (i % KINDS.len(), i / KINDS.len());
        let path = dir.join(KINDS[kind]).join(format!("{number:03}.png"));
        Ok(save_png(&path, &draw_mushroom(kind, number, seed))?)
    })
}

/// Picture number `number` of kind `kind` (an index into [`KINDS`]).
///
/// # Panics
/// - when `kind` is no index into [`KINDS`]
pub fn draw_mushroom(kind: usize, number: usize, seed: u64) -> RgbImage {
    let kind = [Kind::Bracket, Kind::Chanterelle, Kind::Coral, Kind::FlyAgaric, Kind::Morel, Kind::Puffball][kind];
    let mut rng = Rng::keyed(seed, &[0x64_65_6d_6f, kind as u64, number as u64]);
    Scene::random(kind, &mut rng).draw(PICTURE_SIZE, &mut rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::find_images;

    #[test]
    fn pictures_are_written_by_kind_and_drawn_alike_for_a_seed() {
        let dir = tempfile::tempdir().unwrap();
        write_demo(dir.path(), 8, 5).unwrap();
        let found = find_images(&[dir.path().into()]).unwrap();
        let labels: Vec<_> = found.iter().filter_map(|image| image.label.as_deref()).collect();
        assert_eq!(
            labels,
            ["bracket", "bracket", "chanterelle", "chanterelle", "coral", "fly-agaric", "morel", "puffball"]
        );
        assert_eq!(draw_mushroom(2, 0, 5), draw_mushroom(2, 0, 5));
        assert_ne!(draw_mushroom(2, 0, 5), draw_mushroom(2, 1, 5));
        assert_ne!(draw_mushroom(2, 0, 5), draw_mushroom(2, 0, 6));
    }

    /// Mean colours of kinds must not differ by more than their spread explains: with 40 pictures a kind, the mean of a
    /// channel varies by about 40 / sqrt(40) = 6 levels.
    #[test]
    fn mean_colours_do_not_tell_kinds_apart() {
        let mean = |kind: usize| -> [f64; 3] {
            let mut sums = [0.0; 3];
            for number in 0..40 {
                let picture = draw_mushroom(kind, number, 1);
                for rgb in picture.data.chunks_exact(3) {
                    sums.iter_mut().zip(rgb).for_each(|(sum, &v)| *sum += f64::from(v));
                }
            }
            sums.map(|sum| sum / (40 * PICTURE_SIZE * PICTURE_SIZE) as f64)
        };
        let means: Vec<[f64; 3]> = (0..KINDS.len()).map(mean).collect();
        for a in &means {
            for b in &means {
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 25.0), "{means:?}");
            }
        }
    }
}
