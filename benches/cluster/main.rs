//! Times the searches and k-means of `sporeprint-cluster` on raw little-endian `f32` files; `compare.py` drives it.
//!
//! Usage: `cluster_bench neighbors ROWS DIM QUERIES K REPEATS DATA` or
//! `cluster_bench kmeans ROWS DIM CLUSTERS ROUNDS RUNS REPEATS START DATA` with START `random`, `plusplus` or a file of
//! centroids. Prints one line of JSON: the seconds of every repeat and what was found.
#![expect(clippy::print_stdout, reason = "the line of JSON is what the program is for")]

use sporeprint_cluster::{Codes, Init, KMeans, Metric, RowsView, Silent, nearest};
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| -> usize { args[i].parse().expect("a whole number") };
    match args.first().map(String::as_str) {
        Some("neighbors") => neighbors(&read(&args[6]), number(2), number(3), number(4), number(5)),
        Some("kmeans") => {
            let (dim, k) = (number(2), number(3));
            let init = match args[7].as_str() {
                "random" => Init::Random,
                "plusplus" => Init::PlusPlus,
                file => Init::Given(Codes::new(read(file), dim).expect("centroids")),
            };
            let config = KMeans { init, max_iter: number(4), tol: 0.0, ..KMeans::new(k) };
            kmeans(&read(&args[8]), dim, &config, number(5), number(6));
        }
        _ => panic!("expected neighbors or kmeans"),
    }
}

fn read(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("data file");
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn neighbors(data: &[f32], dim: usize, n_queries: usize, k: usize, repeats: usize) {
    let bank = RowsView::new(data, dim).expect("finite rows");
    let queries = RowsView::new(&data[..n_queries * dim], dim).expect("finite rows");
    let mut seconds = Vec::new();
    let mut score_sum = 0.0;
    for _ in 0..repeats {
        let start = Instant::now();
        let found = nearest(queries, bank, k, Metric::Dot).expect("neighbours");
        seconds.push(start.elapsed().as_secs_f64());
        score_sum = found.scores().iter().map(|&score| f64::from(score)).sum();
    }
    println!("{{\"seconds\": {seconds:?}, \"score_sum\": {score_sum}}}");
}

fn kmeans(data: &[f32], dim: usize, config: &KMeans, runs: usize, repeats: usize) {
    let rows = RowsView::new(data, dim).expect("finite rows");
    let mut seconds = Vec::new();
    let (mut inertia, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let start = Instant::now();
        let found = config.fit_each(rows, &(0..runs as u64).collect::<Vec<_>>(), &Silent).expect("clusters");
        seconds.push(start.elapsed().as_secs_f64());
        inertia = found.iter().map(|run| run.inertia).collect();
        rounds = found.iter().map(|run| run.n_iter).collect();
    }
    println!("{{\"seconds\": {seconds:?}, \"inertia\": {inertia:?}, \"rounds\": {rounds:?}}}");
}
