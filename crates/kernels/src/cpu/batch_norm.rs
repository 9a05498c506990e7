//! Batch normalisation and the activation after it, two passes over memory forward and two backward.
//!
//! Maps are channels last, so a batch is a matrix of pixels by channels. Sums run over fixed ranges of
//! pixels; the partial sums are combined in order and in `f64`.

use super::activation::Activation;
use super::buffer::Buffer;
use super::parallel::{Shared, for_each_piece};
use super::simd::{Isa, Simd, simd_dispatch};

/// Floats of one range of pixels: it stays in the second-level cache between two looks at it.
const RANGE: usize = 96 * 1024;

/// Pixels of one range and the number of ranges.
fn ranges(pixels: usize, channels: usize) -> (usize, usize) {
    let step = (RANGE / channels.max(1)).clamp(1, pixels.max(1));
    (step, pixels.div_ceil(step))
}

/// Mean and biased variance of every channel of `x`, `[pixels][channels]`.
pub(crate) fn statistics(isa: Isa, x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let pixels = x.len() / channels.max(1);
    let (step, pieces) = ranges(pixels, channels);
    let mut partial = Buffer::new(pieces * 2 * channels);
    let to = Shared::new(&mut partial);
    for_each_piece(pieces, |piece| {
        let first = piece * step;
        let count = step.min(pixels - first);
        // SAFETY: the range lies in x; every piece has sums of its own.
        unsafe {
            let x = x.as_ptr().add(first * channels);
            range_statistics(isa, count, channels, x, to.ptr().add(piece * 2 * channels));
        }
    });
    // Chan's rule joins means and sums of squared deviations without cancellation.
    let mut mean = vec![0.0f64; channels];
    let mut squares = vec![0.0f64; channels];
    for (piece, sums) in partial.chunks_exact(2 * channels.max(1)).enumerate() {
        let before = (piece * step) as f64;
        let count = step.min(pixels - piece * step) as f64;
        let (means, deviations) = sums.split_at(channels);
        for c in 0..channels {
            let delta = f64::from(means[c]) - mean[c];
            mean[c] += delta * count / (before + count);
            squares[c] += f64::from(deviations[c]) + delta * delta * before * count / (before + count);
        }
    }
    let variance = squares.iter().map(|square| (square / pixels as f64) as f32).collect();
    (mean.iter().map(|&mean| mean as f32).collect(), variance)
}

