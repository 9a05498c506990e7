//! Draws a view: crop, resize, turn, fade, blur and colour, all on bytes.

use super::geometry::Placement;
use super::{ViewConfig, color};
use crate::resize::{Taps, apply};
use crate::rgb::{RgbImage, RgbView};
use sporeprint_cluster::Rng;

/// One augmented view of `size` x `size` pixels.
///
/// Resampling is bilinear with antialiasing, so a view of few changes looks like the evaluation picture.
///
/// # Panics
/// - when a side of `image` or `size` is 0
pub fn render(image: RgbView<'_>, size: usize, config: &ViewConfig, rng: &mut Rng) -> RgbImage {
    let mut out = vec![0; size * size * 3];
    let placement = Placement::draw(image.width, image.height, config, rng);
    if placement.angle == 0.0 {
        cut(image, size, &placement, &mut out);
    } else {
        cut_turned(image, size, &placement, &mut out);
    }
    fade_surroundings(image, size, &placement, config, rng, &mut out);
    let blurred = rng.chance(config.blur);
    let sigma = rng.range(0.1, 1.0) * config.blur_sigma * size as f32;
    if blurred {
        blur(&mut out, size, sigma);
    }
    color::jitter(&mut out, config, rng);
    RgbImage::new(size, size, out)
}

fn cut(image: RgbView<'_>, size: usize, placement: &Placement, out: &mut [u8]) {
    let part = |center: f32, extent: f32| (f64::from(center - extent / 2.0), f64::from(center + extent / 2.0));
    let mut columns = Taps::new(image.width, part(placement.center.0, placement.extent.0), size, 0, size);
    let rows = Taps::new(image.height, part(placement.center.1, placement.extent.1), size, 0, size);
    if placement.mirrored {
        columns.mirror();
    }
    apply(image, &columns, &rows, &mut Vec::new(), out);
}

/// First the upright rectangle around the turned crop, at the view's scale and antialiased; then the turn, bilinear.
/// What lies beyond the image is its mirror image.
fn cut_turned(image: RgbView<'_>, size: usize, placement: &Placement, out: &mut [u8]) {
    let (sin, cos) = placement.angle.sin_cos();
    let reach = (sin.abs() + cos.abs()) / 2.0;
    let axis = |center: f32, extent: f32, length: usize| {
        let (start, end) = ((center - extent * reach).max(0.0), (center + extent * reach).min(length as f32));
        let pixels = ((end - start) / extent * size as f32).ceil().max(1.0);
        (Taps::new(length, (f64::from(start), f64::from(end)), pixels as usize, 0, pixels as usize), start, end, pixels)
    };
    let (columns, left, right, width) = axis(placement.center.0, placement.extent.0, image.width);
    let (rows, top, bottom, height) = axis(placement.center.1, placement.extent.1, image.height);
    let mut upright = RgbImage::filled(width as usize, height as usize, [0; 3]);
    apply(image, &columns, &rows, &mut Vec::new(), &mut upright.data);
    let pixels = placement.pixels(size);
    for (y, line) in out.chunks_exact_mut(size * 3).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(3).enumerate() {
            let (sx, sy) = pixels.at(x, y);
            let tx = (sx - left) / (right - left) * width - 0.5;
            let ty = (sy - top) / (bottom - top) * height - 0.5;
            sample(&upright, tx, ty, pixel);
        }
    }
}

fn sample(image: &RgbImage, x: f32, y: f32, out: &mut [u8]) {
    let (x0, fx) = (x.floor(), x - x.floor());
    let (y0, fy) = (y.floor(), y - y.floor());
    let columns = [reflect(x0 as isize, image.width), reflect(x0 as isize + 1, image.width)];
    let rows = [reflect(y0 as isize, image.height), reflect(y0 as isize + 1, image.height)];
    for (c, value) in out.iter_mut().enumerate() {
        let at = |row: usize, column: usize| f32::from(image.data[(row * image.width + column) * 3 + c]);
        let upper = at(rows[0], columns[0]) * (1.0 - fx) + at(rows[0], columns[1]) * fx;
        let lower = at(rows[1], columns[0]) * (1.0 - fx) + at(rows[1], columns[1]) * fx;
        *value = (upper * (1.0 - fy) + lower * fy + 0.5) as u8;
    }
}

fn reflect(position: isize, length: usize) -> usize {
    let period = 2 * length as isize;
    let inside = position.rem_euclid(period);
    inside.min(period - 1 - inside) as usize
}

/// Fades what lies outside an ellipse about the image's centre to a random colour, so that the surroundings of two views
/// of an image have nothing in common.
fn fade_surroundings(
    image: RgbView<'_>,
    size: usize,
    placement: &Placement,
    config: &ViewConfig,
    rng: &mut Rng,
    out: &mut [u8],
) {
    let fades = rng.chance(config.background);
    let color: [f32; 3] = std::array::from_fn(|_| rng.range(0.0, 255.0));
    let radii = (rng.range(0.35, 0.5) * image.width as f32, rng.range(0.35, 0.5) * image.height as f32);
    if !fades {
        return;
    }
    let (center_x, center_y) = (image.width as f32 / 2.0, image.height as f32 / 2.0);
    let pixels = placement.pixels(size);
    for (y, line) in out.chunks_exact_mut(size * 3).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(3).enumerate() {
            let (sx, sy) = pixels.at(x, y);
            let distance = ((sx - center_x) / radii.0).hypot((sy - center_y) / radii.1);
            let share = ((distance - 1.0) / 0.3).clamp(0.0, 1.0);
            for (value, color) in pixel.iter_mut().zip(color) {
                *value = (f32::from(*value) * (1.0 - share) + color * share + 0.5) as u8;
            }
        }
    }
}

