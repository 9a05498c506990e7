//! Position codes for another number of patches than the network was trained with.

/// How position codes are brought to another grid, each as the published network does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resampling {
    /// Cubic convolution with a = -0.75: `torch.nn.functional.interpolate(mode="bicubic")`.
    Bicubic,
    /// Cubic convolution with a = -0.5, widened where the grid shrinks: the same with `antialias=True`.
    Antialiased,
}

/// The codes of a `from x from` grid for a `to x to` grid.
///
/// # Shapes
/// - codes: `[from * from, dim]`, row by row
pub(super) fn resample(codes: &[f32], dim: usize, from: usize, to: usize, how: Resampling) -> Vec<f32> {
    if from == to {
        return codes.to_vec();
    }
    let taps = taps(from, to, how);
    // Along rows, then along columns.
    let mut wide = vec![0.0; from * to * dim];
    for y in 0..from {
        for (x, taps) in taps.iter().enumerate() {
            let out = &mut wide[(y * to + x) * dim..][..dim];
            for &(source, weight) in taps {
                add_scaled(out, &codes[(y * from + source) * dim..][..dim], weight);
            }
        }
    }
    let mut out = vec![0.0; to * to * dim];
    for (y, taps) in taps.iter().enumerate() {
        let row = &mut out[y * to * dim..][..to * dim];
        for &(source, weight) in taps {
            add_scaled(row, &wide[source * to * dim..][..to * dim], weight);
        }
    }
    out
}

fn add_scaled(out: &mut [f32], row: &[f32], weight: f32) {
    out.iter_mut().zip(row).for_each(|(out, x)| *out += weight * x);
}

/// Which places each new place reads, and with which weights.
fn taps(from: usize, to: usize, how: Resampling) -> Vec<Vec<(usize, f32)>> {
    let scale = from as f64 / to as f64;
    let taps = |x: usize| match how {
        Resampling::Bicubic => {
            let centre = (x as f64 + 0.5) * scale - 0.5;
            let first = centre.floor();
            let tap = |offset: i64| {
                let place = (first as i64 + offset).clamp(0, from as i64 - 1) as usize;
                (place, cubic(centre - first - offset as f64, -0.75) as f32)
            };
            (-1..=2).map(tap).collect()
        }
        Resampling::Antialiased => {
            let width = scale.max(1.0);
            let centre = (x as f64 + 0.5) * scale;
            let start = (centre - 2.0 * width + 0.5).max(0.0) as usize;
            let end = ((centre + 2.0 * width + 0.5) as usize).min(from);
            let weights: Vec<f64> = (start..end).map(|i| cubic((i as f64 - centre + 0.5) / width, -0.5)).collect();
            let sum: f64 = weights.iter().sum();
            (start..end).zip(weights).map(|(place, weight)| (place, (weight / sum) as f32)).collect()
        }
    };
    (0..to).map(taps).collect()
}

/// Keys' cubic convolution kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}
