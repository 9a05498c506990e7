//! Control figures of Local Aggregation and the troubles they show, in words.
//!
//! METHOD: a set of close neighbours that contains the background neighbours has loss and gradient zero, and huge
//! clusters absorb everything; one that holds the image alone is pure repulsion, and singletons persist. Between the
//! two lies the overlap `|C n B| / |B|`, which is therefore the first figure to watch.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bank::MemoryBank;
use crate::neighbors::{Clusterings, NeighborSets};

/// Sums over the batches of one epoch; part of a checkpoint, so that a resumed epoch reports the same figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ControlSums {
    images: u64,
    overlap: f64,
    empty: u64,
    only_self: u64,
    everything: u64,
    movement: f64,
}

impl ControlSums {
    /// Takes the neighbours of one batch and how far its bank rows moved (mean distance).
    pub fn add(&mut self, images: &[u32], sets: &NeighborSets, movement: f32) {
        let k = sets.k();
        for ((overlap, &image), i) in sets.overlaps().zip(images).zip(0..) {
            let close = &sets.close[i * k..][..k];
            let others = sets.background.indices_of(i).iter().zip(close).any(|(&other, &c)| c && other != image);
            self.images += 1;
            self.overlap += f64::from(overlap);
            self.empty += u64::from(overlap == 0.0);
            self.only_self += u64::from(overlap > 0.0 && !others);
            self.everything += u64::from(overlap == 1.0);
        }
        self.movement += f64::from(movement) * images.len() as f64;
    }
}

/// The control figures of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Controls {
    /// Mean of `|C n B| / |B|`.
    pub overlap: f64,
    /// Share of images without any close neighbour among the background ones: gradient zero.
    pub share_empty: f64,
    /// Share of images whose only close background neighbour is their own row: pure repulsion.
    pub share_only_self: f64,
    /// Share of images whose background neighbours are all close: loss and gradient zero.
    pub share_everything: f64,
    /// Share of images with gradient zero, for either reason.
    pub share_zero_gradient: f64,
    /// Share of images that are alone in their cluster, mean over the clusterings.
    pub share_singletons: f64,
    /// Size of the largest cluster over the number of images, mean over the clusterings.
    pub largest_cluster: f64,
    /// Number of clusters in use, mean over the clusterings.
    pub n_clusters: f64,
    /// Mean distance that a bank row moved when its image was visited.
    pub bank_movement: f64,
    /// Length of the mean bank row: 0 for rows all around the sphere, 1 for rows all alike.
    pub bank_mean_length: f64,
}

impl Controls {
    /// Figures of an epoch from its sums, the clusterings in force and the bank at its end.
    pub fn new(sums: &ControlSums, clusterings: &Clusterings, bank: &MemoryBank) -> Self {
        let images = sums.images.max(1) as f64;
        let n_images = clusterings.n_images();
        let h = clusterings.n_clusterings().max(1) as f64;
        let (mut singletons, mut largest, mut used) = (0.0, 0.0, 0.0);
        for labels in clusterings.labels().chunks_exact(n_images) {
            let mut sizes = vec![0usize; labels.iter().max().map_or(0, |&m| m as usize + 1)];
            labels.iter().for_each(|&l| sizes[l as usize] += 1);
            singletons += sizes.iter().filter(|&&s| s == 1).count() as f64;
            largest += sizes.iter().copied().max().unwrap_or(0) as f64;
            used += sizes.iter().filter(|&&s| s > 0).count() as f64;
        }
        let mut mean = vec![0.0f64; bank.dim()];
        for row in bank.rows().chunks_exact(bank.dim()) {
            mean.iter_mut().zip(row).for_each(|(m, &u)| *m += f64::from(u) / bank.n_images() as f64);
        }
        Self {
            overlap: sums.overlap / images,
            share_empty: sums.empty as f64 / images,
            share_only_self: sums.only_self as f64 / images,
            share_everything: sums.everything as f64 / images,
            share_zero_gradient: (sums.empty + sums.everything) as f64 / images,
            share_singletons: singletons / h / n_images as f64,
            largest_cluster: largest / h / n_images as f64,
            n_clusters: used / h,
            bank_movement: sums.movement / images,
            bank_mean_length: mean.iter().map(|m| m * m).sum::<f64>().sqrt(),
        }
    }