/// What turns a value of each channel into its normalised one: `y = scale * x + shift`.
pub(crate) struct Affine {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl Affine {
    /// From the statistics and parameters of every channel.
    pub(crate) fn new(gamma: &[f32], beta: &[f32], mean: &[f32], var: &[f32], eps: f64) -> Self {
        let (mut scale, mut shift) = (Vec::with_capacity(gamma.len()), Vec::with_capacity(gamma.len()));
        for c in 0..gamma.len() {
            let factor = f64::from(gamma[c]) * inverse_deviation(var[c], eps);
            scale.push(factor as f32);
            shift.push((f64::from(beta[c]) - f64::from(mean[c]) * factor) as f32);
        }
        Self { scale, shift }
    }
}

fn inverse_deviation(var: f32, eps: f64) -> f64 {
    1.0 / (f64::from(var) + eps).sqrt()
}

/// `y = scale * x + shift`, then the activation.
pub(crate) fn apply(isa: Isa, x: &[f32], affine: &Affine, activation: Activation, y: &mut [f32]) {
    let channels = affine.scale.len();
    assert!(x.len() == y.len() && affine.shift.len() == channels);
    let pixels = x.len() / channels.max(1);
    let (step, pieces) = ranges(pixels, channels);
    let y = Shared::new(y);
    for_each_piece(pieces, |piece| {
        let first = piece * step;
        let count = step.min(pixels - first);
        // SAFETY: pieces are different ranges of both slices; the parameters have one value per channel.
        unsafe {
            let (x, y) = (x.as_ptr().add(first * channels), y.ptr().add(first * channels));
            apply_range(isa, count, channels, x, affine.scale.as_ptr(), affine.shift.as_ptr(), activation, y);
        }
    });
}

/// Gradients of the parameters and the coefficients of the gradient of x.
pub(crate) struct Backward {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

/// Backward pass: writes the gradient of `x` to `dx`, from `g`, that of the output, which lies in `dx` itself
/// when `g` is `None`.
///
/// With `n` pixels, `xhat = (x - mean) / deviation` and `g` masked where the activation was flat:
/// `beta' = sum g`, `gamma' = sum g xhat`, `x' = gamma / deviation * (g - beta' / n - xhat gamma' / n)`.
/// The last two terms are left out for given statistics (`training` false).
#[expect(clippy::too_many_arguments, reason = "the inputs of the formula")]
pub(crate) fn backward(
    isa: Isa,
    x: &[f32],
    gamma: &[f32],
    affine: &Affine,
    mean: &[f32],
    var: &[f32],
    eps: f64,
    activation: Activation,
    training: bool,
    g: Option<&[f32]>,
    dx: &mut [f32],
) -> Backward {
    let channels = gamma.len();
    assert!(x.len() == dx.len() && g.is_none_or(|g| g.len() == x.len()));
    let pixels = x.len() / channels.max(1);
    let (step, pieces) = ranges(pixels, channels);
    let mut partial = Buffer::new(pieces * 2 * channels);
    let to = Shared::new(&mut partial);
    let dx = Shared::new(dx);
    let g = Gradient(g.map_or(dx.ptr().cast_const(), <[f32]>::as_ptr));
    for_each_piece(pieces, |piece| {
        let first = piece * step;
        let count = step.min(pixels - first);
        // SAFETY: the range lies in x and g; every piece has sums of its own.
        unsafe {
            let (x, g) = (x.as_ptr().add(first * channels), g.ptr().add(first * channels));
            let sums = to.ptr().add(piece * 2 * channels);
            let (scale, shift) = (affine.scale.as_ptr(), affine.shift.as_ptr());
            range_gradients(isa, count, channels, x, g, scale, shift, mean.as_ptr(), activation, sums);
        }
    });
    let mut beta_sum = vec![0.0f64; channels];
    let mut product_sum = vec![0.0f64; channels];
    for sums in partial.chunks_exact(2 * channels.max(1)) {
        for c in 0..channels {
            beta_sum[c] += f64::from(sums[c]);
            product_sum[c] += f64::from(sums[channels + c]);
        }
    }
    // x' = factor g + slope x + offset, one triple per channel.
    let mut coefficients = vec![0.0f32; 3 * channels];
    let mut gamma_grad = Vec::with_capacity(channels);
    for c in 0..channels {
        let inverse = inverse_deviation(var[c], eps);
        let grad = product_sum[c] * inverse;
        gamma_grad.push(grad as f32);
        let factor = f64::from(gamma[c]) * inverse;
        coefficients[c] = factor as f32;
        if training {
            let n = pixels as f64;
            let slope = -factor * inverse * grad / n;
            coefficients[channels + c] = slope as f32;
            coefficients[2 * channels + c] = (-factor * beta_sum[c] / n - slope * f64::from(mean[c])) as f32;
        }
    }
    for_each_piece(pieces, |piece| {
        let first = piece * step;
        let count = step.min(pixels - first);
        // SAFETY: pieces are different ranges of x, g and dx.
        unsafe {
            let (x, g) = (x.as_ptr().add(first * channels), g.ptr().add(first * channels));
            let dx = dx.ptr().add(first * channels);
            let (scale, shift) = (affine.scale.as_ptr(), affine.shift.as_ptr());
            range_input_gradient(isa, count, channels, x, g, scale, shift, coefficients.as_ptr(), activation, dx);
        }
    });
    Backward { gamma: gamma_grad, beta: beta_sum.iter().map(|&sum| sum as f32).collect() }
}

/// Where the gradient of the output is read, on any thread.
#[derive(Clone, Copy)]
struct Gradient(*const f32);

impl Gradient {
    fn ptr(self) -> *const f32 {
        self.0
    }
}

// SAFETY: it points into a slice borrowed for the whole backward pass; each piece reads its own range of it.
unsafe impl Send for Gradient {}
// SAFETY: as above.
unsafe impl Sync for Gradient {}

/// The sum of every channel over all pixels: the gradient of a convolution's bias.
pub(crate) fn channel_sums(isa: Isa, g: &[f32], channels: usize) -> Vec<f32> {
    let pixels = g.len() / channels.max(1);
    let (step, pieces) = ranges(pixels, channels);
    let mut partial = Buffer::new(pieces * channels);
    let to = Shared::new(&mut partial);
    for_each_piece(pieces, |piece| {
        let first = piece * step;
        let count = step.min(pixels - first);
        // SAFETY: the range lies in g; every piece has sums of its own.
        unsafe { range_sums(isa, count, channels, g.as_ptr().add(first * channels), to.ptr().add(piece * channels)) };
    });
    let mut sums = vec![0.0f64; channels];
    for partial in partial.chunks_exact(channels.max(1)) {
        sums.iter_mut().zip(partial).for_each(|(sum, &partial)| *sum += f64::from(partial));
    }
    sums.iter().map(|&sum| sum as f32).collect()
}

simd_dispatch! {
    unsafe fn range_sums = sums_body(pixels: usize, channels: usize, x: *const f32, to: *mut f32)
}
simd_dispatch! {
    unsafe fn range_statistics = statistics_body(pixels: usize, channels: usize, x: *const f32, to: *mut f32)
}
simd_dispatch! {
    unsafe fn apply_range = apply_body(
        pixels: usize, channels: usize, x: *const f32, scale: *const f32, shift: *const f32, activation: Activation, y: *mut f32)
}
simd_dispatch! {
    unsafe fn range_gradients = gradients_body(
        pixels: usize, channels: usize, x: *const f32, g: *const f32, scale: *const f32, shift: *const f32,
        mean: *const f32, activation: Activation, to: *mut f32)
}
simd_dispatch! {
    unsafe fn range_input_gradient = input_gradient_body(
        pixels: usize, channels: usize, x: *const f32, g: *const f32, scale: *const f32, shift: *const f32,
        coefficients: *const f32, activation: Activation, dx: *mut f32)
}

// Each summing body walks a group of vectors of channels down all pixels of its range, so that the group's sums
// stay in registers; the range itself stays in the second-level cache between groups.
//
// SAFETY (all bodies): the caller vouches for `pixels * channels` floats, or one per channel, and for `S`.

/// Runs `$body::<S, 4>` over groups of four whole vectors of channels and `$body::<S, 1>` over the rest, with
/// the first channel of the group and the channels of its (last) vector as first arguments.
macro_rules! for_channel_groups {
    ($channels:expr, $body:ident ($($arg:expr),*)) => {
        let mut channel = 0;
        while channel < $channels {
            let rest = $channels - channel;
            if rest >= 4 * S::LANES {
                $body::<S, 4>(channel, S::LANES, $($arg),*);
                channel += 4 * S::LANES;
            } else {
                $body::<S, 1>(channel, S::LANES.min(rest), $($arg),*);
                channel += S::LANES;
            }
        }
    };
}

#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32, n: usize) -> S::V {
    // SAFETY: see above.
    unsafe { if n == S::LANES { S::load(from) } else { S::load_first(from, n) } }
}

#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, value: S::V, n: usize) {
    // SAFETY: see above.
    unsafe { if n == S::LANES { S::store(to, value) } else { S::store_first(to, value, n) } }
}

