//! k-means on drawn rows, what its clusters are like, and where new rows go.
#![expect(clippy::print_stdout, reason = "the tables are what the example is for")]

use sporeprint_cluster::{Codes, KMeans, Metric, Result, Rng, Silent, agreement, describe_clusters, silhouette};

const DIM: usize = 16;

/// `n` rows around five centers, row `i` around center `i % 5`.
fn draw(n: usize, seed: u64) -> Result<Codes> {
    let mut rng = Rng::new(7);
    let centers: Vec<f64> = (0..5 * DIM).map(|_| 0.9 * rng.normal()).collect();
    let mut rng = Rng::new(seed);
    let data = (0..n * DIM).map(|at| (centers[at / DIM % 5 * DIM + at % DIM] + rng.normal()) as f32);
    Codes::new(data.collect(), DIM)
}

fn main() -> Result<()> {
    let rows = draw(1000, 1)?;
    let found = KMeans { n_init: 4, ..KMeans::new(5) }.fit(rows.view(), &Silent)?;

    println!("cluster  rows  mean distance  most typical row");
    for facts in describe_clusters(rows.view(), &found.labels, found.centroids.view(), Metric::Euclidean, 0)? {
        let medoid = facts.medoid.map_or("-".to_owned(), |row| row.to_string());
        println!("{:7}  {:4}  {:13.2}  {medoid:>16}", facts.cluster, facts.size, facts.spread);
    }
    println!("inertia {:.0} after {} rounds", found.inertia, found.n_iter);
    println!("silhouette {:.3}", silhouette(rows.view(), &found.labels, Metric::Euclidean)?);

    // New rows, whose centers are known here: how often do they go to the cluster of their center?
    let new = draw(200, 2)?;
    let centers: Vec<i32> = (0..200).map(|row| row % 5).collect();
    let accuracy = agreement(&centers, &found.predict(new.view())?)?.accuracy;
    println!("{:.1} % of 200 new rows are in the cluster of their center", 100.0 * accuracy);
    Ok(())
}
