//! One layer of a transformer over the tokens of one picture or text.

use sporeprint_kernels::{Matrix, matrix_product};

use super::arithmetic::{Activation, LayerNorm, activate, add_bias, add_branch, softmax};

/// `y = x weight^T + bias` with PyTorch's layout of the weight, `[out, in]`.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Linear {
    /// Products of the first rows with outputs `first..first + n_out` of the layer; no bias.
    fn products(&self, x: &[f32], n_in: usize, first: usize, n_out: usize, out: &mut [f32], stride: usize) {
        let n_rows = x.len() / n_in;
        let weight = Matrix::new(&self.weight[first * n_in..], n_out, n_in, n_in);
        matrix_product(out, stride, Matrix::new(x, n_rows, n_in, n_in), weight.transposed(), 1.0, false);
    }
}

/// Attention and a two-layer part, each behind a layer norm and added to what came in.
///
/// # Reference
/// Dosovitskiy et al. 2020, arXiv:2010.11929; layer scale: Touvron et al. 2021, arXiv:2103.17239.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) norm1: LayerNorm,
    /// Queries, keys and values one below the other, `[3 dim, dim]`.
    pub(super) qkv: Linear,
    pub(super) out: Linear,
    pub(super) scale1: Option<Vec<f32>>,
    pub(super) norm2: LayerNorm,
    pub(super) fc1: Linear,
    pub(super) fc2: Linear,
    pub(super) scale2: Option<Vec<f32>>,
}

/// How the tokens of a block see each other, and its non-linearity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) heads: usize,
    pub(super) activation: Activation,
    /// Token i sees the tokens up to itself: text.
    pub(super) causal: bool,
}

/// Room for what a block computes on the way; one per thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    normed: Vec<f32>,
    qkv: Vec<f32>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
    hidden: Vec<f32>,
    branch: Vec<f32>,
}

fn room(values: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if values.len() < n {
        values.resize(n, 0.0);
    }
    &mut values[..n]
}

impl Block {
    /// Replaces the first `wanted` tokens by the block's output; what happens to the others is left open.
    ///
    /// The last block of an encoder whose code is the class token needs that one row alone, which saves most of a block.
    ///
    /// # Shapes
    /// - x: `[tokens, dim]`
    pub(super) fn forward(&self, x: &mut [f32], wanted: usize, style: Style, scratch: &mut Scratch) {
        let dim = self.norm1.weight.len();
        let n_tokens = x.len() / dim;
        let Scratch { normed, qkv, scores, mixed, hidden, branch } = scratch;
        let normed = room(normed, n_tokens * dim);
        self.norm1.apply(x, normed);
        let qkv = room(qkv, n_tokens * 3 * dim);
        if wanted < n_tokens {
            self.qkv.products(&normed[..wanted * dim], dim, 0, dim, qkv, 3 * dim);
            self.qkv.products(normed, dim, dim, 2 * dim, &mut qkv[dim..], 3 * dim);
        } else {
            self.qkv.products(normed, dim, 0, 3 * dim, qkv, 3 * dim);
        }
        add_bias(qkv, &self.qkv.bias);

        let (head, stride) = (dim / style.heads, 3 * dim);
        let scores = room(scores, wanted * n_tokens);
        let mixed = room(mixed, wanted * dim);
        for h in 0..style.heads {
            let query = Matrix::new(&qkv[h * head..], wanted, head, stride);
            let key = Matrix::new(&qkv[dim + h * head..], n_tokens, head, stride);
            let value = Matrix::new(&qkv[2 * dim + h * head..], n_tokens, head, stride);
            matrix_product(scores, n_tokens, query, key.transposed(), 1.0 / (head as f32).sqrt(), false);
            softmax(scores, n_tokens, style.causal);
            let scores = Matrix::new(scores, wanted, n_tokens, n_tokens);
            matrix_product(&mut mixed[h * head..], dim, scores, value, 1.0, false);
        }

        let x = &mut x[..wanted * dim];
        let branch = room(branch, wanted * dim);
        self.out.products(mixed, dim, 0, dim, branch, dim);
        add_branch(x, branch, &self.out.bias, self.scale1.as_deref());

        let normed = &mut normed[..wanted * dim];
        self.norm2.apply(x, normed);
        let n_hidden = self.fc1.bias.len();
        let hidden = room(hidden, wanted * n_hidden);
        self.fc1.products(normed, dim, 0, n_hidden, hidden, n_hidden);
        activate(hidden, &self.fc1.bias, style.activation);
        self.fc2.products(hidden, n_hidden, 0, dim, branch, dim);
        add_branch(x, branch, &self.fc2.bias, self.scale2.as_deref());
    }
}