#[inline(always)]
unsafe fn sums_body<S: Simd>(pixels: usize, channels: usize, x: *const f32, to: *mut f32) {
    // SAFETY: see above.
    unsafe {
        for_channel_groups!(channels, sums_group(pixels, channels, x, to));
    }
}

#[inline(always)]
unsafe fn sums_group<S: Simd, const V: usize>(
    channel: usize,
    n: usize,
    pixels: usize,
    channels: usize,
    x: *const f32,
    to: *mut f32,
) {
    // SAFETY: see above.
    unsafe {
        let mut sums = [S::splat(0.0); V];
        for pixel in 0..pixels {
            let x = x.add(pixel * channels + channel);
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = S::add(*sum, load::<S>(x.add(v * S::LANES), n));
            }
        }
        for (v, &sum) in sums.iter().enumerate() {
            store::<S>(to.add(channel + v * S::LANES), sum, n);
        }
    }
}

#[inline(always)]
unsafe fn statistics_body<S: Simd>(pixels: usize, channels: usize, x: *const f32, to: *mut f32) {
    // SAFETY: see above.
    unsafe {
        for_channel_groups!(channels, statistics_group(pixels, channels, x, to));
    }
}

#[inline(always)]
unsafe fn statistics_group<S: Simd, const V: usize>(
    channel: usize,
    n: usize,
    pixels: usize,
    channels: usize,
    x: *const f32,
    to: *mut f32,
) {
    // SAFETY: see above.
    unsafe {
        sums_group::<S, V>(channel, n, pixels, channels, x, to);
        let part = S::splat(1.0 / pixels as f32);
        let mut means = [S::splat(0.0); V];
        for (v, mean) in means.iter_mut().enumerate() {
            let at = to.add(channel + v * S::LANES);
            *mean = S::mul(part, load::<S>(at, n));
            store::<S>(at, *mean, n);
        }
        let mut squares = [S::splat(0.0); V];
        for pixel in 0..pixels {
            let x = x.add(pixel * channels + channel);
            for (v, square) in squares.iter_mut().enumerate() {
                let deviation = S::sub(load::<S>(x.add(v * S::LANES), n), means[v]);
                *square = S::fma(deviation, deviation, *square);
            }
        }
        for (v, &square) in squares.iter().enumerate() {
            store::<S>(to.add(channels + channel + v * S::LANES), square, n);
        }
    }
}

