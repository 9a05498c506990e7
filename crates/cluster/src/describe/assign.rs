//! New rows against a finished clustering.

use super::{check, own_distances, quantile};
use crate::error::{Result, check_setting};
use crate::neighbors::{Metric, nearest};
use crate::rows::{Codes, RowsView};

/// Rows of average spread that a cluster's own spread is mixed with: a cluster of one or two rows has no spread to speak of.
const PRIOR_ROWS: f64 = 5.0;

/// Where new rows belong: the centroids of a run and how far from each its own rows lay.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigner {
    centroids: Codes,
    /// Distance beyond which a row does not belong to the cluster, `[k]`.
    limits: Vec<f32>,
    metric: Metric,
}

/// Where one new row belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assigned {
    /// The nearest cluster.
    pub nearest: u32,
    /// Whether the row lies farther from it than the run's own distances justify.
    pub unknown: bool,
    /// Distance to its centroid.
    pub distance: f32,
    /// Distance to the second nearest centroid less `distance`; infinite with one cluster.
    pub margin: f32,
}

impl Assigner {
    /// Learns the limits of each cluster from the run's own rows: `keep` of them (0.995 is a good choice) lie inside.
    ///
    /// `limit_c = q s_c` with `s_c` the mean distance in cluster `c`, drawn towards the mean of all as if by five more rows,
    /// and `q` the `keep` quantile of `distance / s` over all rows: small clusters borrow the shape of all.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, labels: `[n]` with noise -1, centroids: `[k, dim]`
    /// # Errors
    /// - as [`describe_rows`](crate::describe_rows), no centroids, or `keep` outside `(0, 1]`
    pub fn new(rows: RowsView<'_>, labels: &[i32], centroids: Codes, metric: Metric, keep: f64) -> Result<Self> {
        check(rows, labels, centroids.view(), metric)?;
        centroids.view().require_rows("centroids")?;
        check_setting(keep > 0.0 && keep <= 1.0, "keep", keep, "above 0, at most 1")?;
        let distances = own_distances(rows, labels, centroids.view(), metric);
        let known = || labels.iter().zip(&distances).filter(|&(&label, _)| label >= 0);
        let (mut sums, mut sizes) = (vec![0.0_f64; centroids.len()], vec![0.0_f64; centroids.len()]);
        for (&label, &distance) in known() {
            sums[label as usize] += f64::from(distance);
            sizes[label as usize] += 1.0;
        }
        let mean = sums.iter().sum::<f64>() / sizes.iter().sum::<f64>().max(1.0);
        let spreads: Vec<f32> = sums
            .iter()
            .zip(&sizes)
            .map(|(sum, size)| ((sum + PRIOR_ROWS * mean) / (size + PRIOR_ROWS)) as f32)
            .collect();
        let ratio = |(&label, &distance): (&i32, &f32)| distance / spreads[label as usize].max(f32::MIN_POSITIVE);
        let factor = quantile(&mut known().map(ratio).collect::<Vec<_>>(), keep);
        // A folder of identical images has no spread; its copies must still be known despite rounding.
        let limits = spreads.iter().map(|&spread| (factor * spread).max(1e-6)).collect();
        Ok(Self { centroids, limits, metric })
    }

    /// Distance beyond which a row does not belong to each cluster, `[k]`.
    #[must_use]
    pub fn limits(&self) -> &[f32] {
        &self.limits
    }

    /// The centroids, `[k, dim]`.
    #[must_use]
    pub fn centroids(&self) -> &Codes {
        &self.centroids
    }

    /// Finds the cluster of every new row. The result for a row does not depend on the others.
    ///
    /// # Errors
    /// - rows of another width than the centroids
    pub fn assign(&self, rows: RowsView<'_>) -> Result<Vec<Assigned>> {
        let k = self.centroids.len().min(2);
        let near = nearest(rows, self.centroids.view(), k, self.metric)?;
        let to_distance = |score: f32| if self.metric == Metric::Cosine { (1.0 - score).max(0.0) } else { score };
        let one = |row: usize| {
            let (cluster, distance) = (near.indices_of(row)[0], to_distance(near.scores_of(row)[0]));
            let margin = near.scores_of(row).get(1).map_or(f32::INFINITY, |&second| to_distance(second) - distance);
            Assigned { nearest: cluster, unknown: distance > self.limits[cluster as usize], distance, margin }
        };
        Ok((0..rows.len()).map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn two_groups() -> (Codes, Vec<i32>, Codes) {
        let mut rng = Rng::seed_from_u64(1);
        let data = (0..400 * 3).map(|i| (rng.normal() + if i >= 600 { 20.0 } else { 0.0 }) as f32).collect();
        let labels: Vec<i32> = (0..400).map(|i| i32::from(i >= 200)).collect();
        let rows = Codes::new(data, 3).unwrap();
        let centroids = crate::centroids_of(rows.view(), &labels, 2, Metric::Euclidean).unwrap();
        (rows, labels, centroids)
    }

    #[test]
    fn own_rows_are_known_and_far_ones_are_not() {
        let (rows, labels, centroids) = two_groups();
        let assigner = Assigner::new(rows.view(), &labels, centroids, Metric::Euclidean, 0.995).unwrap();
        let own = assigner.assign(rows.view()).unwrap();
        assert!(own.iter().zip(&labels).all(|(found, &label)| found.nearest as i32 == label));
        assert!(own.iter().filter(|found| found.unknown).count() <= 4);
        let new = Codes::new(vec![0.1, 0.2, 0.3, 10.0, 10.0, 10.0, 20.0, 20.0, 21.0], 3).unwrap();
        let found = assigner.assign(new.view()).unwrap();
        assert_eq!(found.iter().map(|f| f.unknown).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!((found[0].nearest, found[2].nearest), (0, 1));
    }

    #[test]
    fn a_row_is_assigned_alike_alone_and_in_company() {
        let (rows, labels, centroids) = two_groups();
        let assigner = Assigner::new(rows.view(), &labels, centroids, Metric::Cosine, 0.99).unwrap();
        let together = assigner.assign(rows.view()).unwrap();
        for row in (0..400).step_by(37) {
            assert_eq!(assigner.assign(rows.view().gather(&[row]).view()).unwrap()[0], together[row as usize]);
        }
    }

    #[test]
    fn copies_of_identical_rows_are_known() {
        let rows = Codes::new([0.3_f32, 0.7].repeat(5), 2).unwrap();
        let centroids = crate::centroids_of(rows.view(), &[0; 5], 1, Metric::Euclidean).unwrap();
        let assigner = Assigner::new(rows.view(), &[0; 5], centroids, Metric::Euclidean, 0.99).unwrap();
        assert!(assigner.assign(rows.view()).unwrap().iter().all(|found| !found.unknown && found.margin.is_infinite()));
    }
}
