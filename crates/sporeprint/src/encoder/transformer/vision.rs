//! The vision transformer, as DINOv2 and CLIP have it.

use std::path::Path;

use rayon::prelude::*;
use sporeprint_kernels::{Matrix, matrix_product};

use super::arithmetic::{Activation, LayerNorm, add_bias};
use super::block::{Block, Linear, Scratch, Style};
use super::names::Tower;
use super::positions::{Resampling, resample};
use super::settings::{Settings, pixel_statistics};
use super::store::Store;
use crate::config::{TokenCode, VisionTransformerConfig};
use crate::encoder::frozen::check_value;
use crate::encoder::weights::WeightFile;
use crate::encoder::{FrozenEncoder, FrozenError, WeightsError};
use crate::images::RgbView;

/// Hint where a file is no vision transformer.
const NOT_A_VIT: &str = "`encoder.architecture = dinov2` reads DINOv2's ViT-S, B and L, with registers or without, in transformers', timm's or the authors' \
     names; `encoder.architecture = clip` reads CLIP";

/// A vision transformer for pictures of one size.
///
/// Patches are projected, class token and registers put before them, position codes added; blocks and a layer norm follow.
/// CLIP's has a norm before the blocks and a projection of the class token behind them.
///
/// # Reference
/// Dosovitskiy et al. 2020, arXiv:2010.11929; DINOv2: Oquab et al. 2023, arXiv:2304.07193; registers: Darcet et al. 2023,
/// arXiv:2309.16588; CLIP: Radford et al. 2021, arXiv:2103.00020. Position codes of other sizes are interpolated as
/// `transformers` does it.
#[derive(Debug)]
pub struct VisionTransformer {
    dim: usize,
    tokens: TokenCode,
    mean: [f32; 3],
    deviation: [f32; 3],
    patch: usize,
    image_size: usize,
    patch_weight: Vec<f32>,
    /// What every picture starts from: class token, registers and the patches' biases, with position codes.
    start: Vec<f32>,
    n_before_patches: usize,
    norm_pre: Option<LayerNorm>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    projection: Option<Vec<f32>>,
    style: Style,
}

impl VisionTransformer {
    /// Reads a DINOv2 (or another vision transformer with a class token) from a file of weights.
    ///
    /// # Errors
    /// - a file that cannot be read, or is no vision transformer: all that does not fit in one message
    /// - pictures smaller than a patch
    pub fn open(weights: &Path, config: &VisionTransformerConfig) -> Result<Self, FrozenError> {
        let file = WeightFile::open(weights)?;
        Self::read(&file, config, false)
    }

    /// The tower of pictures in a CLIP file, or a DINOv2.
    pub(super) fn read(file: &WeightFile, config: &VisionTransformerConfig, clip: bool) -> Result<Self, FrozenError> {
        let settings = Settings::beside(&file.path)?;
        let settings = if clip { settings.tower("vision_config") } else { settings };
        let mut store = Store::new(file, Tower::Vision);
        let shapes = (store.shape("cls_token"), store.shape("patch_embed.proj.weight"), store.shape("pos_embed"));
        let (Some(class), Some(projection), Some(positions)) = shapes else {
            return Err(store.not_this(&["cls_token", "pos_embed", "patch_embed.proj.weight"], NOT_A_VIT).into());
        };
        let dim = class.last().copied().unwrap_or(1);
        if dim == 0 {
            return Err(store.not_this(&["cls_token that is not empty"], NOT_A_VIT).into());
        }
        let patch = projection.last().copied().unwrap_or(1).max(1);
        let hint = "pictures need at least one patch; 224 is usual";
        let side = config.image_size / patch;
        check_value(side > 0, "frozen.image_size", config.image_size, format!("at least the patch, {patch}"), hint)?;
        let class = store.take("cls_token", &[dim])?;
        let patch_weight = store.take("patch_embed.proj.weight", &[dim, 3, patch, patch])?;
        let patch_bias = store.take_if_there("patch_embed.proj.bias", &[dim])?.unwrap_or_else(|| vec![0.0; dim]);
        let n_positions = positions.iter().product::<usize>() / dim;
        let positions = store.take("pos_embed", &[n_positions, dim])?;
        let n_registers = store.shape("reg_token").map_or(0, |shape| shape.iter().product::<usize>() / dim);
        let registers = store.take_if_there("reg_token", &[n_registers, dim])?.unwrap_or_default();
        let how = if n_registers > 0 { Resampling::Antialiased } else { Resampling::Bicubic };

        // timm's networks with registers have added the class token's position code to the token.
        let (with_class, from) = match (square_root(n_positions.saturating_sub(1)), square_root(n_positions)) {
            (Some(from), _) if from > 0 => (true, from),
            (_, Some(from)) if from > 0 => (false, from),
            _ => return Err(store.not_this(&["pos_embed of a square grid"], NOT_A_VIT).into()),
        };
        let epsilon = settings.epsilon(if clip { 1e-5 } else { 1e-6 });
        let norm_pre =
            if store.has("norm_pre.weight") { Some(norm(&mut store, "norm_pre", dim, epsilon)?) } else { None };
        let blocks = (0..store.depth()).map(|n| block(&mut store, n, dim, epsilon)).collect::<Result<_, _>>()?;
        let norm = norm(&mut store, "norm", dim, epsilon)?;
        let projection = projection_of(&mut store, dim)?;
        store.finish(NOT_A_VIT)?;

        let (class_position, patch_positions) = positions.split_at(if with_class { dim } else { 0 });
        let mut start = class;
        start.iter_mut().zip(class_position).for_each(|(x, p)| *x += p);
        start.extend(&registers);
        let mut patches = resample(patch_positions, dim, from, side, how);
        add_bias(&mut patches, &patch_bias);
        start.extend(patches);
        let activation = settings.activation(if clip { Activation::QuickGelu } else { Activation::Gelu });
        let (mean, deviation) = pixel_statistics(&file.path, clip)?;
        Ok(Self {
            dim,
            tokens: if projection.is_some() { TokenCode::Class } else { config.tokens },
            mean,
            deviation,
            patch,
            image_size: config.image_size,
            patch_weight,
            start,
            n_before_patches: 1 + n_registers,
            norm_pre,
            blocks,
            norm,
            projection,
            style: Style { heads: settings.heads(dim)?, activation, causal: false },
        })
    }

