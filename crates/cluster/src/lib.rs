//! Neighbours, k-means, partitions and metrics on `f32` codes.
