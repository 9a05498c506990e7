//! Why codes cannot be grouped.

/// Why codes cannot be grouped.
#[derive(Debug, thiserror::Error)]
pub enum GroupingError {
    /// Neighbours or clusters cannot be computed, or the person asked to stop.
    #[error(transparent)]
    Cluster(#[from] sporeprint_cluster::Error),
    /// A density method finds noise only.
    #[error(
        "found no cluster of {min_cluster_size} or more among {n_rows} images: all are noise\nhint: lower \
         `cluster.min_cluster_size`, or take `cluster.method = kmeans`"
    )]
    NoClusters {
        /// Images.
        n_rows: usize,
        /// Least size asked for.
        min_cluster_size: usize,
    },
}

impl GroupingError {
    /// Whether the person asked to stop, rather than something going wrong.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Cluster(sporeprint_cluster::Error::Cancelled { .. }))
    }
}
