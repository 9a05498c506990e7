//! What neighbour search and the Local Aggregation loss cost per step, beside the network.
//!
//! The article's setting: `cargo run --release -p sporeprint --example aggregation_cost` prints milliseconds for
//! N = 1800 images, batch 128, dimension 512, k = 100, H = 6, m = 100, with clusters refreshed once per epoch and at
//! every step (20 rounds). The article's code takes 4.1 s a step there.

#![expect(clippy::print_stdout, reason = "printing the figures is what this program is for")]

use std::time::Instant;

use sporeprint::bank::MemoryBank;
use sporeprint::config::AggregateConfig;
use sporeprint::loss::{UnitCodes, local_aggregation};
use sporeprint::neighbors::NeighborSets;
use sporeprint::train::clusterings;
use sporeprint_cluster::{Error, Metric, Rng, RowsView, nearest};

const N_IMAGES: usize = 1800;
const BATCH: usize = 128;
const DIM: usize = 512;
const STEPS: usize = 20;

fn main() -> Result<(), Error> {
    let config = AggregateConfig { clusterings: 6, background_neighbors: Some(100), ..Default::default() };
    let mut rng = Rng::new(1);
    // Codes behind a ReLU: all in one orthant, as the article's are.
    let rows = (0..N_IMAGES * DIM).map(|_| (rng.normal() as f32).max(0.0)).collect();
    let mut bank = MemoryBank::primed(rows, DIM);
    let codes: Vec<f32> = (0..BATCH * DIM).map(|_| (rng.normal() as f32).max(0.0)).collect();
    let images: Vec<u32> = (0..BATCH as u32).collect();
    let mut seconds = [Vec::new(), Vec::new()];
    for step in 0..STEPS {
        let started = Instant::now();
        let fresh = clusterings(RowsView::new(bank.rows(), DIM)?, &config, 100, 0, step as u64)?;
        seconds[0].push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        let codes = UnitCodes::new(&codes, DIM);
        let background =
            nearest(RowsView::new(codes.rows(), DIM)?, RowsView::new(bank.rows(), DIM)?, 100, Metric::Dot)?;
        let sets = NeighborSets::intersect(&images, background, &fresh);
        let loss = local_aggregation(&codes, &bank, &sets, 0.07, 1e-7);
        bank.update(&images, codes.rows(), 0.5);
        seconds[1].push(started.elapsed().as_secs_f64());
        assert!(loss.code_loss.loss.is_finite(), "the loss is a number");
    }
    let [clustering, loss] = seconds.map(median);
    println!("neighbours, loss and bank update  {:8.2} ms per step", 1e3 * loss);
    println!("with clusters refreshed each step {:8.2} ms per step", 1e3 * (loss + clustering));
    Ok(())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
