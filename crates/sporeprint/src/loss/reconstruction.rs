//! How far a drawn image is from the one it was drawn from.

use burn::tensor::Tensor;

/// Mean squared error over every pixel, channel and image of the batch: PyTorch's `MSELoss`.
///
/// Each image is averaged first and the images in order, so the sum does not depend on the number of threads.
///
/// # Shapes
/// - drawn, images: `[batch, channels, height, width]`, normalised alike
/// - loss: `[1]`
pub fn reconstruction(drawn: Tensor<4>, images: Tensor<4>) -> Tensor<1> {
    assert_eq!(drawn.dims(), images.dims(), "the drawn images have the shape of their originals");
    let per_image = (drawn - images).square().flatten::<2>(1, 3).mean_dim(1);
    per_image.flatten::<1>(0, 1).mean_dim(0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::reconstruction;

    #[test]
    fn the_loss_is_the_mean_of_squared_differences() {
        let device = Device::flex();
        let drawn = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device).reshape([2, 1, 1, 2]);
        let images = Tensor::<1>::from_floats([1.0, 0.0, 0.0, 4.0], &device).reshape([2, 1, 1, 2]);
        assert_eq!(reconstruction(drawn, images).into_scalar::<f32>(), 13.0 / 4.0);
    }
}
