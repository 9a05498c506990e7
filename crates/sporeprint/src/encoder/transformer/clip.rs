//! CLIP: a tower of pictures and a tower of texts whose codes can be compared.

use std::path::Path;

use rayon::prelude::*;

use super::arithmetic::{Activation, LayerNorm};
use super::block::{Block, Scratch, Style};
use super::names::Tower;
use super::settings::Settings;
use super::store::Store;
use super::tokenizer::Tokenizer;
use super::vision::{VisionTransformer, block, norm, project, projection_of};
use crate::config::VisionTransformerConfig;
use crate::encoder::FrozenError;
use crate::encoder::weights::WeightFile;

/// Hint where a file is no CLIP.
const NOT_A_CLIP: &str = "`encoder.architecture = clip` reads CLIP models of transformers (`CLIPModel`), OpenAI and OpenCLIP with both towers and their projections";

/// Opens CLIP's tower of pictures.
///
/// # Errors
/// - as [`VisionTransformer::open`]; also a file without the projection to the space of texts
pub(crate) fn open_pictures(
    weights: &Path,
    config: &VisionTransformerConfig,
) -> Result<VisionTransformer, FrozenError> {
    let file = WeightFile::open(weights)?;
    let store = Store::new(&file, Tower::Vision);
    if !store.has("projection") && !store.has("projection_transposed") {
        return Err(store.not_this(&["visual_projection.weight"], NOT_A_CLIP).into());
    }
    VisionTransformer::read(&file, config, true)
}

/// CLIP's tower of texts, with its tokenizer.
///
/// # Reference
/// Radford et al. 2021, arXiv:2103.00020.
#[derive(Debug)]
pub struct TextEncoder {
    dim: usize,
    tokenizer: Tokenizer,
    /// `[words, dim]`
    words: Vec<f32>,
    /// `[longest text, dim]`
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    /// `[out, dim]`
    projection: Vec<f32>,
    style: Style,
}

impl TextEncoder {
    /// Reads the tower of texts from a file of weights, and the vocabulary from the files beside it.
    ///
    /// # Errors
    /// - a file that cannot be read, or is no CLIP: all that does not fit in one message
    /// - no vocabulary beside it, or one of other words than the weights
    pub fn open(weights: &Path) -> Result<Self, FrozenError> {
        let file = WeightFile::open(weights)?;
        let settings = Settings::beside(weights)?.tower("text_config");
        let mut store = Store::new(&file, Tower::Text);
        let (Some(words), Some(positions)) = (store.shape("token_embed"), store.shape("pos_embed")) else {
            return Err(store.not_this(&["text_model.embeddings.token_embedding.weight"], NOT_A_CLIP).into());
        };
        let dim = words.last().copied().unwrap_or(0);
        if dim == 0 {
            return Err(store.not_this(&["token embeddings that are not empty"], NOT_A_CLIP).into());
        }
        let n_words = words.iter().product::<usize>() / dim;
        let words = store.take("token_embed", &[n_words, dim])?;
        let longest = positions.iter().product::<usize>() / dim;
        if longest < 2 {
            return Err(store.not_this(&["position codes for two words or more"], NOT_A_CLIP).into());
        }
        let positions = store.take("pos_embed", &[longest, dim])?;
        let epsilon = settings.epsilon(1e-5);
        let blocks = (0..store.depth()).map(|n| block(&mut store, n, dim, epsilon)).collect::<Result<_, _>>()?;
        let norm = norm(&mut store, "norm", dim, epsilon)?;
        let Some(projection) = projection_of(&mut store, dim)? else {
            return Err(store.not_this(&["text_projection"], NOT_A_CLIP).into());
        };
        store.finish(NOT_A_CLIP)?;
        let tokenizer = Tokenizer::beside(weights)?;
        tokenizer.check(n_words, weights)?;
        let activation = settings.activation(Activation::QuickGelu);
        let style = Style { heads: settings.heads(dim)?, activation, causal: true };
        Ok(Self { dim, tokenizer, words, positions, blocks, norm, projection, style })
    }

    /// Numbers per code.
    pub fn dim(&self) -> usize {
        self.projection.len() / self.dim
    }

    /// Codes of texts, not normalised, `[texts, dim]`. What does not fit the longest text is cut off.
    pub fn codes(&self, texts: &[String]) -> Vec<f32> {
        let dim = self.dim();
        let mut codes = vec![0.0; texts.len() * dim];
        codes
            .par_chunks_exact_mut(dim)
            .zip(texts)
            .for_each_init(Scratch::default, |scratch, (code, text)| self.code(text, code, scratch));
        codes
    }

    fn code(&self, text: &str, code: &mut [f32], scratch: &mut Scratch) {
        let dim = self.dim;
        let ids = self.tokenizer.encode(text, self.positions.len() / dim);
        // The text's code is that of its first end; nothing after it is seen.
        let n_tokens = ids.iter().position(|id| *id == self.tokenizer.end).map_or(ids.len(), |at| at + 1);
        let mut tokens = Vec::with_capacity(n_tokens * dim);
        for (place, &id) in ids.iter().take(n_tokens).enumerate() {
            let (word, position) = (&self.words[id as usize * dim..][..dim], &self.positions[place * dim..][..dim]);
            tokens.extend(word.iter().zip(position).map(|(w, p)| w + p));
        }
        for block in &self.blocks {
            block.forward(&mut tokens, n_tokens, self.style, scratch);
        }
        let mut last = vec![0.0; dim];
        self.norm.apply(&tokens[(n_tokens - 1) * dim..], &mut last);
        project(&self.projection, &last, code);
    }
}
