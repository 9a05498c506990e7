//! The library in a few lines, as another program would call it.

#![allow(clippy::unwrap_used)]

use sporeprint::config::{ClusterConfig, ClusterCount};
use sporeprint::demo::{KINDS, write_demo};
use sporeprint_cluster::{Rng, agreement};

#[test]
fn photographs_become_a_table_of_clusters_and_what_is_no_photograph_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write_demo(dir.path(), 90, 1).unwrap();
    std::fs::write(dir.path().join("broken.jpg"), "<html>").unwrap();
    let groups = sporeprint::group([dir.path()]).fast().clusters(6).run().unwrap();
    assert_eq!((groups.images.len(), groups.clusters.len(), groups.skipped.len()), (90, 6, 1));
    assert_eq!(groups.clusters.iter().map(|cluster| cluster.size).sum::<u32>(), 90);
    let kind = |path: &str| KINDS.iter().position(|kind| path.contains(kind)).unwrap() as i32;
    let kinds: Vec<i32> = groups.images.iter().map(|image| kind(&image.path)).collect();
    let found: Vec<i32> = groups.images.iter().map(|image| image.cluster).collect();
    // Two kinds taken for one would still have 0.85.
    let nmi = agreement(&kinds, &found).unwrap().nmi;
    assert!(nmi >= 0.6, "drawn kinds are hardly told apart: NMI {nmi}");
}

#[test]
fn a_setting_that_cannot_work_is_refused_before_any_photograph_is_read() {
    let error = sporeprint::group(["nowhere"]).with(|config| config.code_views = 9).run().unwrap_err().to_string();
    assert!(error.contains('9'), "{error}");
    let error = sporeprint::group(["nowhere"]).run().unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn codes_are_grouped_in_memory_and_bad_ones_are_refused() {
    let mut rng = Rng::new(5);
    let codes: Vec<f32> =
        (0..60 * 8).map(|at| if at / 8 % 3 == at % 8 { 4.0 } else { 0.0 } + rng.normal() as f32 * 0.2).collect();
    let config = ClusterConfig { n_clusters: ClusterCount::Auto, ..ClusterConfig::default() };
    let groups = sporeprint::group_codes(codes.clone(), 8, &config, 0).unwrap();
    assert_eq!(groups.clusters.len(), 3);
    assert!((0..60).all(|row| groups.images[row].cluster == groups.images[row % 3].cluster));
    let mut broken = codes.clone();
    broken[17] = f32::NAN;
    assert!(sporeprint::group_codes(broken, 8, &config, 0).is_err());
    let many = ClusterConfig { n_clusters: ClusterCount::Fixed(61), ..ClusterConfig::default() };
    assert!(sporeprint::group_codes(codes, 8, &many, 0).unwrap_err().to_string().contains("61"));
}
