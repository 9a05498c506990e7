//! From feature map to code.

use burn::tensor::Tensor;

use crate::config::Merge;

/// Merges a feature map to one row per image.
///
/// # Shapes
/// - map: `[batch, channels, height, width]`
/// - rows: `[batch, channels]` for the mean, `[batch, channels * height * width]` otherwise
pub fn merge(map: Tensor<4>, how: Merge) -> Tensor<2> {
    match how {
        Merge::Mean => map.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2),
        Merge::Flatten => map.flatten::<2>(1, 3),
    }
}

/// Scales each row to unit length: `z / max(|z|, 1e-12)`, so that a row of zeros stays one.
///
/// # Shapes
/// - codes: `[batch, dim]`
pub fn normalize(codes: Tensor<2>) -> Tensor<2> {
    let norm = codes.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
    codes / norm
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::{merge, normalize};
    use crate::config::Merge;

    fn map() -> Tensor<4> {
        let device = Device::flex();
        Tensor::<1>::from_floats([1.0, 3.0, 5.0, 7.0, 0.0, 0.0, 3.0, 1.0], &device).reshape([1, 2, 2, 2])
    }

    #[test]
    fn the_mean_is_taken_over_height_and_width() {
        assert_eq!(merge(map(), Merge::Mean).into_data().try_to_vec::<f32>().expect("f32"), [4.0, 1.0]);
    }

    #[test]
    fn flat_codes_run_over_channels_then_rows_then_columns() {
        let flat = merge(map(), Merge::Flatten);
        assert_eq!(flat.dims(), [1, 8]);
        assert_eq!(flat.into_data().try_to_vec::<f32>().expect("f32"), [1.0, 3.0, 5.0, 7.0, 0.0, 0.0, 3.0, 1.0]);
    }

    #[test]
    fn a_row_of_zeros_stays_finite() {
        let rows = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &Device::flex());
        assert_eq!(normalize(rows).into_data().try_to_vec::<f32>().expect("f32"), [0.6, 0.8, 0.0, 0.0]);
    }
}
