//! New rows against the centroids of a finished clustering.

use crate::error::{Result, check_setting};
use crate::neighbors::{Metric, nearest};
use crate::rows::{Codes, RowsView};

/// Where new rows belong: the nearest centroid. Whether they belong anywhere, [`NoveltyDetector`](crate::NoveltyDetector) tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigner {
    centroids: Codes,
    metric: Metric,
}

/// Where one new row belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assigned {
    /// The nearest cluster.
    pub nearest: u32,
    /// Distance to its centroid.
    pub distance: f32,
    /// Distance to the second nearest centroid less `distance`; infinite with one cluster.
    pub margin: f32,
}

impl Assigner {
    /// Takes the centroids of a clustering.
    ///
    /// # Shapes
    /// - centroids: `[k, dim]`
    /// # Errors
    /// - no centroids, or [`Metric::Dot`], which is no distance
    pub fn new(centroids: Codes, metric: Metric) -> Result<Self> {
        centroids.view().require_rows("centroids")?;
        check_setting(metric != Metric::Dot, "metric", "dot", "euclidean or cosine")?;
        Ok(Self { centroids, metric })
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
            Assigned { nearest: cluster, distance, margin }
        };
        Ok((0..rows.len()).map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn distance_and_margin_are_those_of_the_two_nearest_centroids() {
        let assigner = Assigner::new(Codes::new(vec![0.0, 10.0, 50.0], 1).unwrap(), Metric::Euclidean).unwrap();
        let found = assigner.assign(RowsView::new(&[1.0, 7.0, 40.0], 1).unwrap()).unwrap();
        let expected = [(0, 1.0, 8.0), (1, 3.0, 4.0), (2, 10.0, 20.0)];
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!((found.nearest, found.distance, found.margin), expected);
        }
        let one = Assigner::new(Codes::new(vec![3.0], 1).unwrap(), Metric::Euclidean).unwrap();
        assert!(one.assign(RowsView::new(&[1.0], 1).unwrap()).unwrap()[0].margin.is_infinite());
        assert!(Assigner::new(Codes::new(vec![3.0], 1).unwrap(), Metric::Dot).is_err());
        assert!(Assigner::new(Codes::new(vec![], 1).unwrap(), Metric::Cosine).is_err());
    }

    #[test]
    fn a_row_is_assigned_alike_alone_and_in_company() {
        let mut rng = Rng::seed_from_u64(1);
        let rows = Codes::new((0..400 * 3).map(|_| rng.normal() as f32).collect(), 3).unwrap();
        let assigner = Assigner::new(rows.view().gather(&[3, 5, 8]), Metric::Cosine).unwrap();
        let together = assigner.assign(rows.view()).unwrap();
        for row in (0..400).step_by(37) {
            assert_eq!(assigner.assign(rows.view().gather(&[row]).view()).unwrap()[0], together[row as usize]);
        }
    }
}
