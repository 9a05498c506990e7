//! Networks and layers held to PyTorch's numbers (`reference/parity.py`, `reference/fixtures/`), each on two paths: in `f32`,
//! which the kernels take, and in `f64`, which they do not, so that the same model code is composed of Burn's own operations.
//!
//! Each tensor is held to `||a - b|| / ||b|| <= 1e-4`.

/// Two tests, `name::on_the_kernels` and `name::through_the_default_bodies`, of a function of the type of numbers.
macro_rules! on_both_paths {
    ($name:ident, $check:expr) => {
        mod $name {
            #[test]
            fn on_the_kernels() {
                use super::*;
                $check(crate::KERNELS);
            }

            #[test]
            fn through_the_default_bodies() {
                use super::*;
                $check(crate::DEFAULT_BODIES);
            }
        }
    };
}

mod fixture;
mod golden;
mod layers;
mod networks;

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Largest relative distance of a tensor from PyTorch's.
const TOLERANCE: f64 = 1e-4;

/// The numbers that the kernels take.
const KERNELS: DType = DType::F32;

/// Numbers that they leave to Burn's own operations; no kernel returns such a tensor.
const DEFAULT_BODIES: DType = DType::F64;

fn device() -> Device {
    Device::flex().autodiff()
}

/// A tensor of numbers of this type.
fn tensor<const D: usize>(values: &[f32], shape: &[usize], numbers: DType) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape.to_vec()), (&device(), numbers))
}

/// Values in the order of memory, which must be of this type: another path would have made another.
fn floats<const D: usize>(tensor: Tensor<D>, numbers: DType) -> Vec<f32> {
    assert_eq!(tensor.dtype(), numbers, "the tensor took another path");
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted just before")
}

/// Holds `found` to `expected`; NaN is as far off as can be.
fn check(what: &str, found: &[f32], expected: &[f32]) {
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
