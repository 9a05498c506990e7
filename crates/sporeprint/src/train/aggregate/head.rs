//! A linear head that starts from what the encoder tells apart already.

use sporeprint_cluster::{Error, Pca, RowsView, Silent};

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
    let Ok((weight, bias)) = principal_components(rows, dim, setup.seed) else { return encoder };
    encoder.with_head(weight, bias, &setup.device)
}

/// Weight `[dim, rows.dim()]` and bias `[dim]` of the map `W (x - mean)` with the first principal components of the rows; where rows
/// or columns allow fewer than `dim`, the rest are zeros.
///
/// # Errors
/// When the rows have no principal components.
pub(in crate::train) fn principal_components(
    rows: RowsView<'_>,
    dim: usize,
    seed: u64,
) -> Result<(Vec<f32>, Vec<f32>), Error> {
    let pca = Pca { n_components: dim, seed }.fit(rows, &Silent)?;
    let mut weight = pca.components().data().to_vec();
    let mut bias: Vec<f32> = (weight.chunks_exact(rows.dim()).take(dim))
        .map(|w| -w.iter().zip(pca.mean()).map(|(w, m)| w * m).sum::<f32>())
        .collect();
    weight.resize(dim * rows.dim(), 0.0);
    bias.resize(dim, 0.0);
    Ok((weight, bias))
}
