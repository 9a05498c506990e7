//! Against scikit-learn; the numbers come from `reference/cluster/metrics.py`.

use super::*;
use crate::rows::Codes;
use crate::{Metric, nearest_others};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../reference/cluster/metrics.json")).unwrap()
}

fn numbers<T>(value: &Value, convert: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(convert).collect()
}

fn labels(value: &Value) -> Vec<i32> {
    numbers(value, |x| x.as_i64().unwrap() as i32)
}

fn check(name: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-9, "{name}: {found} instead of {expected}");
}

#[test]
fn agreement_equals_scikit_learn() {
    let golden = golden();
    let cases = golden["partitions"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let found = agreement(&labels(&case["classes"]), &labels(&case["clusters"])).unwrap();
        check(&format!("{name} acc"), found.accuracy, &case["acc"]);
        check(&format!("{name} nmi"), found.nmi, &case["nmi"]);
        check(&format!("{name} ari"), found.ari, &case["ari"]);
        check(&format!("{name} ami"), found.ami, &case["ami"]);
        check(&format!("{name} homogeneity"), found.homogeneity, &case["homogeneity"]);
        check(&format!("{name} completeness"), found.completeness, &case["completeness"]);
        check(&format!("{name} purity"), found.purity, &case["purity"]);
    }
}

#[test]
fn figures_of_rows_equal_scikit_learn() {
    for case in golden()["rows"].as_array().unwrap() {
        let rows =
            Codes::new(numbers(&case["data"], |x| x.as_f64().unwrap() as f32), case["dim"].as_u64().unwrap() as usize)
                .unwrap();
        let labels = labels(&case["labels"]);
        for (name, metric) in [("euclidean", Metric::Euclidean), ("cosine", Metric::Cosine)] {
            let expected = &case[name];
            check(name, silhouette(rows.view(), &labels, metric).unwrap(), &expected["silhouette"]);
            for (row, expected) in
                silhouettes(rows.view(), &labels, metric).unwrap().iter().zip(expected["each"].as_array().unwrap())
            {
                check(name, row.unwrap(), expected);
            }
            check(name, sampled_silhouette(rows.view(), &labels, metric, 1000, 0).unwrap(), &expected["silhouette"]);
            let near = nearest_others(rows.view(), 5, metric).unwrap();
            check(name, knn_accuracy(&near, &labels, &labels).unwrap(), &expected["knn5"]);
        }
        let plane: Vec<f32> = rows.view().iter().flat_map(|row| [row[0], row[1]]).collect();
        let plane = Codes::new(plane, 2).unwrap();
        check("trust", trustworthiness(rows.view(), plane.view(), 5).unwrap(), &case["trustworthiness"]);
    }
}

#[test]
fn a_sample_comes_close_to_the_whole_trustworthiness() {
    let mut rng = crate::rng::Rng::seed_from_u64(5);
    let data: Vec<f32> = (0..600 * 4).map(|_| rng.normal() as f32).collect();
    let rows = Codes::new(data, 4).unwrap();
    let plane: Vec<f32> = rows.view().iter().flat_map(|row| [row[0], row[1]]).collect();
    let plane = Codes::new(plane, 2).unwrap();
    let whole = trustworthiness(rows.view(), plane.view(), 10).unwrap();
    let sampled = sampled_trustworthiness(rows.view(), plane.view(), 10, 200, 1).unwrap();
    assert!((whole - sampled).abs() <= 0.03, "{whole} {sampled}");
    assert!(whole > 0.6 && whole < 0.95, "{whole}");
    assert_eq!(sampled_trustworthiness(rows.view(), plane.view(), 10, 600, 1).unwrap(), whole);
    assert!(sampled_trustworthiness(rows.view(), plane.view(), 10, 0, 1).is_err());
}

#[test]
fn a_stratified_sample_comes_close_to_the_full_silhouette() {
    let mut rng = crate::rng::Rng::seed_from_u64(2);
    let mut data = Vec::new();
    let mut labels = Vec::new();
    for (cluster, size) in [400, 300, 40].into_iter().enumerate() {
        for _ in 0..size {
            data.extend((0..6).map(|c| (rng.normal() + if c == cluster { 4.0 } else { 0.0 }) as f32));
            labels.push(cluster as i32);
        }
    }
    let rows = Codes::new(data, 6).unwrap();
    let full = silhouette(rows.view(), &labels, Metric::Euclidean).unwrap();
    let sampled = sampled_silhouette(rows.view(), &labels, Metric::Euclidean, 60, 1).unwrap();
    assert!((full - sampled).abs() <= 0.03, "{full} {sampled}");
}

