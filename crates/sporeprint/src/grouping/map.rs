//! Places in the plane: near for images with near codes.

use sporeprint_cluster::{Neighbors, RowsView, Umap, nearest};

use super::neighbors::MAPPED;
use super::{Grouper, GroupingError, Prepared};
use crate::progress::{Observer, steps};

/// Images up to which all are drawn into the map by UMAP, and how many of more are: its rounds are serial.
const MAX_DRAWN: usize = 100_000;
const SAMPLE_DRAWN: usize = 20_000;
/// Images below which there is no map.
const FEWEST: usize = 3;

impl Grouper<'_> {
    /// Two numbers per image, `[n, 2]`; nothing for fewer than three.
    ///
    /// # Errors
    /// When the person asks to stop.
    pub fn map(&self, prepared: &Prepared, neighbors: &Neighbors) -> Result<Option<Vec<f32>>, GroupingError> {
        let rows = prepared.view()?;
        if rows.len() < FEWEST {
            return Ok(None);
        }
        self.observer.begin("map", 0);
        let umap = Umap { seed: self.seed, metric: prepared.metric(), ..Umap::default() };
        let map = if rows.len() > MAX_DRAWN {
            sampled_map(&umap, rows, SAMPLE_DRAWN, self.observer)?
        } else {
            umap.fit_neighbors(rows, &[&neighbors.first(MAPPED)], &steps(self.observer))?.into_data()
        };
        self.observer.end();
        Ok(Some(map))
    }
}

/// Places on the map for rows that were not there when it was drawn: the mean of their nearest neighbours that were.
pub(crate) fn place_on_map(map: &mut Vec<f32>, n_rows: usize, neighbors: &Neighbors) {
    let n_before = map.len() / 2;
    for row in n_before..n_rows {
        let near: Vec<usize> =
            neighbors.indices_of(row).iter().map(|&other| other as usize).filter(|&other| other < n_before).collect();
        let near = if near.is_empty() { vec![0] } else { near };
        let mean = |axis: usize| {
            let nearest = near.iter().take(3);
            nearest.clone().map(|&other| map[2 * other + axis]).sum::<f32>() / nearest.len() as f32
        };
        let place = [mean(0), mean(1)];
        map.extend(place);
    }
}

/// A map of evenly spaced rows, in which every other row takes the mean place of its three nearest.
fn sampled_map(
    umap: &Umap,
    rows: RowsView<'_>,
    n_sampled: usize,
    observer: &dyn Observer,
) -> Result<Vec<f32>, GroupingError> {
    let step = rows.len().div_ceil(n_sampled);
    let sample = rows.gather(&(0..rows.len() as u32).step_by(step).collect::<Vec<_>>());
    let drawn = umap.fit(sample.view(), &steps(observer))?;
    let near = nearest(rows, sample.view(), 3.min(sample.len()), umap.metric)?;
    let place = |row: usize, axis: usize| {
        if row.is_multiple_of(step) {
            return drawn.row(row / step)[axis];
        }
        let of = near.indices_of(row);
        of.iter().map(|&other| drawn.row(other as usize)[axis]).sum::<f32>() / of.len() as f32
    };
    Ok((0..rows.len()).flat_map(|row| [place(row, 0), place(row, 1)]).collect())
}

#[cfg(test)]
mod tests {
    use sporeprint_cluster::Rng;

    use super::*;
    use crate::progress::Silent;

    #[test]
    fn rows_that_are_not_drawn_lie_among_those_of_their_group() {
        let mut rng = Rng::new(4);
        let data: Vec<f32> =
            (0..300 * 4).map(|at| if at / 4 % 3 == at % 4 { 9.0 } else { 0.0 } + rng.range(-1.0, 1.0)).collect();
        let rows = RowsView::new(&data, 4).expect("finite rows");
        let map = sampled_map(&Umap::default(), rows, 80, &Silent).expect("a map");
        let labels: Vec<i32> = (0..300).map(|row| row % 3).collect();
        let map = RowsView::new(&map, 2).expect("finite places");
        let apart = sporeprint_cluster::silhouette(map, &labels, sporeprint_cluster::Metric::Euclidean);
        assert!(apart.expect("three groups") > 0.6);
    }
}
