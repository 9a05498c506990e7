//! Photographs to decode, drawn since a benchmark may have none.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use sporeprint_cluster::Rng;

use super::works::BenchError;
use crate::images::FoundImage;

/// Sides of a drawn photograph in pixels.
pub(super) const SIDES: [usize; 2] = [1024, 768];
/// Quality of the JPEG files.
const QUALITY: u8 = 90;

/// Draws `count` photographs of blurred colours and fine grain, which compress about as photographs do.
pub(super) fn draw(dir: &Path, count: usize) -> Result<Vec<FoundImage>, BenchError> {
    fs_err::create_dir_all(dir)?;
    (0..count)
        .into_par_iter()
        .map(|number| {
            let name = format!("{number:05}.jpg");
            let path: PathBuf = dir.join(&name);
            let mut bytes = Vec::new();
            let [width, height] = SIDES;
            let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            encoder_result(encoder, &pixels(number), width, height)?;
            fs_err::write(&path, bytes)?;
            Ok(FoundImage { path, name, label: None })
        })
        .collect()
}

fn encoder_result(
    mut encoder: JpegEncoder<&mut Vec<u8>>,
    pixels: &[u8],
    width: usize,
    height: usize,
) -> Result<(), BenchError> {
    encoder
        .encode(pixels, width as u32, height as u32, image::ExtendedColorType::Rgb8)
        .map_err(|source| BenchError::Draw { source })
}

/// Sums of waves of a few lengths in each colour, with grain.
fn pixels(number: usize) -> Vec<u8> {
    let mut rng = Rng::keyed(0, &[number as u64]);
    let waves: Vec<[f32; 4]> = (0..12)
        .map(|k| {
            let length = 400.0 / (1 << (k / 3)) as f32;
            [
                rng.range(-1.0, 1.0) / length,
                rng.range(-1.0, 1.0) / length,
                rng.range(0.0, 6.3),
                30.0 / (1 + k / 3) as f32,
            ]
        })
        .collect();
    let [width, height] = SIDES;
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let grain = rng.range(-6.0, 6.0);
            for colour in 0..3 {
                let sum: f32 = waves
                    .iter()
                    .skip(colour)
                    .step_by(3)
                    .map(|[a, b, phase, size]| size * (6.3 * (a * x as f32 + b * y as f32) + phase).sin())
                    .sum();
                pixels.push((128.0 + sum + grain).clamp(0.0, 255.0) as u8);
            }
        }
    }
    pixels
}
