//! Matrix products of plain rows, by the CPU backend's own.

use burn::tensor::{Device, Tensor, TensorData};

/// `a b^T`: `[n, dim]` by `[m, dim]` to `[n, m]`.
pub(super) fn dot_products(a: &[f32], b: &[f32], dim: usize) -> Vec<f32> {
    values(matrix(a, dim).matmul(matrix(b, dim).transpose()))
}

/// `w b`: `[n, m]` by `[m, dim]` to `[n, dim]`.
pub(super) fn weighted_sums(w: &[f32], b: &[f32], dim: usize) -> Vec<f32> {
    values(matrix(w, b.len() / dim).matmul(matrix(b, dim)))
}

fn matrix(rows: &[f32], dim: usize) -> Tensor<2> {
    Tensor::from_data(TensorData::new(rows.to_vec(), [rows.len() / dim, dim]), &Device::flex())
}

fn values(matrix: Tensor<2>) -> Vec<f32> {
    matrix.into_data().try_into_vec().expect("the CPU backend computes in f32")
}
