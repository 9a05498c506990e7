//! How well each row sits in its cluster.

use super::{check, own_distances, quantile};
use crate::error::Result;
use crate::neighbors::{Metric, nearest};
use crate::rows::RowsView;

/// Rows that a cluster needs before its own distances set the scale of its outlier scores.
const ENOUGH_ROWS: usize = 8;

/// One figure per row, in the order of the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFacts {
    /// Distance to the centroid of the row's cluster, smaller is nearer; to the nearest centroid for noise.
    pub distance: Vec<f32>,
    /// The nearest other centroid; for noise the nearest one; -1 when there is no other.
    pub second: Vec<i32>,
    /// Distance to `second` less `distance`, for noise 0: near 0 between two clusters, below 0 where another centroid is nearer.
    pub margin: Vec<f32>,
    /// How unusual the distance is in the row's cluster: `(distance - median) / (1.4826 median absolute deviation)`, over all
    /// rows for noise and clusters of fewer than 8 rows. Above 3 is worth a look.
    pub outlier: Vec<f32>,
}

/// Measures every row against the centroids.
///
/// # Shapes
/// - rows: `[n, dim]`, labels: `[n]` with noise -1, centroids: `[k, dim]`
/// # Errors
/// - labels or centroids of another shape, a label without centroid, or [`Metric::Dot`], which is no distance
pub fn describe_rows(rows: RowsView<'_>, labels: &[i32], centroids: RowsView<'_>, metric: Metric) -> Result<RowFacts> {
    check(rows, labels, centroids, metric)?;
    let k = centroids.len();
    let mut distance = own_distances(rows, labels, centroids, metric);
    let near = nearest(rows, centroids, k.min(2), metric)?;
    let to_distance = |score: f32| if metric == Metric::Cosine { (1.0 - score).max(0.0) } else { score };
    let (mut second, mut margin) = (vec![-1; rows.len()], vec![0.0; rows.len()]);
    for (row, &label) in labels.iter().enumerate() {
        let found = near.indices_of(row).iter().zip(near.scores_of(row));
        let Some((&other, &score)) = found.clone().find(|&(&cluster, _)| cluster as i32 != label) else { continue };
        second[row] = other as i32;
        if label < 0 {
            distance[row] = to_distance(score);
        } else {
            margin[row] = to_distance(score) - distance[row];
        }
    }
    let outlier = outlier_scores(&distance, labels, k);
    Ok(RowFacts { distance, second, margin, outlier })
}

fn outlier_scores(distance: &[f32], labels: &[i32], k: usize) -> Vec<f32> {
    let mut groups = vec![Vec::new(); k];
    for (&distance, &label) in distance.iter().zip(labels).filter(|&(_, &label)| label >= 0) {
        groups[label as usize].push(distance);
    }
    let everything = Scale::of(&mut distance.to_vec());
    let scales: Vec<Scale> =
        groups.iter_mut().map(|group| if group.len() < ENOUGH_ROWS { everything } else { Scale::of(group) }).collect();
    let score = |(&distance, &label): (&f32, &i32)| {
        let scale = if label < 0 { everything } else { scales[label as usize] };
        scale.score(distance)
    };
    distance.iter().zip(labels).map(score).collect()
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    median: f32,
    deviation: f32,
}

impl Scale {
    fn of(values: &mut [f32]) -> Self {
        let median = quantile(values, 0.5);
        values.iter_mut().for_each(|value| *value = (*value - median).abs());
        // The standard deviation of normal values; never so small that rounding looks unusual.
        let deviation = (1.4826 * quantile(values, 0.5)).max(1e-4 * median).max(1e-12);
        Self { median, deviation }
    }

    fn score(self, distance: f32) -> f32 {
        (distance - self.median) / self.deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Codes;

    #[test]
    fn distance_margin_and_second_are_those_of_the_centroids() {
        let rows = Codes::new(vec![1.0, 4.0, 9.0, 6.0], 1).unwrap();
        let centroids = Codes::new(vec![0.0, 10.0], 1).unwrap();
        let facts = describe_rows(rows.view(), &[0, 0, 1, -1], centroids.view(), Metric::Euclidean).unwrap();
        assert_eq!(facts.distance, [1.0, 4.0, 1.0, 4.0]);
        assert_eq!(facts.second, [1, 1, 0, 1]);
        assert_eq!(facts.margin, [8.0, 2.0, 8.0, 0.0]);
    }

    #[test]
    fn the_odd_row_has_the_largest_outlier_score() {
        let mut data: Vec<f32> = (0..40).map(|i| 1.0 + 0.01 * (i % 7) as f32).collect();
        data[17] = 3.0;
        let rows = Codes::new(data, 1).unwrap();
        let centroid = Codes::new(vec![0.0], 1).unwrap();
        let facts = describe_rows(rows.view(), &[0; 40], centroid.view(), Metric::Euclidean).unwrap();
        assert!(facts.outlier[17] > 10.0, "{}", facts.outlier[17]);
        assert!(facts.outlier.iter().enumerate().all(|(i, &score)| i == 17 || score.abs() < 3.0));
        assert_eq!(facts.second, [-1; 40]);
    }

    #[test]
    fn labels_without_a_centroid_are_refused() {
        let rows = Codes::new(vec![1.0, 2.0], 1).unwrap();
        let error = describe_rows(rows.view(), &[0, 2], rows.view(), Metric::Euclidean).unwrap_err();
        assert!(error.to_string().starts_with("label = 2"), "{error}");
        assert!(describe_rows(rows.view(), &[0, 0], rows.view(), Metric::Dot).is_err());
    }
}
