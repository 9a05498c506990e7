//! k = auto: how many clusters keep neighbours together best, the curve behind that number, and the clusters.
#![expect(clippy::print_stdout, reason = "the curve is what the example is for")]

use sporeprint_cluster::{ChooseK, Codes, KMeans, Result, Rng, Silent, agreement};

const N: usize = 600;
const DIM: usize = 12;
const GROUPS: usize = 9;

fn main() -> Result<()> {
    let mut rng = Rng::new(5);
    let centers: Vec<f64> = (0..GROUPS * DIM).map(|_| 2.0 * rng.normal()).collect();
    let data = (0..N * DIM).map(|at| (centers[at / DIM % GROUPS * DIM + at % DIM] + rng.normal()) as f32);
    let rows = Codes::new(data.collect(), DIM)?;

    let choice = ChooseK::default().fit(rows.view(), &Silent)?;
    println!("  k  modularity  silhouette  stability");
    for evidence in &choice.curve {
        let mark = if evidence.k == choice.k { "  <- chosen" } else { "" };
        let (modularity, silhouette, stability) = (evidence.modularity, evidence.silhouette, evidence.stability);
        println!("{:3}  {modularity:10.3}  {silhouette:10.3}  {stability:9.3}{mark}", evidence.k);
    }

    let found = KMeans { n_init: 4, ..KMeans::new(choice.k) }.fit(rows.view(), &Silent)?;
    let groups: Vec<i32> = (0..N).map(|row| (row % GROUPS) as i32).collect();
    let ari = agreement(&groups, &found.labels)?.ari;
    println!("{} clusters of {:?} rows, ARI {ari:.3} with the {GROUPS} groups drawn", choice.k, found.sizes());
    Ok(())
}
