//! What `assign` and `add` mark as unlike all clusters.

use std::path::Path;
use std::process::Output;

use super::grouping::{DIM, cluster_codes, codes, verb, write};
use crate::{Example, check_failure, check_success, text};

#[test]
fn a_run_of_copies_still_tells_what_is_unlike_it_and_a_small_one_says_that_it_cannot() {
    let example = Example::new(2);
    let (odd, new, run) = (example.out("odd.npy"), example.out("new.npy"), example.out("run"));
    let reversed: Vec<f32> = codes(12, 1, 3).chunks_exact(DIM).flat_map(|row| row.iter().rev().copied()).collect();
    write(&odd, &reversed);
    write(&new, &codes(200, 4, 9));
    let assign =
        |file: &Path, share: &str| verb("assign", &run, &["--embeddings", file.to_str().unwrap(), "--unlike", share]);
    let n_unknown = |output: &Output| text(&output.stdout).matches(",unknown,").count();

    // Every code four times.
    write(&example.out("copies.npy"), &codes(60, 4, 2).repeat(4));
    check_success(&cluster_codes(&example.out("copies.npy"), &run, &["-k", "4"]));
    let output = assign(&odd, "0.05");
    assert_eq!(n_unknown(&output), 12);
    assert!(text(&output.stderr).contains("12 of 12 are unlike every cluster"), "{}", text(&output.stderr));
    assert!(n_unknown(&assign(&new, "0.05")) <= 30, "of 200 codes of its own kinds");
    // What was left out is not made known by it.
    check_success(&verb("add", &run, &["--embeddings", odd.to_str().unwrap()]));
    assert_eq!(n_unknown(&assign(&odd, "0.05")), 12);

    std::fs::remove_dir_all(&run).unwrap();
    write(&example.out("few.npy"), &codes(8, 2, 2));
    check_success(&cluster_codes(&example.out("few.npy"), &run, &["-k", "2"]));
    let output = assign(&odd, "0.05");
    check_success(&output);
    assert_eq!(n_unknown(&output), 0);
    let said = text(&output.stderr);
    assert!(said.contains("too few different images") && said.contains("`--unlike 0.1"), "{said}");
    let output = assign(&odd, "0.15");
    assert_eq!((n_unknown(&output), text(&output.stderr).contains("too few")), (12, false));
    let output = assign(&odd, "0");
    assert_eq!((n_unknown(&output), text(&output.stderr).contains("too few")), (0, false));
    for wrong in ["1", "5", "few", "-1"] {
        let output = verb("assign", &run, &["--embeddings", odd.to_str().unwrap(), &format!("--unlike={wrong}")]);
        check_failure(&output, 2, &["expected a share from 0 to below 1", "hint:"]);
    }
}
