//! Weighted votes of the nearest neighbours: how instance-discrimination papers measure codes.

use super::knn::share_right;
use crate::error::{Result, check_setting};
use crate::neighbors::Neighbors;

/// Fraction of rows whose class has the largest sum of `exp(s / temperature)` over their neighbours, `s` the cosine; equal sums
/// go to the smaller class.
///
/// With [`nearest_others`](crate::nearest_others) this is leave-one-out; the papers take 200 neighbours and 0.07.
///
/// # Shapes
/// - neighbours: found by [`Metric::Cosine`](crate::Metric::Cosine)
/// - classes of queries: `[n]`, of the bank: `[m]`
/// # Errors
/// - no queries, another number of classes than queries, a neighbour without a class, or a temperature that is not positive
/// # Reference
/// Wu et al. 2018, arXiv:1805.01978, section 3.4; Zhuang et al. 2019, arXiv:1903.12355, table 2.
pub fn weighted_knn_accuracy(
    neighbors: &Neighbors,
    classes: &[i32],
    bank_classes: &[i32],
    temperature: f32,
) -> Result<f64> {
    check_setting(temperature.is_finite() && temperature > 0.0, "temperature", temperature, "a positive number")?;
    let vote = |query: usize| {
        let found = neighbors.indices_of(query).iter().zip(neighbors.scores_of(query));
        let mut votes: Vec<(i32, f64)> = found
            .map(|(&i, &s)| (bank_classes[i as usize], (f64::from(s - 1.0) / f64::from(temperature)).exp()))
            .collect();
        // Stable, so that the votes of a class are added in the order of their neighbours.
        votes.sort_by_key(|(class, _)| *class);
        let sums = votes.chunk_by(|a, b| a.0 == b.0).map(|votes| (votes[0].0, votes.iter().map(|v| v.1).sum::<f64>()));
        sums.fold((i32::MAX, f64::NEG_INFINITY), |best, sum| if sum.1 > best.1 { sum } else { best }).0
    };
    share_right(neighbors, classes, bank_classes, vote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, RowsView, nearest_others};

    #[test]
    fn one_near_neighbour_outweighs_many_far_ones() {
        // Angles: the query at 0, one of its class at 0.1, three of another around 1.
        let angles = [0.0_f32, 0.1, 1.0, 1.01, 1.02];
        let codes: Vec<f32> = angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect();
        let classes = [7, 7, 3, 3, 3];
        let found = nearest_others(RowsView::new(&codes, 2).unwrap(), 4, Metric::Cosine).unwrap();
        let accuracy = |t| weighted_knn_accuracy(&found, &classes, &classes, t).unwrap();
        assert!((accuracy(0.07) - 1.0).abs() <= 1e-12);
        // Without weights the three win.
        assert!((accuracy(1e6) - 0.6).abs() <= 1e-12);
    }

    #[test]
    fn a_temperature_of_zero_is_refused() {
        let found = nearest_others(RowsView::new(&[1.0, 0.0, 0.0, 1.0], 2).unwrap(), 1, Metric::Cosine).unwrap();
        assert!(weighted_knn_accuracy(&found, &[0, 1], &[0, 1], 0.0).is_err());
    }
}
