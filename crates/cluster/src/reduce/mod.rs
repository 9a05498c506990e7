//! Fewer columns: principal components, spectral embedding, UMAP.

mod eigen;
mod pca;
mod spectral;
mod umap;

pub use pca::{Pca, PrincipalComponents};
pub use spectral::spectral_embedding;
pub use umap::Umap;