#[test]
fn cosine_silhouettes_without_pairs_equal_those_of_all_pairs() {
    let mut rng = crate::rng::Rng::seed_from_u64(8);
    let mut data: Vec<f32> = (0..60 * 5).map(|_| rng.normal() as f32).collect();
    // A row of zeros has no direction, and two of another cluster have the same.
    data[..5].fill(0.0);
    data.copy_within(50..55, 55);
    let rows = Codes::new(data, 5).unwrap();
    // The last row is alone in its cluster.
    let labels: Vec<i32> = (0..60).map(|row| if row == 59 { 3 } else { row % 3 }).collect();
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
        let lengths = (dot(a, a) * dot(b, b)).sqrt();
        if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
    };
    let found = silhouettes(rows.view(), &labels, Metric::Cosine).unwrap();
    for row in 0..60 {
        let mean = |cluster: i32| {
            let others: Vec<usize> = (0..60).filter(|&other| other != row && labels[other] == cluster).collect();
            let sum: f64 = others.iter().map(|&other| 1.0 - cosine(rows.row(row), rows.row(other))).sum();
            sum / others.len() as f64
        };
        let inside = mean(labels[row]);
        let outside = (0..4).filter(|&c| c != labels[row]).map(mean).fold(f64::INFINITY, f64::min);
        let expected = if row == 59 { 0.0 } else { (outside - inside) / inside.max(outside) };
        assert!((found[row].unwrap() - expected).abs() <= 1e-12, "row {row}: {found:?}, {expected}");
    }
    let same = Codes::new([3.0, 1.0, 0.7].repeat(6), 3).unwrap();
    assert_eq!(silhouette(same.view(), &[0, 0, 0, 1, 1, 1], Metric::Cosine).unwrap(), 0.0);
}

#[test]
fn noise_is_left_out_of_silhouettes() {
    let rows = Codes::new(vec![0.0, 0.1, 5.0, 5.1, 100.0], 1).unwrap();
    let with_noise = silhouettes(rows.view(), &[0, 0, 1, 1, -1], Metric::Euclidean).unwrap();
    let without = silhouettes(rows.view().gather(&[0, 1, 2, 3]).view(), &[0, 0, 1, 1], Metric::Euclidean).unwrap();
    assert_eq!(with_noise[..4], without[..]);
    assert_eq!(with_noise[4], None);
}

#[test]
fn requests_without_an_answer_are_named() {
    let rows = Codes::new(vec![0.0, 1.0, 2.0], 1).unwrap();
    let message = |labels: &[i32]| silhouette(rows.view(), labels, Metric::Euclidean).unwrap_err().to_string();
    assert!(message(&[0, 0, 0]).starts_with("clusters = 1"));
    assert!(message(&[0, 1, 2]).starts_with("clusters = 3"));
    assert!(message(&[0, 1]).contains("found 2 entries, expected 3"));
    assert!(agreement(&[0], &[0, 1]).is_err());
    assert!(agreement(&[], &[]).is_err());
}

proptest::proptest! {
    #[test]
    fn names_of_groups_do_not_matter(
        pairs in proptest::collection::vec((0..6_i32, -1..5_i32), 1..60),
        shift in 1..1000_i32,
    ) {
        let classes: Vec<i32> = pairs.iter().map(|pair| pair.0).collect();
        let clusters: Vec<i32> = pairs.iter().map(|pair| pair.1).collect();
        let renamed: Vec<i32> = clusters.iter().map(|&cluster| (7 - cluster) * shift).collect();
        let (a, b) = (agreement(&classes, &clusters).unwrap(), agreement(&classes, &renamed).unwrap());
        let swapped = agreement(&clusters, &classes).unwrap();
        for (x, y) in [
            (a.accuracy, b.accuracy), (a.nmi, b.nmi), (a.ari, b.ari), (a.ami, b.ami), (a.purity, b.purity),
            (a.accuracy, swapped.accuracy), (a.nmi, swapped.nmi), (a.ari, swapped.ari), (a.homogeneity, swapped.completeness),
        ] {
            assert!((x - y).abs() <= 1e-9, "{a:?} {b:?} {swapped:?}");
        }
        let by_size = crate::relabel_by_size(&renamed);
        assert!((agreement(&renamed, &by_size).unwrap().ari - 1.0).abs() <= 1e-12);
    }
}