    /// Pixels of the patches, one row each, in the order channel, row, column: `[side * side, 3 * patch * patch]`.
    fn patches(&self, image: RgbView<'_>) -> Vec<f32> {
        let (patch, side) = (self.patch, self.image_size / self.patch);
        let mut rows = Vec::with_capacity(side * side * 3 * patch * patch);
        let scale: [f32; 3] = std::array::from_fn(|c| 1.0 / (255.0 * self.deviation[c]));
        let shift: [f32; 3] = std::array::from_fn(|c| self.mean[c] / self.deviation[c]);
        for at in 0..side * side {
            let (top, left) = (at / side * patch, at % side * patch);
            for channel in 0..3 {
                for y in top..top + patch {
                    let pixels = image.row(y)[left * 3..(left + patch) * 3].iter().skip(channel).step_by(3);
                    rows.extend(pixels.map(|&value| f32::from(value) * scale[channel] - shift[channel]));
                }
            }
        }
        rows
    }

    /// The code of one picture.
    fn code(&self, image: RgbView<'_>, code: &mut [f32], scratch: &mut Scratch) {
        let dim = self.dim;
        let mut tokens = self.start.clone();
        let n_tokens = tokens.len() / dim;
        let pixels = self.patches(image);
        let n_in = 3 * self.patch * self.patch;
        let n_patches = n_tokens - self.n_before_patches;
        let weight = Matrix::new(&self.patch_weight, dim, n_in, n_in).transposed();
        let places = &mut tokens[self.n_before_patches * dim..];
        matrix_product(places, dim, Matrix::new(&pixels, n_patches, n_in, n_in), weight, 1.0, true);
        if let Some(norm) = &self.norm_pre {
            let raw = tokens.clone();
            norm.apply(&raw, &mut tokens);
        }
        for (n, block) in self.blocks.iter().enumerate() {
            let last = n + 1 == self.blocks.len();
            let wanted = if last && self.tokens == TokenCode::Class { 1 } else { n_tokens };
            block.forward(&mut tokens, wanted, self.style, scratch);
        }
        let wanted = if self.tokens == TokenCode::Class { dim } else { tokens.len() };
        let mut normed = vec![0.0; wanted];
        self.norm.apply(&tokens[..wanted], &mut normed);
        match (&self.projection, self.tokens) {
            (Some(projection), _) => project(projection, &normed[..dim], code),
            (None, TokenCode::Class) => code.copy_from_slice(&normed[..dim]),
            (None, TokenCode::Patches) => self.mean_patch(&normed, code),
            (None, TokenCode::Both) => {
                code[..dim].copy_from_slice(&normed[..dim]);
                self.mean_patch(&normed, &mut code[dim..]);
            }
        }
    }

