use super::*;
use crate::labels::Labels;
use crate::progress::Silent;
use crate::rng::Rng;

fn blobs(centers: usize, per_center: usize, dim: usize, spread: f64, seed: u64) -> (Codes, Vec<u32>) {
    let mut rng = Rng::seed_from_u64(seed);
    let means: Vec<f64> = (0..centers * dim).map(|_| 10.0 * rng.normal()).collect();
    let mut data = Vec::new();
    let mut labels = Vec::new();
    for i in 0..centers * per_center {
        let center = i % centers;
        data.extend((0..dim).map(|c| (means[center * dim + c] + spread * rng.normal()) as f32));
        labels.push(center as u32);
    }
    (Codes::new(data, dim).unwrap(), labels)
}

fn noise(n: usize, dim: usize, seed: u64) -> Codes {
    let mut rng = Rng::seed_from_u64(seed);
    Codes::new((0..n * dim).map(|_| rng.normal() as f32).collect(), dim).unwrap()
}

/// Lloyd's rounds written plainly, in `f64`, from the same start.
fn plain_lloyd(rows: &Codes, start: &Codes, rounds: usize) -> (Labels, f64) {
    let distance = |a: &[f32], b: &[f64]| a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - y).powi(2)).sum::<f64>();
    let mut centroids: Vec<Vec<f64>> = start.view().iter().map(|r| r.iter().map(|&x| f64::from(x)).collect()).collect();
    let assign = |centroids: &[Vec<f64>]| -> Vec<u32> {
        let best = |row: &[f32]| {
            (0..centroids.len()).min_by(|&a, &b| distance(row, &centroids[a]).total_cmp(&distance(row, &centroids[b])))
        };
        rows.view().iter().map(|row| best(row).unwrap() as u32).collect()
    };
    for _ in 0..rounds {
        let assignments = assign(&centroids);
        for (c, centroid) in centroids.iter_mut().enumerate() {
            let members: Vec<usize> = (0..rows.len()).filter(|&i| assignments[i] as usize == c).collect();
            for (column, value) in centroid.iter_mut().enumerate().filter(|_| !members.is_empty()) {
                *value = members.iter().map(|&i| f64::from(rows.row(i)[column])).sum::<f64>() / members.len() as f64;
            }
        }
    }
    let assignments = assign(&centroids);
    let inertia = assignments.iter().enumerate().map(|(i, &c)| distance(rows.row(i), &centroids[c as usize])).sum();
    (Labels::of_clusters(assignments), inertia)
}

#[test]
fn rounds_equal_those_of_the_plain_loop() {
    let rows = noise(900, 24, 5);
    let start = rows.view().gather(&(0..30).collect::<Vec<_>>());
    for rounds in [1, 2, 5, 12] {
        let config = KMeans { init: Init::Given(start.clone()), max_iter: rounds, tol: 0.0, ..KMeans::new(30) };
        let run = config.fit(rows.view(), &Silent).unwrap();
        let (labels, inertia) = plain_lloyd(&rows, &start, rounds);
        assert_eq!(run.labels, labels, "after {rounds} rounds");
        assert!((run.inertia - inertia).abs() <= 1e-5 * inertia, "{} {inertia}", run.inertia);
    }
}

