//! Colour changes of a view, folded into one affine map of RGB.

use super::ViewConfig;
use sporeprint_cluster::Rng;

/// Weights of red, green and blue in grey (ITU-R BT.601), as Pillow's.
pub(super) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

type Matrix = [[f32; 3]; 3];

/// Draws brightness, contrast, saturation, hue and grey, and applies them to a view in place.
///
/// Like torchvision's `ColorJitter` and `RandomGrayscale`, with three differences that make one pass enough: the order is
/// fixed, values are clipped at the end only, and hue is turned about the grey axis (the matrix of SVG's `hueRotate`)
/// instead of in HSV.
pub(super) fn jitter(view: &mut [u8], config: &ViewConfig, rng: &mut Rng) {
    let around_one = |strength: f32, rng: &mut Rng| rng.range((1.0 - strength).max(0.0), 1.0 + strength);
    let brightness = around_one(config.brightness, rng);
    let contrast = around_one(config.contrast, rng);
    let saturation = around_one(config.saturation, rng);
    let hue = rng.range(-config.hue, config.hue);
    let grey = rng.chance(config.grey);
    if brightness == 1.0 && contrast == 1.0 && saturation == 1.0 && hue == 0.0 && !grey {
        return;
    }
    let mean = if contrast == 1.0 { 0.0 } else { mean_luma(view) };
    let mut matrix = saturate(if grey { 0.0 } else { saturation });
    if hue != 0.0 && !grey {
        matrix = product(&turn_hue(hue), &matrix);
    }
    let gain = brightness * contrast;
    // Greys are fixed by saturation and hue, so the offset of contrast passes through unchanged.
    let offset = (1.0 - contrast) * brightness * mean + 0.5;
    let matrix = matrix.map(|row| row.map(|weight| weight * gain));
    for rgb in view.chunks_exact_mut(3) {
        let [r, g, b] = [f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2])];
        for (value, row) in rgb.iter_mut().zip(&matrix) {
            // `as` clips to 0..=255.
            *value = (row[0] * r + row[1] * g + row[2] * b + offset) as u8;
        }
    }
}

/// Replaces every pixel by its luma, as Pillow's `convert("L")` but for the last bit of its fixed-point rounding.
pub(crate) fn make_grey(pixels: &mut [u8]) {
    for rgb in pixels.chunks_exact_mut(3) {
        let luma: f32 = rgb.iter().zip(LUMA).map(|(&value, weight)| weight * f32::from(value)).sum();
        rgb.fill((luma + 0.5) as u8);
    }
}

fn mean_luma(view: &[u8]) -> f32 {
    let mut sums = [0u64; 3];
    for rgb in view.chunks_exact(3) {
        for (sum, &value) in sums.iter_mut().zip(rgb) {
            *sum += u64::from(value);
        }
    }
    let n_pixels = (view.len() / 3).max(1) as f32;
    sums.iter().zip(LUMA).map(|(&sum, weight)| weight * sum as f32 / n_pixels).sum()
}

fn saturate(saturation: f32) -> Matrix {
    std::array::from_fn(|i| {
        std::array::from_fn(|j| (1.0 - saturation) * LUMA[j] + if i == j { saturation } else { 0.0 })
    })
}

/// SVG 1.1, feColorMatrix, type hueRotate; `share` of a full turn.
fn turn_hue(share: f32) -> Matrix {
    let (s, c) = (share * std::f32::consts::TAU).sin_cos();
    [
        [0.213 + c * 0.787 - s * 0.213, 0.715 - c * 0.715 - s * 0.715, 0.072 - c * 0.072 + s * 0.928],
        [0.213 - c * 0.213 + s * 0.143, 0.715 + c * 0.285 + s * 0.140, 0.072 - c * 0.072 - s * 0.283],
        [0.213 - c * 0.213 - s * 0.787, 0.715 - c * 0.715 + s * 0.715, 0.072 + c * 0.928 + s * 0.072],
    ]
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jittered(pixels: &[u8], config: &ViewConfig, seed: u64) -> Vec<u8> {
        let mut view = pixels.to_vec();
        jitter(&mut view, config, &mut Rng::new(seed));
        view
    }

    #[test]
    fn grey_views_are_luma_and_nothing_changes_without_strength() {
        let pixels = [200, 10, 40, 0, 255, 90];
        assert_eq!(jittered(&pixels, &ViewConfig::none(), 1), pixels);
        let grey = jittered(&pixels, &ViewConfig { grey: 1.0, ..ViewConfig::none() }, 1);
        assert_eq!(grey, [70, 70, 70, 160, 160, 160]);
    }

    #[test]
    fn greys_have_no_hue_and_no_saturation_to_change() {
        let config = ViewConfig { hue: 0.5, saturation: 1.0, ..ViewConfig::none() };
        for seed in 0..20 {
            let view = jittered(&[7, 7, 7, 128, 128, 128, 250, 250, 250], &config, seed);
            let levels = [7u8, 128, 250];
            assert!(
                view.chunks(3).zip(levels).all(|(rgb, level)| rgb.iter().all(|v| v.abs_diff(level) <= 1)),
                "{view:?}"
            );
        }
    }

    #[test]
    fn brightness_multiplies_and_contrast_keeps_the_mean() {
        let pixels = [60u8, 60, 60, 100, 100, 100];
        let config = ViewConfig { brightness: 0.5, ..ViewConfig::none() };
        let view = jittered(&pixels, &config, 3);
        let gain = f32::from(view[3]) / 100.0;
        assert!((0.5..=1.5).contains(&gain) && (f32::from(view[0]) - 60.0 * gain).abs() <= 1.0);
        let view = jittered(&pixels, &ViewConfig { contrast: 0.5, ..ViewConfig::none() }, 3);
        assert_ne!(view, pixels);
        assert!((f32::from(view[0]) + f32::from(view[3]) - 160.0).abs() <= 1.0, "{view:?}");
    }
}