    /// Each figure under its name in the metrics log.
    pub fn figures(&self) -> [(&'static str, f64); 10] {
        [
            ("overlap", self.overlap),
            ("share_empty", self.share_empty),
            ("share_only_self", self.share_only_self),
            ("share_everything", self.share_everything),
            ("share_zero_gradient", self.share_zero_gradient),
            ("share_singletons", self.share_singletons),
            ("largest_cluster", self.largest_cluster),
            ("n_clusters", self.n_clusters),
            ("bank_movement", self.bank_movement),
            ("bank_mean_length", self.bank_mean_length),
        ]
    }

    /// Every trouble that these figures show.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let mut when = |condition: bool, trouble| {
            if condition {
                troubles.push(trouble);
            }
        };
        when(self.overlap > 0.5, Trouble::OverlapHigh);
        when(self.share_only_self > 0.5, Trouble::OnlyRepulsion);
        when(self.share_empty > 0.1, Trouble::NoCloseNeighbours);
        when(self.share_everything > 0.25, Trouble::NothingToLearn);
        when(self.share_singletons > 0.05, Trouble::ManySingletons);
        when(self.largest_cluster > 0.4, Trouble::HugeCluster);
        when(self.bank_movement < 1e-4, Trouble::BankStandsStill);
        when(self.bank_mean_length > 0.95, Trouble::CodesAllAlike);
        troubles
    }
}

/// A known way for Local Aggregation to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// More than half of the background neighbours are close ones.
    OverlapHigh,
    /// For most images no other image is close.
    OnlyRepulsion,
    /// Images whose own row is not among their background neighbours and neither is any close one.
    NoCloseNeighbours,
    /// Images whose background neighbours are all close.
    NothingToLearn,
    /// Images alone in their cluster.
    ManySingletons,
    /// One cluster holds much of the folder.
    HugeCluster,
    /// The bank does not move.
    BankStandsStill,
    /// All codes point the same way.
    CodesAllAlike,
}

/// A trouble in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is wrong, with the figure that shows it.
    pub finding: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.finding, self.remedy)
    }
}

