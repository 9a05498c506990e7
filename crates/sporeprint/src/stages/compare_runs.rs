//! Several runs over the same images, compared without labels.

use std::collections::BTreeMap;

use sporeprint_cluster::{CompareCodes, RowsView, Silent};

use super::StageError;
use super::choice::{by_name, file_name};
use crate::config::CodeKind;
use crate::run::tables::read_choice;
use crate::run::{Array, RunDir, read_npy};

/// Label-free figures of the codes that runs over the same images are clustered by, by name, in the order of the runs; see
/// [`CompareCodes`].
///
/// Modularity (`trial_modularity`) is among them where all runs began with the same codes: it tells how far images that were
/// near then are together in trial groupings of each run's codes, which training does not raise by itself.
///
/// # Errors
/// When a run has no codes, or the codes cannot be compared.
pub fn compare_runs(runs: &[RunDir], n_clusters: usize) -> Result<Vec<BTreeMap<String, f64>>, StageError> {
    let codes =
        runs.iter().map(|run| Ok(read_npy::<f32>(&run.embeddings())?)).collect::<Result<Vec<_>, StageError>>()?;
    let candidates =
        codes.iter().map(|codes| RowsView::new(&codes.data, codes.shape[1])).collect::<Result<Vec<_>, _>>()?;
    let start = common_start(runs)?;
    let reference = start.as_ref().map(|codes| RowsView::new(&codes.data, codes.shape[1])).transpose()?;
    let scores = CompareCodes::new(n_clusters).compare(&candidates, reference, &Silent)?;
    Ok(scores.iter().map(by_name).collect())
}

/// The codes that all of the runs began with; nothing where one began with others, or with no knowledge.
fn common_start(runs: &[RunDir]) -> Result<Option<Array<f32>>, StageError> {
    let mut start: Option<Array<f32>> = None;
    for run in runs {
        if !read_choice(&run.choice())?.compared.contains(&CodeKind::Untouched) {
            return Ok(None);
        }
        let codes = read_npy::<f32>(&run.candidates().join(file_name(CodeKind::Untouched)))?;
        match &start {
            Some(first) if first.shape != codes.shape || first.data != codes.data => return Ok(None),
            Some(_) => {}
            None => start = Some(codes),
        }
    }
    Ok(start)
}
