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

    /// How many clusterings put both images into one cluster.
    pub fn n_together(&self, a: u32, b: u32) -> usize {
        self.labels.chunks_exact(self.n_images).filter(|labels| labels[a as usize] == labels[b as usize]).count()
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

    /// The same sets with bounds on the close neighbours: of more than `largest_share` of the background only the most
    /// similar stay (the cap, which keeps a huge cluster from absorbing everything), and images with fewer than `fewest`
    /// others get their most similar background neighbours (the back-fill, without which a singleton is only pushed away).
    ///
    /// The image's own row is not counted and never taken away.
    ///
    /// # Panics
    /// When there is not one image per set.
    #[must_use]
    pub fn bounded(mut self, images: &[u32], fewest: usize, largest_share: f32) -> Self {
        assert_eq!(images.len(), self.background.len(), "one image per set of neighbours");
        let k = self.k();
        let most = ((largest_share * k as f32) as usize).max(fewest);
        for (i, (close, &image)) in self.close.chunks_exact_mut(k).zip(images).enumerate() {
            let background = self.background.indices_of(i);
            let mut others = 0;
            for (close, &other) in close.iter_mut().zip(background) {
                if *close && other != image {
                    others += 1;
                    *close = others <= most;
                }
            }
            for (close, &other) in close.iter_mut().zip(background) {
                if others < fewest && !*close && other != image {
                    others += 1;
                    *close = true;
                }
            }
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_cluster::{Metric, RowsView, nearest};

    /// Rows on a quarter circle, nearest first for image 0 in the order of their numbers.
    fn sets(labels: Vec<u32>) -> NeighborSets {
        let rows: Vec<f32> = (0..6).flat_map(|i| [(0.2 * i as f32).cos(), (0.2 * i as f32).sin()]).collect();
        let rows = RowsView::new(&rows, 2).expect("finite rows");
        let background = nearest(rows.gather(&[0]).view(), rows, 5, Metric::Dot).expect("k in range");
        NeighborSets::intersect(&[0], background, &Clusterings::new(labels, 6))
    }

    #[test]
    fn a_huge_cluster_is_capped_to_its_nearest_members() {
        let capped = sets(vec![0; 6]).bounded(&[0], 1, 0.4);
        assert_eq!(capped.close, [true, true, true, false, false]);
    }

    #[test]
    fn a_singleton_gets_its_nearest_neighbours() {
        let filled = sets(vec![0, 1, 1, 1, 1, 1]).bounded(&[0], 2, 0.5);
        assert_eq!(filled.close, [true, true, true, false, false]);
    }

    #[test]
    fn sets_within_the_bounds_stay_as_they_are() {
        let before = sets(vec![0, 1, 0, 0, 1, 1]);
        assert_eq!(before.clone().bounded(&[0], 1, 0.5).close, before.close);
        assert_eq!(before.clone().bounded(&[0], 0, 1.0).close, [true, false, true, true, false]);
    }
}
