//! `evaluation.json`, `k_curve.json` and `choice.json`: figures about the clustering as a whole.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::TableError;
use crate::config::CodeKind;
use crate::write_atomically;

/// Quality of the clustering of one kind of codes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Which codes were clustered: `pixels`, `untrained`, `autoencoder`, .., `final` for the run's own.
    pub codes: String,
    /// Images with a label, which figures against labels are taken over; nothing where no image has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_labelled: Option<usize>,
    /// Figures by name: `acc`, `nmi`, `ari`, `ami`, `purity`, `knn` against labels; `modularity`, `silhouette`,
    /// `trustworthiness` without.
    pub figures: BTreeMap<String, f64>,
}

/// Evidence for the number of clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KCurve {
    /// The number taken.
    pub chosen: u32,
    /// Other numbers worth a look, coarser and finer.
    #[serde(default)]
    pub alternatives: Vec<u32>,
    /// What was measured, by rising number of clusters.
    pub points: Vec<KPoint>,
}

/// Figures at one number of clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KPoint {
    /// Number of clusters.
    pub k: u32,
    /// Figures by name, such as `silhouette` and `stability`. `trial_modularity` is that of a k-means on the codes, made only to
    /// choose; the `modularity` of [`Quality`] is that of the clusters which the run has.
    #[serde(flatten)]
    pub figures: BTreeMap<String, f64>,
}

/// Which codes were taken, and the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The kind that `embeddings.npy` holds.
    pub chosen: CodeKind,
    /// Every kind that was compared, the chosen one included.
    pub compared: Vec<CodeKind>,
    /// Label-free figures of each kind, by name; `trial_modularity` as in [`KPoint`].
    pub figures: BTreeMap<String, BTreeMap<String, f64>>,
    /// The choice and its reason in one sentence.
    pub words: String,
}

/// Writes `evaluation.json`.
///
/// # Errors
/// - the file cannot be written
pub fn write_quality(path: &Path, rows: &[Quality]) -> Result<(), TableError> {
    write_json(path, &rows)
}

/// Reads `evaluation.json`.
///
/// # Errors
/// - the file cannot be read or holds something else
pub fn read_quality(path: &Path) -> Result<Vec<Quality>, TableError> {
    read_json(path, "a list of codes and figures")
}

/// Writes `k_curve.json`.
///
/// # Errors
/// - the file cannot be written
pub fn write_k_curve(path: &Path, curve: &KCurve) -> Result<(), TableError> {
    write_json(path, curve)
}

/// Reads `k_curve.json`.
///
/// # Errors
/// - the file cannot be read or holds something else
pub fn read_k_curve(path: &Path) -> Result<KCurve, TableError> {
    read_json(path, "chosen and points")
}

/// Writes `choice.json`.
///
/// # Errors
/// - the file cannot be written
pub fn write_choice(path: &Path, choice: &Choice) -> Result<(), TableError> {
    write_json(path, choice)
}

/// Reads `choice.json`.
///
/// # Errors
/// - the file cannot be read or holds something else
pub fn read_choice(path: &Path) -> Result<Choice, TableError> {
    read_json(path, "chosen, compared, figures and words")
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), TableError> {
    write_atomically(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::other)?;
        out.write_all(b"\n")
    })?;
    Ok(())
}

fn read_json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<T, TableError> {
    let text = fs::read_to_string(path)?;
    serde_json::from_str(&text).map_err(|error| TableError::damaged(path, error, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("figures.json");
        let figures = BTreeMap::from([("nmi".to_owned(), 0.1 + 0.2), ("acc".to_owned(), 1.)]);
        let rows = [
            Quality { codes: "pixels".to_owned(), n_labelled: None, figures: BTreeMap::new() },
            Quality { codes: "final".to_owned(), n_labelled: Some(18), figures: figures.clone() },
        ];
        write_quality(&path, &rows).expect("written");
        assert_eq!(read_quality(&path).expect("read"), rows);
        let curve = KCurve { chosen: 4, alternatives: vec![2], points: vec![KPoint { k: 4, figures }] };
        write_k_curve(&path, &curve).expect("written");
        assert_eq!(read_k_curve(&path).expect("read"), curve);
        assert!(read_quality(&path).expect_err("refused").to_string().contains("a list of codes"));
    }
}