#[test]
fn separated_blobs_are_found() {
    let (rows, labels) = blobs(12, 20, 8, 0.3, 1);
    let run = KMeans { n_init: 3, ..KMeans::new(12) }.fit(rows.view(), &Silent).unwrap();
    for (i, &a) in labels.iter().enumerate() {
        for (j, &b) in labels.iter().enumerate() {
            assert_eq!(a == b, run.labels[i] == run.labels[j], "{i} {j}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let rows = noise(2500, 40, 9);
    for init in [Init::Random, Init::PlusPlus] {
        for spherical in [false, true] {
            let config = KMeans { init: init.clone(), n_init: 3, max_iter: 15, spherical, ..KMeans::new(50) };
            let runs: Vec<CentroidClusters> = [1, 2, 3]
                .iter()
                .map(|&threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| config.fit(rows.view(), &Silent).unwrap())
                })
                .collect();
            assert_eq!(runs[0], runs[1]);
            assert_eq!(runs[0], runs[2]);
        }
    }
}

#[test]
fn more_rounds_and_restarts_never_raise_the_inertia() {
    let rows = noise(600, 10, 2);
    let inertia = |n_init, max_iter| {
        KMeans { n_init, max_iter, tol: 0.0, init: Init::Random, ..KMeans::new(25) }
            .fit(rows.view(), &Silent)
            .unwrap()
            .inertia
    };
    let falling: Vec<f64> = [1, 2, 4, 8, 100].iter().map(|&rounds| inertia(1, rounds)).collect();
    assert!(falling.windows(2).all(|pair| pair[1] <= pair[0]), "{falling:?}");
    assert!(inertia(8, 100) <= inertia(1, 100));
}

#[test]
fn labels_belong_to_the_returned_centroids() {
    let rows = noise(700, 12, 3);
    let run = KMeans { max_iter: 3, ..KMeans::new(20) }.fit(rows.view(), &Silent).unwrap();
    let nearest = crate::nearest(rows.view(), run.centroids.view(), 1, crate::Metric::Euclidean).unwrap();
    assert_eq!(Labels::of_clusters(nearest.indices().to_vec()), run.labels);
}

#[test]
fn rows_that_were_fitted_are_predicted_as_they_were_labelled() {
    // Forty clusters of forty columns go by coarse products where these pay, five by `f32` alone.
    for (k, dim) in [(5, 6), (40, 40)] {
        let rows = noise(800, dim, 11);
        for spherical in [false, true] {
            let run = KMeans { max_iter: 4, spherical, ..KMeans::new(k) }.fit(rows.view(), &Silent).unwrap();
            assert_eq!(run.predict(rows.view()).unwrap(), run.labels, "{k} clusters, spherical {spherical}");
            let alone = run.predict(rows.view().gather(&[17]).view()).unwrap();
            assert_eq!(*alone, run.labels[17..18]);
        }
    }
}

#[test]
fn new_rows_go_to_the_nearest_centroid_or_to_that_of_their_direction() {
    let rows = Codes::new(vec![1.0, 0.0, 2.0, 0.0, 0.0, 10.0, 0.0, 11.0], 2).unwrap();
    let labels = |spherical, new: &[f32]| {
        let run = KMeans { spherical, ..KMeans::new(2) }.fit(rows.view(), &Silent).unwrap();
        let (first, second) = (run.labels[0], run.labels[2]);
        let found = run.predict(RowsView::new(new, 2).unwrap()).unwrap();
        let name = |&label: &i32| match label {
            _ if label == first => 'a',
            _ if label == second => 'b',
            _ => '?',
        };
        found.iter().map(name).collect::<String>()
    };
    // Short, but upwards: near the first group, in the direction of the second.
    assert_eq!(labels(false, &[0.1, 0.5, 0.0, 9.0]), "ab");
    assert_eq!(labels(true, &[0.1, 0.5, 9.0, 0.1]), "ba");
    let run = KMeans::new(2).fit(rows.view(), &Silent).unwrap();
    assert!(run.predict(RowsView::new(&[], 2).unwrap()).unwrap().is_empty());
    let error = run.predict(RowsView::new(&[1.0], 1).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "rows to predict: found rows of 1 values, expected 2");
}

#[test]
fn empty_clusters_are_refilled() {
    let rows = noise(200, 6, 4);
    // All centroids but one start far away from everything.
    let mut start = vec![1e3_f32; 10 * 6];
    start[..6].fill(0.0);
    start.iter_mut().enumerate().for_each(|(i, x)| *x += i as f32);
    let start = Codes::new(start, 6).unwrap();
    let run = KMeans { init: Init::Given(start), ..KMeans::new(10) }.fit(rows.view(), &Silent).unwrap();
    assert_eq!(run.labels.n_clusters(), 10, "{:?}", run.sizes());
}

#[test]
fn fewer_distinct_rows_than_clusters_leave_clusters_empty() {
    let rows = Codes::new([1.0_f32, 2.0, 3.0, 4.0, 1.0, 2.0].repeat(10), 2).unwrap();
    for init in [Init::Random, Init::PlusPlus] {
        let run = KMeans { init, ..KMeans::new(7) }.fit(rows.view(), &Silent).unwrap();
        assert_eq!((run.labels.n_clusters(), run.inertia), (2, 0.0));
    }
}

#[test]
fn rows_of_zeros_one_row_and_one_cluster_have_results() {
    let zeros = Codes::new(vec![0.0; 30], 3).unwrap();
    for spherical in [false, true] {
        let run = KMeans { spherical, ..KMeans::new(4) }.fit(zeros.view(), &Silent).unwrap();
        assert_eq!((run.inertia, run.labels.n_clusters()), (0.0, 1));
    }
    let one = Codes::new(vec![1.0, 2.0], 2).unwrap();
    let run = KMeans::new(1).fit(one.view(), &Silent).unwrap();
    assert_eq!((run.labels, run.inertia), (vec![0].into(), 0.0));
    let (rows, _) = blobs(3, 10, 4, 1.0, 8);
    let run = KMeans::new(1).fit(rows.view(), &Silent).unwrap();
    let mean: f64 = rows.view().iter().map(|row| f64::from(row[0])).sum::<f64>() / 30.0;
    assert!((f64::from(run.centroids.row(0)[0]) - mean).abs() <= 1e-5);
}

#[test]
fn as_many_clusters_as_rows_puts_each_row_alone() {
    let rows = noise(40, 5, 6);
    for init in [Init::Random, Init::PlusPlus] {
        let run = KMeans { init, ..KMeans::new(40) }.fit(rows.view(), &Silent).unwrap();
        assert_eq!((run.labels.n_clusters(), run.inertia), (40, 0.0));
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let rows = noise(10, 3, 1);
    let message = |config: KMeans| config.fit(rows.view(), &Silent).unwrap_err().to_string();
    assert_eq!(message(KMeans::new(11)), "n_clusters = 11 is out of range, expected 1 to 10 (the number of rows)");
    assert!(message(KMeans::new(0)).starts_with("n_clusters = 0"));
    assert!(message(KMeans { n_init: 0, ..KMeans::new(2) }).starts_with("n_init = 0"));
    assert!(
        message(KMeans { init: Init::Given(noise(2, 4, 1)), ..KMeans::new(2) })
            .contains("rows of 4 values, expected 3")
    );
}

#[test]
fn work_can_be_cancelled() {
    let rows = noise(500, 8, 1);
    let stop = |step: crate::Step| {
        if step.done == 2 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    };
    assert_eq!(KMeans::new(20).fit(rows.view(), &stop), Err(crate::Error::Cancelled { stage: "k-means" }));
}
