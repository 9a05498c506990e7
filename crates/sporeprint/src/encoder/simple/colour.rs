//! How much there is of each colour.

const BINS: [usize; 3] = [8, 3, 3];

/// Length of [`colour_histogram`]'s result.
pub const COLOUR_DIM: usize = BINS[0] * BINS[1] * BINS[2];

/// Square roots of the shares of 8 hues x 3 saturations x 3 values: a unit vector whose dot product with another is the
/// Bhattacharyya coefficient of both histograms.
///
/// # Shapes
/// - `rgb`: any number of pixels of 3 values in 0..1
/// - result: `[72]`
pub fn colour_histogram(rgb: &[f32]) -> Vec<f32> {
    let mut counts = vec![0.0f32; COLOUR_DIM];
    for pixel in rgb.chunks_exact(3) {
        let hsv = hue_saturation_value([pixel[0], pixel[1], pixel[2]]);
        let bin = |at: usize| ((hsv[at] * BINS[at] as f32) as usize).min(BINS[at] - 1);
        counts[(bin(0) * BINS[1] + bin(1)) * BINS[2] + bin(2)] += 1.0;
    }
    let total: f32 = counts.iter().sum::<f32>().max(1.0);
    counts.iter_mut().for_each(|count| *count = (*count / total).sqrt());
    counts
}

/// Hue, saturation and value in 0..1 (Smith 1978); greys have hue 0.
fn hue_saturation_value([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (largest, smallest) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = largest - smallest;
    if chroma <= 0.0 {
        return [0.0, 0.0, largest];
    }
    let sixth = if largest == r {
        ((g - b) / chroma).rem_euclid(6.0)
    } else if largest == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    [sixth / 6.0, chroma / largest, largest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_colours_have_their_hues() {
        let expected = [
            ([1.0, 0.0, 0.0], 0.0),
            ([0.0, 1.0, 0.0], 1.0 / 3.0),
            ([0.0, 0.0, 1.0], 2.0 / 3.0),
            ([1.0, 0.0, 1.0], 5.0 / 6.0),
        ];
        for (rgb, hue) in expected {
            let [h, s, v] = hue_saturation_value(rgb);
            assert!((h - hue).abs() <= 1e-6 && s == 1.0 && v == 1.0, "{rgb:?}: {h} {s} {v}");
        }
        assert_eq!(hue_saturation_value([0.4; 3]), [0.0, 0.0, 0.4]);
    }

    #[test]
    fn the_histogram_is_a_unit_vector_of_shares() {
        let half = colour_histogram(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let filled: Vec<f32> = half.iter().copied().filter(|&v| v > 0.0).collect();
        assert_eq!(filled.len(), 2);
        assert!(filled.iter().all(|v| (v - 0.5f32.sqrt()).abs() <= 1e-6));
    }
}
