//! UMAP of drawn rows to five columns, HDBSCAN on these, and a map to look at.
#![expect(clippy::print_stdout, reason = "the map is what the example is for")]

use sporeprint_cluster::{Codes, Hdbscan, Metric, Result, Rng, Silent, Umap, agreement, trustworthiness};

const N: usize = 480;
const DIM: usize = 40;
const GROUPS: usize = 6;

fn main() -> Result<()> {
    // Groups of rows, each along a curve of its own: no round clouds, which k-means would find as well.
    let mut rng = Rng::new(3);
    let ends: Vec<f64> = (0..2 * GROUPS * DIM).map(|_| 3.0 * rng.normal()).collect();
    let mut data = Vec::with_capacity(N * DIM);
    for row in 0..N {
        let (from, to) = ends[row % GROUPS * 2 * DIM..][..2 * DIM].split_at(DIM);
        let along = rng.unit_f64();
        data.extend((0..DIM).map(|c| (from[c] + along * (to[c] - from[c]) + 0.5 * rng.normal()) as f32));
    }
    let rows = Codes::new(data, DIM)?;
    let groups: Vec<i32> = (0..N).map(|row| (row % GROUPS) as i32).collect();

    let umap = Umap { metric: Metric::Euclidean, n_epochs: Some(200), ..Umap::default() };
    let space = Umap { n_components: 5, min_dist: 0.0, ..umap.clone() }.fit(rows.view(), &Silent)?;
    let labels = Hdbscan::new(30).fit(space.view(), &Silent)?.labels;
    let ari = agreement(&groups, &labels)?.ari;
    println!("{} clusters, {} rows of noise, ARI {ari:.3}", labels.n_clusters(), labels.n_noise());

    let map = umap.fit(rows.view(), &Silent)?;
    let trust = trustworthiness(rows.view(), map.view(), 10)?;
    println!("map of trustworthiness {trust:.3}, a letter for each cluster:");
    draw(&map, &labels);
    Ok(())
}

/// Prints a letter for each place on the map that has rows, a dot for noise.
fn draw(map: &Codes, labels: &[i32]) {
    const WIDTH: usize = 60;
    const HEIGHT: usize = 20;
    let mut ranges = [(f32::INFINITY, f32::NEG_INFINITY); 2];
    for row in map.view().iter() {
        ranges.iter_mut().zip(row).for_each(|(range, &x)| *range = (range.0.min(x), range.1.max(x)));
    }
    let place = |row: &[f32], axis: usize, size: usize| {
        let (low, high) = ranges[axis];
        ((row[axis] - low) / (high - low) * (size - 1) as f32).round() as usize
    };
    let mut lines = vec![vec![' '; WIDTH]; HEIGHT];
    for (row, &label) in map.view().iter().zip(labels) {
        let letter = u8::try_from(label).map_or('.', |label| char::from(b'a' + label % 26));
        lines[place(row, 1, HEIGHT)][place(row, 0, WIDTH)] = letter;
    }
    lines.iter().for_each(|line| println!("{}", line.iter().collect::<String>().trim_end()));
}
