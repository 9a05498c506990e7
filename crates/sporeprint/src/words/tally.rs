//! What a classifier says of each cluster, from one image at a time.

use super::Vocabulary;

/// Means over the images of each cluster, by word: 19 kB a cluster for ImageNet's words, whatever the number of images.
///
/// The probability of a general word is the sum over its classes. Beside the means of probabilities stand those of their square
/// roots: of a word at 0.04 in every image of a cluster and 0.0 elsewhere more is seen in the roots (0.2) than of one that is
/// at 0.4 in a tenth of them. Rows are added in the order in which they are given, in `f64`: the same order, the same bytes.
#[derive(Clone, Debug)]
pub struct Tally<'a> {
    vocabulary: &'a Vocabulary,
    /// `[n_clusters, words]`.
    sums: Vec<f64>,
    /// `[n_clusters, words]`.
    root_sums: Vec<f64>,
    counts: Vec<usize>,
}

/// Means of one cluster, one number for each word.
pub(super) struct Means {
    /// Of the probabilities.
    pub(super) mass: Vec<f64>,
    /// Of their square roots.
    pub(super) root: Vec<f64>,
}

impl<'a> Tally<'a> {
    /// Clusters without images.
    #[must_use]
    pub fn new(n_clusters: usize, vocabulary: &'a Vocabulary) -> Self {
        let n = n_clusters * vocabulary.len();
        Self { vocabulary, sums: vec![0.0; n], root_sums: vec![0.0; n], counts: vec![0; n_clusters] }
    }

    /// Adds one image's probabilities to its cluster; noise (a negative label) counts nowhere.
    ///
    /// # Shapes
    /// - probabilities: `[n_classes]`, from 0 to 1
    /// # Panics
    /// - if the row has another length or a number out of range, or the cluster is not there
    pub fn add(&mut self, cluster: i32, probabilities: &[f32]) {
        assert_eq!(probabilities.len(), self.vocabulary.n_classes(), "one probability for each class");
        let Ok(cluster) = usize::try_from(cluster) else { return };
        assert!(cluster < self.counts.len(), "cluster {cluster} of {}", self.counts.len());
        let fits = |p: &f32| (0.0..=1.0 + 1e-4).contains(p);
        assert!(probabilities.iter().all(fits), "a probability beyond 0 to 1");
        let totals = self.vocabulary.totals(probabilities);
        let row = cluster * totals.len()..(cluster + 1) * totals.len();
        for ((sum, root_sum), p) in self.sums[row.clone()].iter_mut().zip(&mut self.root_sums[row]).zip(totals) {
            *sum += p;
            *root_sum += p.sqrt();
        }
        self.counts[cluster] += 1;
    }

    pub(super) fn vocabulary(&self) -> &'a Vocabulary {
        self.vocabulary
    }

    /// By cluster; nothing for one without images.
    pub(super) fn means(&self) -> Vec<Option<Means>> {
        let n = self.vocabulary.len();
        let of = |sums: &[f64], cluster: usize| -> Vec<f64> {
            sums[cluster * n..][..n].iter().map(|sum| sum / self.counts[cluster] as f64).collect()
        };
        let means = |cluster| Means { mass: of(&self.sums, cluster), root: of(&self.root_sums, cluster) };
        (0..self.counts.len()).map(|cluster| (self.counts[cluster] > 0).then(|| means(cluster))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_a_clusters_images_without_the_noise() {
        let words = Vocabulary::parse("pug\tdog\nrobin\nbeagle\tdog\n").expect("words");
        let mut tally = Tally::new(3, &words);
        for (cluster, row) in
            [(0, [1.0, 0.0, 0.0]), (-1, [0.0, 1.0, 0.0]), (0, [0.25, 0.5, 0.25]), (2, [0.0, 1.0, 0.0])]
        {
            tally.add(cluster, &row);
        }
        let means = tally.means();
        let first = means[0].as_ref().expect("images");
        // pug, robin, beagle, dog
        assert_eq!(first.mass, [0.625, 0.25, 0.125, 0.75]);
        let expected = [0.75, 0.5f64.sqrt() / 2.0, 0.25, (1.0 + 0.5f64.sqrt()) / 2.0];
        assert!(first.root.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= 1e-12));
        assert!(means[1].is_none());
        assert_eq!(means[2].as_ref().expect("images").mass, [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "beyond 0 to 1")]
    fn numbers_that_are_none_do_not_reach_a_mean() {
        let words = Vocabulary::parse("pug\nrobin\n").expect("words");
        Tally::new(1, &words).add(0, &[f32::NAN, 0.0]);
    }
}