#[inline(always)]
unsafe fn apply_body<S: Simd>(
    pixels: usize,
    channels: usize,
    x: *const f32,
    scale: *const f32,
    shift: *const f32,
    activation: Activation,
    y: *mut f32,
) {
    // SAFETY: see above.
    unsafe {
        for pixel in 0..pixels {
            for channel in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - channel);
                let (scale, shift) = (load::<S>(scale.add(channel), n), load::<S>(shift.add(channel), n));
                let value = S::fma(scale, load::<S>(x.add(pixel * channels + channel), n), shift);
                let value = activation.of_vector::<S>(value);
                store::<S>(y.add(pixel * channels + channel), value, n);
            }
        }
    }
}

/// The gradient that reaches the normalisation: zero where the activation was flat.
#[inline(always)]
unsafe fn masked<S: Simd>(x: S::V, g: S::V, scale: S::V, shift: S::V, activation: Activation) -> S::V {
    // SAFETY: see above.
    unsafe { activation.gradient::<S>(S::fma(scale, x, shift), g) }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the inputs of the formula")]
unsafe fn gradients_body<S: Simd>(
    pixels: usize,
    channels: usize,
    x: *const f32,
    g: *const f32,
    scale: *const f32,
    shift: *const f32,
    mean: *const f32,
    activation: Activation,
    to: *mut f32,
) {
    // SAFETY: see above.
    unsafe {
        for_channel_groups!(channels, gradients_group(pixels, channels, x, g, scale, shift, mean, activation, to));
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the inputs of the formula")]
unsafe fn gradients_group<S: Simd, const V: usize>(
    channel: usize,
    n: usize,
    pixels: usize,
    channels: usize,
    x: *const f32,
    g: *const f32,
    scale: *const f32,
    shift: *const f32,
    mean: *const f32,
    activation: Activation,
    to: *mut f32,
) {
    // SAFETY: see above.
    unsafe {
        let per_channel = |from: *const f32| {
            let mut values = [S::splat(0.0); V];
            for (v, value) in values.iter_mut().enumerate() {
                *value = load::<S>(from.add(channel + v * S::LANES), n);
            }
            values
        };
        let (scale, shift, mean) = (per_channel(scale), per_channel(shift), per_channel(mean));
        let mut sums = [S::splat(0.0); V];
        let mut products = [S::splat(0.0); V];
        for pixel in 0..pixels {
            let at = pixel * channels + channel;
            for v in 0..V {
                let x = load::<S>(x.add(at + v * S::LANES), n);
                let g = masked::<S>(x, load::<S>(g.add(at + v * S::LANES), n), scale[v], shift[v], activation);
                sums[v] = S::add(sums[v], g);
                products[v] = S::fma(g, S::sub(x, mean[v]), products[v]);
            }
        }
        for v in 0..V {
            store::<S>(to.add(channel + v * S::LANES), sums[v], n);
            store::<S>(to.add(channels + channel + v * S::LANES), products[v], n);
        }
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the inputs of the formula")]
unsafe fn input_gradient_body<S: Simd>(
    pixels: usize,
    channels: usize,
    x: *const f32,
    g: *const f32,
    scale: *const f32,
    shift: *const f32,
    coefficients: *const f32,
    activation: Activation,
    dx: *mut f32,
) {
    // SAFETY: see above.
    unsafe {
        for pixel in 0..pixels {
            for channel in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - channel);
                let at = pixel * channels + channel;
                let (scale, shift) = (load::<S>(scale.add(channel), n), load::<S>(shift.add(channel), n));
                let factor = load::<S>(coefficients.add(channel), n);
                let slope = load::<S>(coefficients.add(channels + channel), n);
                let offset = load::<S>(coefficients.add(2 * channels + channel), n);
                let x = load::<S>(x.add(at), n);
                let value = masked::<S>(x, load::<S>(g.add(at), n), scale, shift, activation);
                store::<S>(dx.add(at), S::fma(factor, value, S::fma(slope, x, offset)), n);
            }
        }
    }
}
