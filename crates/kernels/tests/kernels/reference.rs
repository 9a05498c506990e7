//! Random tensors and slow definitions in `f64`.

use burn::tensor::{Device, Tensor};

pub(crate) fn device() -> Device {
    Device::flex().autodiff()
}

/// Deterministic numbers in (-1, 1).
pub(crate) fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1);
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

pub(crate) fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::<1>::from_floats(values, device).reshape(shape)
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Asserts `||actual - expected|| <= tolerance * ||expected||`, which NaN fails.
pub(crate) fn assert_close(name: &str, actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{name}: lengths");
    let difference: f64 = actual.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - b).powi(2)).sum();
    let norm: f64 = expected.iter().map(|b| b * b).sum();
    let error = difference.sqrt() / norm.sqrt().max(1e-6);
    assert!(error <= tolerance, "{name}: relative error {error:e} above {tolerance:e}");
}

/// A convolution's geometry on NCHW arrays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv {
    pub(crate) x: [usize; 4],
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Conv {
    pub(crate) fn y(self) -> [usize; 4] {
        let side = |length: usize| (length + 2 * self.padding - self.kernel) / self.stride + 1;
        [self.x[0], self.outputs, side(self.x[2]), side(self.x[3])]
    }

    /// Calls `visit(y index, x index, weight index)` for every product.
    pub(crate) fn products(self, mut visit: impl FnMut(usize, usize, usize)) {
        let ([batch, channels, height, width], [_, outputs, down, across]) = (self.x, self.y());
        for b in 0..batch {
            for o in 0..outputs {
                for (i, j) in (0..down).flat_map(|i| (0..across).map(move |j| (i, j))) {
                    let y = ((b * outputs + o) * down + i) * across + j;
                    for (u, v) in (0..self.kernel).flat_map(|u| (0..self.kernel).map(move |v| (u, v))) {
                        let (row, column) = (i * self.stride + u, j * self.stride + v);
                        if row < self.padding || column < self.padding {
                            continue;
                        }
                        let (row, column) = (row - self.padding, column - self.padding);
                        if row >= height || column >= width {
                            continue;
                        }
                        for c in 0..channels {
                            let x = ((b * channels + c) * height + row) * width + column;
                            visit(y, x, ((o * channels + c) * self.kernel + u) * self.kernel + v);
                        }
                    }
                }
            }
        }
    }
}
