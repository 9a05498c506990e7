//! A linear head that starts from what the encoder tells apart already.

use sporeprint_cluster::{Pca, RowsView};

use super::Setup;
use crate::encoder::Encoder;
use crate::progress::Observer;
use crate::train::embed::merged_of_all;

/// The encoder with its head replaced by the first principal components of the folder's merged codes: the head's code is
/// `W (x - mean)`. An encoder without a head stays as it is.
///
/// Where images or channels allow fewer components than the head has rows, the rest are zeros and stay so.
pub(super) fn from_principal_components(encoder: Encoder, setup: &Setup<'_>, observer: &dyn Observer) -> Encoder {
    let Some(dim) = encoder.config().head_dim else { return encoder };
    let merged_dim = encoder.config().merged_dim();
    let codes = merged_of_all(&encoder, setup.cache, setup.config.batch_size, observer);
    // Codes that are not finite would be found, and named, by the first step of training.
    let Ok(rows) = RowsView::new(&codes, merged_dim) else { return encoder };
    let Ok(pca) = Pca::fit(rows, dim, setup.seed) else { return encoder };
    let mut weight = pca.components().data().to_vec();
    let bias = (weight.chunks_exact(merged_dim).zip(0..dim))
        .map(|(w, _)| -w.iter().zip(pca.mean()).map(|(w, m)| w * m).sum::<f32>());
    let mut bias: Vec<f32> = bias.collect();
    weight.resize(dim * merged_dim, 0.0);
    bias.resize(dim, 0.0);
    encoder.with_head(weight, bias, &setup.device)
}
