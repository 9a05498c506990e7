//! Graphs of neighbours: built, averaged, diffused over.

mod diffusion;
mod sparse;

pub use diffusion::diffuse;
pub use sparse::{Graph, consensus_graph, fuse_graphs, local_scaling, mutual_graph};
