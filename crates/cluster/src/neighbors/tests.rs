//! Neighbours against their definition.

use super::*;
use crate::rng::Rng;
use crate::rows::Codes;

fn noise(n: usize, dim: usize, seed: u64) -> Codes {
    let mut rng = Rng::seed_from_u64(seed);
    Codes::new((0..n * dim).map(|_| rng.normal() as f32).collect(), dim).unwrap()
}

fn plain(query: &[f32], row: &[f32], metric: Metric) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    match metric {
        Metric::Dot => dot(query, row),
        Metric::Cosine => dot(query, row) / (dot(query, query) * dot(row, row)).sqrt(),
        Metric::Euclidean => -query.iter().zip(row).map(|(&x, &y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt(),
    }
}

#[test]
fn neighbours_are_those_of_a_full_sort() {
    for (n, m, dim, k) in [(1, 1, 1, 1), (3, 50, 7, 50), (70, 2500, 20, 10), (600, 900, 33, 300)] {
        let (queries, bank) = (noise(n, dim, 1), noise(m, dim, 2));
        for metric in [Metric::Dot, Metric::Cosine, Metric::Euclidean] {
            let found = nearest(queries.view(), bank.view(), k, metric).unwrap();
            for q in (0..n).step_by(1 + n / 20) {
                let mut order: Vec<usize> = (0..m).collect();
                let score = |j: usize| plain(queries.row(q), bank.row(j), metric);
                order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
                for (rank, &nearest) in order.iter().enumerate().take(k) {
                    let sign = if metric == Metric::Euclidean { -1.0 } else { 1.0 };
                    let (value, expected) = (f64::from(found.scores_of(q)[rank]), sign * score(nearest));
                    assert!((value - expected).abs() <= 2e-5 * (1.0 + expected.abs()), "{metric:?} {value} {expected}");
                    let own = sign * score(found.indices_of(q)[rank] as usize);
                    assert!((value - own).abs() <= 2e-5 * (1.0 + own.abs()), "{metric:?} {value} {own}");
                }
                let mut unique = found.indices_of(q).to_vec();
                unique.sort_unstable();
                unique.dedup();
                assert_eq!(unique.len(), k);
            }
        }
    }
}

#[test]
fn coarse_products_change_nothing() {
    let (mut queries, bank) = (noise(2100, 24, 8).into_data(), noise(3000, 24, 9));
    // Some rows that are the bank's own, and some equal ones.
    queries[..50 * 24].copy_from_slice(&bank.data()[..50 * 24]);
    queries.copy_within(0..10 * 24, 60 * 24);
    let queries = Codes::new(queries, 24).unwrap();
    let (queries, bank) = (queries.view(), bank.view());
    for metric in [Metric::Dot, Metric::Cosine, Metric::Euclidean] {
        let terms = Terms::new(queries, bank, metric);
        let coarse = CoarseSearch::round(queries, bank, &terms.scoring()).unwrap();
        for k in [1, 12, 40] {
            let mut coarsely = coarse.search(queries, bank, k, &terms.scoring()).unwrap();
            let scored = coarsely.iter().map(Vec::len).sum::<usize>();
            let panels = Panels::pack_scaled(queries, terms.queries.as_deref());
            let mut plainly = search_part(&panels, bank, 0, bank.len(), k, &terms);
            for (q, (a, b)) in coarsely.iter_mut().zip(&mut plainly).enumerate() {
                best_sorted(a, k);
                best_sorted(b, k);
                assert_eq!(a, b, "{metric:?} {k} {q}");
            }
            assert!(scored < queries.len() * (2 * k + 8), "{metric:?} {k}: {scored} scored in f32");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let (queries, bank) = (noise(130, 24, 3), noise(5000, 24, 4));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| nearest(queries.view(), bank.view(), 77, Metric::Cosine).unwrap())
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(3));
}

#[test]
fn copies_of_a_row_come_in_the_order_of_their_indices() {
    let row = noise(1, 9, 5);
    let bank = Codes::new(row.data().repeat(200), 9).unwrap();
    for metric in [Metric::Dot, Metric::Cosine, Metric::Euclidean] {
        let found = nearest(row.view(), bank.view(), 70, metric).unwrap();
        assert_eq!(found.indices(), (0..70).collect::<Vec<_>>(), "{metric:?}");
    }
}

#[test]
fn a_row_is_not_its_own_other_neighbour() {
    let mut data = noise(50, 4, 6).into_data();
    data.copy_within(0..4, 40);
    let rows = Codes::new(data, 4).unwrap();
    for metric in [Metric::Dot, Metric::Cosine, Metric::Euclidean] {
        let found = nearest_others(rows.view(), 49, metric).unwrap();
        for row in 0..50 {
            assert_eq!(found.indices_of(row).len(), 49);
            assert!(!found.indices_of(row).contains(&(row as u32)));
        }
    }
    assert_eq!(nearest_others(rows.view(), 3, Metric::Euclidean).unwrap().indices_of(0)[0], 10);
    assert_eq!(nearest_others(rows.view(), 3, Metric::Euclidean).unwrap().scores_of(10)[0], 0.0);
}

#[test]
fn a_row_of_zeros_is_similar_to_nothing() {
    let rows = Codes::new(vec![0.0, 0.0, 1.0, 0.0, -1.0, 0.0], 2).unwrap();
    let found = nearest(rows.view(), rows.view(), 3, Metric::Cosine).unwrap();
    assert_eq!(found.scores_of(0), [0.0, 0.0, 0.0]);
    assert_eq!(found.indices_of(0), [0, 1, 2]);
}

#[test]
fn bad_requests_are_named() {
    let (a, b) = (noise(3, 4, 1), noise(3, 5, 1));
    assert!(nearest(a.view(), b.view(), 1, Metric::Dot).unwrap_err().to_string().contains("rows of 4 values"));
    assert!(nearest(a.view(), a.view(), 4, Metric::Dot).unwrap_err().to_string().starts_with("k = 4"));
    assert!(nearest_others(a.view(), 3, Metric::Dot).unwrap_err().to_string().starts_with("k = 3"));
}

#[test]
fn neighbours_of_some_rows_are_those_among_all() {
    let mut rows = noise(700, 12, 21).into_data();
    // More equal rows than are asked for: a row need not be on its own list.
    (1..6).for_each(|copy| rows.copy_within(0..12, copy * 12));
    let rows = Codes::new(rows, 12).unwrap();
    let ids = [699, 0, 5, 5, 333];
    for metric in [Metric::Dot, Metric::Cosine, Metric::Euclidean] {
        let (all, some) =
            (nearest_others(rows.view(), 3, metric).unwrap(), nearest_others_of(rows.view(), &ids, 3, metric).unwrap());
        for (query, &id) in ids.iter().enumerate() {
            assert_eq!(some.indices_of(query), all.indices_of(id as usize), "{metric:?} {id}");
            assert!(!some.indices_of(query).contains(&id), "{metric:?} {id}");
        }
    }
    let refused = nearest_others_of(rows.view(), &[3, 700], 3, Metric::Dot).unwrap_err().to_string();
    assert!(refused.starts_with("ids = 700") && refused.contains("below 700"), "{refused}");
}
