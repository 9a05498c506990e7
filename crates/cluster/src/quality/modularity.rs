//! How well a partition keeps neighbours together.

use super::contingency::dense;
use crate::error::{Error, Result};
use crate::neighbors::Neighbors;

/// Modularity of a partition on the graph of nearest neighbours: the share of neighbours that are together, less what chance
/// would give for clusters of this reach, -0.5 to 1.
///
/// `Q = sum_c e_c / m - (d_c / m)^2` with `m` links from a row to one of its neighbours, `e_c` of them within cluster `c`, and
/// `d_c` the mean of the links that start and that end there. One cluster has `Q = 0`; `c` equal clusters that keep all links
/// have `1 - 1 / c`. Coarse partitions are held down by the second term, fine ones by the first, so its maximum over
/// partitions is a count of groups (Newman and Girvan 2004). Links count once in each direction in which they are nearest,
/// which is the undirected definition with weight 2 for mutual neighbours.
///
/// # Shapes
/// - neighbors: of `n` rows among themselves, labels: `[n]`
/// # Errors
/// - labels for another number of rows, neighbours outside the rows, or no neighbours at all
pub fn modularity(neighbors: &Neighbors, labels: &[i32]) -> Result<f64> {
    let n = labels.len();
    if neighbors.len() != n {
        return Err(Error::Length { what: "labels", found: n, expected: neighbors.len() });
    }
    if neighbors.indices().is_empty() {
        return Err(Error::Empty { what: "neighbours" });
    }
    if let Some(&found) = neighbors.indices().iter().find(|&&other| other as usize >= n) {
        return Err(Error::Length { what: "rows behind the neighbours", found: found as usize + 1, expected: n });
    }
    let (ids, n_clusters) = dense(labels);
    let (mut within, mut ends) = (vec![0_u64; n_clusters], vec![0_u64; n_clusters]);
    for (row, &cluster) in ids.iter().enumerate() {
        for &other in neighbors.indices_of(row) {
            let its = ids[other as usize];
            within[cluster] += u64::from(its == cluster);
            ends[cluster] += 1;
            ends[its] += 1;
        }
    }
    let n_links = neighbors.indices().len() as f64;
    let of = |(&within, &ends): (&u64, &u64)| within as f64 / n_links - (ends as f64 / (2.0 * n_links)).powi(2);
    Ok(within.iter().zip(&ends).map(of).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::{Metric, nearest_others};
    use crate::rows::Codes;

    /// `k` tight groups of five, far from one another.
    fn groups(k: usize) -> (Neighbors, Vec<i32>) {
        let place = |row: usize| [(row / 5) as f32 * 100.0, (row % 5) as f32];
        let rows = Codes::new((0..k * 5).flat_map(place).collect(), 2).unwrap();
        (nearest_others(rows.view(), 3, Metric::Euclidean).unwrap(), (0..k * 5).map(|row| (row / 5) as i32).collect())
    }

    #[test]
    fn closed_forms() {
        let (near, labels) = groups(4);
        assert!((modularity(&near, &labels).unwrap() - 0.75).abs() <= 1e-12);
        assert!(modularity(&near, &[7; 20]).unwrap().abs() <= 1e-12);
        // Two and two of the groups together.
        let halves: Vec<i32> = labels.iter().map(|l| l / 2).collect();
        assert!((modularity(&near, &halves).unwrap() - 0.5).abs() <= 1e-12);
        // Every row alone keeps no link.
        assert!(modularity(&near, &(0..20).collect::<Vec<_>>()).unwrap() < 0.0);
    }

    #[test]
    fn names_of_clusters_do_not_matter_and_wrong_lengths_are_refused() {
        let (near, labels) = groups(3);
        let renamed: Vec<i32> = labels.iter().map(|l| [40, -1, 7][*l as usize]).collect();
        let (a, b) = (modularity(&near, &labels).unwrap(), modularity(&near, &renamed).unwrap());
        assert!((a - b).abs() <= 1e-12);
        assert!(modularity(&near, &labels[1..]).is_err());
    }
}
