//! Where close neighbours are looked for: the bank, or UMAP of it.

use sporeprint_cluster::{Codes, Error, Metric, RowsView, Silent, Umap};

use crate::config::{AggregateConfig, CloseIn};

/// Columns of UMAP.
const COMPONENTS: usize = 10;
/// Neighbours in UMAP's graph.
const NEIGHBORS: usize = 15;
/// Images above which UMAP at every refresh would take longer than the training between two.
const MOST_IMAGES: usize = 20_000;

/// The rows that are clustered for close neighbours, where they are not the bank's own.
#[derive(Debug)]
pub(super) struct CloseSpace(Option<Codes>);

impl CloseSpace {
    /// These rows, or the bank's.
    pub(super) fn rows<'a>(&'a self, bank: RowsView<'a>) -> RowsView<'a> {
        self.0.as_ref().map_or(bank, Codes::view)
    }
}

/// The space of one refresh. UMAP is drawn anew by the step, so that what one drawing puts together by chance does not stay
/// together.
///
/// # Errors
/// - fewer than two rows
pub(super) fn close_space(
    bank: RowsView<'_>,
    config: &AggregateConfig,
    seed: u64,
    step: u64,
) -> Result<CloseSpace, Error> {
    if config.close_in == CloseIn::Bank || bank.len() > MOST_IMAGES {
        return Ok(CloseSpace(None));
    }
    let umap = Umap {
        n_components: COMPONENTS.min(bank.len()),
        n_neighbors: NEIGHBORS,
        min_dist: 0.0,
        metric: Metric::Cosine,
        seed: sporeprint_cluster::Rng::for_stage(seed, "close neighbours", step).next_u64(),
        ..Umap::default()
    };
    Ok(CloseSpace(Some(umap.fit(bank, &Silent)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::Clusterings;
    use crate::rows::normalize;
    use crate::train::aggregate::clusterings;
    use sporeprint_cluster::Rng;

    /// Share of the pairs that a clustering puts together which are of one group.
    fn right(clusterings: &Clusterings, n: usize, groups: usize) -> f64 {
        let (mut together, mut right) = (0, 0);
        for a in 0..n as u32 {
            for b in 0..a {
                let c = clusterings.n_together(a, b);
                together += c;
                right += if a as usize % groups == b as usize % groups { c } else { 0 };
            }
        }
        right as f64 / together as f64
    }

    #[test]
    fn umap_finds_righter_neighbours_between_groups_that_touch() {
        let (n, groups, dim) = (400, 8, 24);
        let mut rng = Rng::new(3);
        let centres: Vec<f64> = (0..groups * dim).map(|_| rng.normal()).collect();
        let mut rows: Vec<f32> =
            (0..n * dim).map(|at| (centres[at / dim % groups * dim + at % dim] + 0.9 * rng.normal()) as f32).collect();
        rows.chunks_exact_mut(dim).for_each(|row| {
            normalize(row);
        });
        let bank = RowsView::new(&rows, dim).expect("finite");
        let share = |close_in| {
            let config = AggregateConfig { close_in, ..AggregateConfig::default() };
            let space = close_space(bank, &config, 1, 0).expect("rows");
            right(&clusterings(space.rows(bank), &config, n / 8, 1, 0).expect("clusters"), n, groups)
        };
        let (plain, umap) = (share(CloseIn::Bank), share(CloseIn::Umap));
        assert!(umap > plain, "bank {plain:.3}, UMAP {umap:.3}");
    }
}