impl Trouble {
    /// What is wrong and what to do about it, with the figure that shows it.
    pub fn explain(self, controls: &Controls) -> Explanation {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let (finding, remedy) = match self {
            Self::OverlapHigh => (
                format!(
                    "{} of the background neighbours are close ones, so little is pushed apart and large clusters absorb \
                     the rest",
                    percent(controls.overlap)
                ),
                "raise `aggregate.centroids`, lower `aggregate.clusterings` or raise `aggregate.background_neighbors`",
            ),
            Self::OnlyRepulsion => (
                format!(
                    "{} of the images have no close neighbour but themselves and are only pushed away",
                    percent(controls.share_only_self)
                ),
                "lower `aggregate.centroids`, raise `aggregate.clusterings` or `aggregate.background_neighbors`",
            ),
            Self::NoCloseNeighbours => (
                format!(
                    "{} of the images have no close neighbour at all among their background ones and learn nothing, their \
                     codes left the bank behind",
                    percent(controls.share_empty)
                ),
                "lower `aggregate.sgd.learning_rate` or raise `aggregate.background_neighbors`",
            ),
            Self::NothingToLearn => (
                format!(
                    "for {} of the images all background neighbours are close ones: loss and gradient are zero",
                    percent(controls.share_everything)
                ),
                "raise `aggregate.centroids` or `aggregate.background_neighbors`",
            ),
            Self::ManySingletons => (
                format!("{} of the images are alone in their cluster", percent(controls.share_singletons)),
                "lower `aggregate.centroids` or train the instance stage first (`aggregate.objective = instance`)",
            ),
            Self::HugeCluster => (
                format!("the largest cluster holds {} of the images", percent(controls.largest_cluster)),
                "raise `aggregate.centroids`, lower `aggregate.sgd.learning_rate` or start from better codes (`weights`)",
            ),
            Self::BankStandsStill => (
                format!(
                    "memory bank rows move by {:.1e} per visit: training has ended in fact",
                    controls.bank_movement
                ),
                "raise `aggregate.sgd.learning_rate`, or stop",
            ),
            Self::CodesAllAlike => (
                format!(
                    "the mean of all codes has length {:.2}: they all point the same way and neighbours mean little",
                    controls.bank_mean_length
                ),
                "use a projection head (`encoder.head_dim = 128`) or lower `aggregate.sgd.learning_rate`",
            ),
        };
        Explanation { finding, remedy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_cluster::{Metric, RowsView, nearest};

    /// Eight rows on a circle in two tight groups of four.
    fn two_groups() -> MemoryBank {
        let angles = [0.0f32, 0.1, 0.2, 0.3, 3.1, 3.2, 3.3, 3.4];
        MemoryBank::from_rows(angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect(), 2)
    }

    fn view(rows: &[f32]) -> RowsView<'_> {
        RowsView::new(rows, 2).expect("finite rows")
    }

    fn controls(bank: &MemoryBank, labels: Vec<u32>, k: usize, movement: f32) -> Controls {
        let n = bank.n_images();
        let clusterings = Clusterings::new(labels, n);
        let images: Vec<u32> = (0..n as u32).collect();
        let background = nearest(view(bank.rows()), view(bank.rows()), k, Metric::Dot).expect("k in range");
        let mut sums = ControlSums::default();
        sums.add(&images, &NeighborSets::intersect(&images, background, &clusterings), movement);
        Controls::new(&sums, &clusterings, bank)
    }

    fn check(controls: &Controls, trouble: Trouble, word: &str) {
        assert!(controls.troubles().contains(&trouble), "{trouble:?} not seen in {controls:?}");
        let Explanation { finding, remedy } = trouble.explain(controls);
        assert!(finding.contains(word) && remedy.contains('`'), "no {word:?} or no remedy in {finding:?}, {remedy:?}");
    }

    #[test]
    fn a_fitting_partition_gives_no_warning() {
        let bank = two_groups();
        let found = controls(&bank, vec![0, 0, 1, 1, 2, 2, 3, 3], 6, 0.1);
        assert_eq!(found.troubles(), [], "{found:?}");
    }

    #[test]
    fn one_cluster_for_all_is_named_in_three_ways() {
        let found = controls(&two_groups(), vec![0; 8], 4, 0.1);
        check(&found, Trouble::OverlapHigh, "100 %");
        check(&found, Trouble::NothingToLearn, "zero");
        check(&found, Trouble::HugeCluster, "100 %");
    }

    #[test]
    fn singletons_are_pure_repulsion() {
        let found = controls(&two_groups(), (0..8).collect(), 4, 0.1);
        check(&found, Trouble::ManySingletons, "alone");
        check(&found, Trouble::OnlyRepulsion, "pushed away");
    }

    #[test]
    fn an_image_far_from_its_own_row_has_no_close_neighbour() {
        let bank = two_groups();
        let clusterings = Clusterings::new(vec![0, 0, 0, 0, 1, 1, 1, 1], 8);
        // The code of image 0 lies in the other group.
        let background = nearest(view(bank.row(5)), view(bank.rows()), 4, Metric::Dot).expect("k in range");
        let mut sums = ControlSums::default();
        sums.add(&[0], &NeighborSets::intersect(&[0], background, &clusterings), 0.1);
        check(&Controls::new(&sums, &clusterings, &bank), Trouble::NoCloseNeighbours, "100 %");
    }

    #[test]
    fn a_bank_at_rest_is_named() {
        check(&controls(&two_groups(), vec![0, 0, 1, 1, 2, 2, 3, 3], 6, 0.0), Trouble::BankStandsStill, "ended");
    }

    #[test]
    fn codes_in_one_direction_are_named() {
        let rows = (0..8).flat_map(|i| [1.0, 0.01 * i as f32]).collect();
        let bank = MemoryBank::primed(rows, 2);
        check(&controls(&bank, vec![0, 0, 1, 1, 2, 2, 3, 3], 6, 0.1), Trouble::CodesAllAlike, "same way");
    }
}
