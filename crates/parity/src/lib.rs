//! Networks and layers held to PyTorch's numbers (`reference/parity.py`, `reference/fixtures/`), each on two backends: Flex,
//! where the kernels run, and NdArray, where the same model code is composed of Burn's own operations.
//!
//! Each tensor is held to `||a - b|| / ||b|| <= 1e-4`. The tests are in `tests/`; this library reads the numbers.

mod fixture;
mod golden;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};

pub use fixture::Fixture;
pub use golden::Golden;

/// Largest relative distance of a tensor from PyTorch's.
pub const TOLERANCE: f64 = 1e-4;

/// The backend on which the kernels run, with automatic differentiation.
pub fn kernels() -> Device {
    Device::flex().autodiff()
}

/// A backend that has no kernels of this project, with automatic differentiation.
#[expect(deprecated, reason = "the only other backend on the CPU while Burn still has it")]
pub fn default_bodies() -> Device {
    Device::ndarray().autodiff()
}

/// Two tests, `name::on_the_kernels` and `name::through_the_default_bodies`, of a function of the device.
#[macro_export]
macro_rules! on_both_backends {
    ($name:ident, $check:expr) => {
        mod $name {
            #[test]
            fn on_the_kernels() {
                use super::*;
                $check(&$crate::kernels());
            }

            #[test]
            fn through_the_default_bodies() {
                use super::*;
                $check(&$crate::default_bodies());
            }
        }
    };
}

/// Values in the order of memory.
///
/// # Panics
/// When the tensor does not hold `f32`.
pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32")
}

/// Holds `found` to `expected`.
///
/// # Panics
/// When they are further apart than [`TOLERANCE`], or a value is NaN.
pub fn check(what: &str, found: &[f32], expected: &[f32]) {
    let distance = distance(found, expected, norm(expected));
    assert!(distance <= TOLERANCE, "{what}: relative distance {distance:.2e}, tolerance {TOLERANCE:.0e}");
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// `||found - expected|| / scale`, which is NaN and no match if any value is.
fn distance(found: &[f32], expected: &[f32], scale: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    norm(&difference) / scale
}

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference").join(name)
}
