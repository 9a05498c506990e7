//! Background neighbours `B`, close neighbours `C` and their intersection, for the images of one batch.
//!
//! Search and k-means belong to the cluster crate; this module only joins their results on the image index.

use sporeprint_cluster::Neighbors;

/// The labels of `H` clusterings of the memory bank, `[n_clusterings, n_images]`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusterings {
    labels: Vec<u32>,
    n_images: usize,
}

impl Clusterings {
    /// # Panics
    /// When `labels` is not a whole number of clusterings of `n_images`.
    pub fn new(labels: Vec<u32>, n_images: usize) -> Self {
        assert!(n_images > 0 && labels.len().is_multiple_of(n_images), "{} labels for {n_images} images", labels.len());
        Self { labels, n_images }
    }

    /// All labels, `[n_clusterings, n_images]`.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Number of clusterings, `H`.
    pub fn n_clusterings(&self) -> usize {
        self.labels.len() / self.n_images
    }

    /// Number of images, `N`.
    pub fn n_images(&self) -> usize {
        self.n_images
    }

    /// Whether any clustering puts both images into one cluster.
    pub fn are_close(&self, a: u32, b: u32) -> bool {
        self.labels.chunks_exact(self.n_images).any(|labels| labels[a as usize] == labels[b as usize])
    }
}

/// `B` and `C n B` of every image of a batch.
#[derive(Clone, Debug)]
pub struct NeighborSets {
    /// Background neighbours: bank rows nearest to the code, and their similarities.
    pub background: Neighbors,
    /// Which background neighbours are close ones too, `[batch, k]`.
    pub close: Vec<bool>,
}

impl NeighborSets {
    /// `close[i, t] = any_h labels[h, background[i, t]] == labels[h, images[i]]`.
    ///
    /// The image's own row is a neighbour like any other: it carries the pull between the views of one image.
    ///
    /// # Shapes
    /// - `images`: `[batch]`, image indices
    /// - `background`: `[batch, k]`
    /// # Panics
    /// When `background` has another number of rows than `images`.
    pub fn intersect(images: &[u32], background: Neighbors, clusterings: &Clusterings) -> Self {
        assert_eq!(background.len(), images.len(), "one set of neighbours per image of the batch");
        let close = images
            .iter()
            .enumerate()
            .flat_map(|(i, &image)| {
                background.indices_of(i).iter().map(move |&other| clusterings.are_close(image, other))
            })
            .collect();
        Self { background, close }
    }

    /// Number of background neighbours of each image.
    pub fn k(&self) -> usize {
        self.background.k()
    }

    /// `|C n B| / |B|` of each image of the batch.
    pub fn overlaps(&self) -> impl Iterator<Item = f32> + '_ {
        let k = self.k();
        self.close.chunks_exact(k).map(move |close| close.iter().filter(|&&c| c).count() as f32 / k as f32)
    }
}