    fn mean_patch(&self, tokens: &[f32], out: &mut [f32]) {
        let patches = &tokens[self.n_before_patches * self.dim..];
        let scale = 1.0 / (patches.len() / self.dim) as f32;
        for token in patches.chunks_exact(self.dim) {
            out.iter_mut().zip(token).for_each(|(out, x)| *out += x);
        }
        out.iter_mut().for_each(|x| *x *= scale);
    }
}

impl FrozenEncoder for VisionTransformer {
    fn dim(&self) -> usize {
        match (&self.projection, self.tokens) {
            (Some(projection), _) => projection.len() / self.dim,
            (None, TokenCode::Both) => 2 * self.dim,
            (None, _) => self.dim,
        }
    }

    fn batch_size(&self) -> usize {
        8 * rayon::current_num_threads()
    }

    fn codes(&self, images: &[RgbView<'_>]) -> Result<Vec<f32>, FrozenError> {
        let dim = self.dim();
        let mut codes = vec![0.0; images.len() * dim];
        codes
            .par_chunks_exact_mut(dim)
            .zip(images)
            .for_each_init(Scratch::default, |scratch, (code, image)| self.code(*image, code, scratch));
        Ok(codes)
    }
}

/// The root of a square number.
fn square_root(n: usize) -> Option<usize> {
    let root = (n as f64).sqrt().round() as usize;
    (root * root == n).then_some(root)
}

/// `weight x`, weight `[out, in]`.
pub(super) fn project(weight: &[f32], x: &[f32], out: &mut [f32]) {
    let (n_in, n_out) = (x.len(), out.len());
    let weight = Matrix::new(weight, n_out, n_in, n_in).transposed();
    matrix_product(out, n_out, Matrix::new(x, 1, n_in, n_in), weight, 1.0, false);
}

pub(super) fn norm(store: &mut Store<'_>, name: &str, dim: usize, epsilon: f32) -> Result<LayerNorm, WeightsError> {
    let weight = store.take(&format!("{name}.weight"), &[dim])?;
    Ok(LayerNorm { weight, bias: store.take(&format!("{name}.bias"), &[dim])?, epsilon })
}

/// CLIP's projection to the space that pictures and texts share, `[out, dim]`.
pub(super) fn projection_of(store: &mut Store<'_>, dim: usize) -> Result<Option<Vec<f32>>, WeightsError> {
    if let Some(shape) = store.shape("projection") {
        let n_out = shape.iter().product::<usize>() / dim;
        return store.take("projection", &[n_out, dim]).map(Some);
    }
    let Some(shape) = store.shape("projection_transposed") else { return Ok(None) };
    let n_out = shape.last().copied().unwrap_or(1);
    let values = store.take("projection_transposed", &[dim, n_out])?;
    Ok(Some((0..n_out * dim).map(|at| values[at % dim * n_out + at / dim]).collect()))
}

pub(super) fn block(store: &mut Store<'_>, n: usize, dim: usize, epsilon: f32) -> Result<Block, WeightsError> {
    let part = |name: &str| format!("blocks.{n}.{name}");
    let hidden = part("mlp.fc1.weight");
    let n_hidden = store.shape(&hidden).map_or(4 * dim, |shape| shape.iter().product::<usize>() / dim);
    let linear = |store: &mut Store<'_>, name: &str, n_out: usize, n_in: usize| {
        let weight = store.take(&part(&format!("{name}.weight")), &[n_out, n_in])?;
        Ok::<_, WeightsError>(Linear { weight, bias: store.take(&part(&format!("{name}.bias")), &[n_out])? })
    };
    let qkv = if store.has(&part("attn.qkv.weight")) {
        linear(store, "attn.qkv", 3 * dim, dim)?
    } else {
        let mut all = Linear { weight: Vec::new(), bias: Vec::new() };
        for name in ["attn.q", "attn.k", "attn.v"] {
            let Linear { weight, bias } = linear(store, name, dim, dim)?;
            all.weight.extend(weight);
            all.bias.extend(bias);
        }
        all
    };
    Ok(Block {
        norm1: norm(store, &part("norm1"), dim, epsilon)?,
        qkv,
        out: linear(store, "attn.proj", dim, dim)?,
        scale1: store.take_if_there(&part("ls1.gamma"), &[dim])?,
        norm2: norm(store, &part("norm2"), dim, epsilon)?,
        fc1: linear(store, "mlp.fc1", n_hidden, dim)?,
        fc2: linear(store, "mlp.fc2", dim, n_hidden)?,
        scale2: store.take_if_there(&part("ls2.gamma"), &[dim])?,
    })
}