/// Gaussian blur by two one-dimensional passes to three sigmas; edges are repeated.
fn blur(picture: &mut [u8], size: usize, sigma: f32) {
    let radius = (3.0 * sigma).ceil() as usize;
    let mut kernel: Vec<f32> =
        (0..=2 * radius).map(|i| (-((i as f32 - radius as f32) / sigma).powi(2) / 2.0).exp()).collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    let clamped = |position: usize| position.saturating_sub(radius).min(size - 1);
    let mut across = vec![0f32; picture.len()];
    let mut padded = vec![0f32; (size + 2 * radius) * 3];
    for (row, out) in picture.chunks_exact(size * 3).zip(across.chunks_exact_mut(size * 3)) {
        for (x, rgb) in padded.chunks_exact_mut(3).enumerate() {
            let from = &row[clamped(x) * 3..][..3];
            rgb.iter_mut().zip(from).for_each(|(value, &byte)| *value = f32::from(byte));
        }
        for (i, weight) in kernel.iter().enumerate() {
            out.iter_mut().zip(&padded[i * 3..]).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    let mut line = vec![0f32; size * 3];
    for y in 0..size {
        line.fill(0.5);
        for (i, weight) in kernel.iter().enumerate() {
            let row = &across[clamped(y + i) * size * 3..][..size * 3];
            line.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        picture[y * size * 3..][..size * 3].iter_mut().zip(&line).for_each(|(out, &value)| *out = value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Factor;
    use crate::resize::{Filter, resize, resize_and_crop};

    fn smooth(width: usize, height: usize) -> RgbImage {
        let mut rng = Rng::new(1);
        let coarse = RgbImage::new(6, 5, (0..90).map(|_| rng.next_u64() as u8).collect());
        resize(coarse.view(), width, height, Filter::Bilinear)
    }

    fn largest_difference(a: &RgbImage, b: &RgbImage) -> u8 {
        assert_eq!(a.data.len(), b.data.len());
        a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    #[test]
    fn a_view_without_change_is_the_evaluation_picture() {
        let image = smooth(96, 144);
        let view = render(image.view(), 32, &ViewConfig::none(), &mut Rng::new(0));
        assert!(largest_difference(&view, &resize_and_crop(image.view(), 32, Filter::Bilinear)) <= 1);
    }

    #[test]
    fn a_flip_mirrors_and_a_tiny_turn_changes_little() {
        let image = smooth(64, 64);
        let plain = render(image.view(), 32, &ViewConfig::none(), &mut Rng::new(0));
        let flipped = render(image.view(), 32, &ViewConfig { flip: 1.0, ..ViewConfig::none() }, &mut Rng::new(0));
        let mirrored: Vec<u8> = flipped
            .data
            .chunks(32 * 3)
            .flat_map(|row| row.chunks(3).rev().flatten().copied().collect::<Vec<_>>())
            .collect();
        assert_eq!(mirrored, plain.data);
        let turned = render(image.view(), 32, &ViewConfig { rotation: 0.01, ..ViewConfig::none() }, &mut Rng::new(0));
        assert!(largest_difference(&turned, &plain) <= 3);
    }

    /// A quarter turn of the placement must equal a quarter turn of the pixels.
    #[test]
    fn a_quarter_turn_is_exact() {
        let image = smooth(40, 40);
        let placement = Placement {
            center: (20.0, 20.0),
            extent: (40.0, 40.0),
            mirrored: false,
            angle: std::f32::consts::FRAC_PI_2,
        };
        let mut out = vec![0; 40 * 40 * 3];
        cut_turned(image.view(), 40, &placement, &mut out);
        for y in 0..40 {
            for x in 0..40 {
                let (from_x, from_y) = (39 - y, x);
                let expected = &image.data[(from_y * 40 + from_x) * 3..][..3];
                let got = &out[(y * 40 + x) * 3..][..3];
                assert!(got.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1), "at {x} {y}: {got:?} {expected:?}");
            }
        }
    }

    #[test]
    fn views_depend_on_their_key_alone_and_work_for_every_shape() {
        let all = [Factor::Color, Factor::Rotation, Factor::Position, Factor::Scale, Factor::Background];
        let config = ViewConfig { blur: 0.5, ..ViewConfig::paper() }.ignoring(&all);
        for (width, height) in [(1, 1), (300, 2), (2, 90), (64, 48)] {
            let image = smooth(width, height);
            for view in 0..30 {
                let make = |view| render(image.view(), 16, &config, &mut Rng::for_view(1, 2, 3, view));
                assert_eq!(make(view), make(view));
            }
        }
        let image = smooth(64, 48);
        let make = |view| render(image.view(), 16, &config, &mut Rng::for_view(1, 2, 3, view));
        assert_ne!(make(0), make(1));
    }

    #[test]
    fn blur_keeps_flat_pictures_and_spreads_a_point() {
        let mut flat = RgbImage::filled(16, 16, [40, 90, 200]);
        blur(&mut flat.data, 16, 1.0);
        assert_eq!(flat, RgbImage::filled(16, 16, [40, 90, 200]));
        let mut point = RgbImage::filled(9, 9, [0; 3]);
        point.data[(4 * 9 + 4) * 3] = 255;
        blur(&mut point.data, 9, 1.0);
        // 255 / (2 pi) at the centre of a Gaussian of sigma 1.
        assert!(point.data[(4 * 9 + 4) * 3].abs_diff(41) <= 1, "{}", point.data[(4 * 9 + 4) * 3]);
    }
}
