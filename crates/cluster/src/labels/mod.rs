//! Cluster ids: by size at first, kept when a folder is clustered again. Noise is -1 throughout.

mod matching;
mod relabel;

pub use matching::{MatchedIds, match_ids};
pub use relabel::relabel_by_size;
