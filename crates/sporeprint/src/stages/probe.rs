//! The measures of instance-discrimination papers on a run's codes: weighted neighbours and a linear classifier.

use std::str::FromStr;

use sporeprint_cluster::{LinearProbe, Metric, RowsView, nearest_others, weighted_knn_accuracy};

use super::images::root;
use super::{Images, StageError};
use crate::run::tables::{read_quality, write_quality};
use crate::run::{Session, Stage, read_npy};

/// Neighbours and temperature of Wu et al. 2018, which Local Aggregation's authors took over.
const VOTERS: usize = 200;
const TEMPERATURE: f32 = 0.07;

/// What to measure codes by, beside the clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Softmax regression, five folds: figure `linear`.
    Linear,
    /// 200 nearest neighbours, each voting with `exp(s / 0.07)`, leave-one-out: figure `wknn`.
    Knn,
}

impl FromStr for Probe {
    type Err = StageError;

    fn from_str(name: &str) -> Result<Self, StageError> {
        match name {
            "linear" => Ok(Self::Linear),
            "knn" => Ok(Self::Knn),
            other => Err(StageError::Probe { found: other.to_owned() }),
        }
    }
}

/// Adds the figures to the final codes' row of `evaluation.json`.
///
/// # Errors
/// When there are no labels, the run is not evaluated yet, or a file cannot be read or written.
pub fn probe(session: &Session, images: &Images, probes: &[Probe]) -> Result<(), StageError> {
    if !session.is_done(Stage::Evaluate) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "evaluation", verb: "evaluate RUN" });
    }
    let labelled = images.labelled().ok_or(StageError::NoLabels)?;
    let codes = read_npy::<f32>(&session.dir.embeddings())?;
    let all = RowsView::new(&codes.data, codes.shape[1])?;
    let mut quality = read_quality(&session.dir.evaluation())?;
    for probe in probes {
        let seed = session.config.seed;
        let (name, figure) = labelled.with_rows(all, |rows| figure(*probe, rows, &labelled.labels, seed))?;
        for row in quality.iter_mut().filter(|row| row.codes == "final") {
            row.figures.insert(name.to_owned(), figure);
        }
    }
    Ok(write_quality(&session.dir.evaluation(), &quality)?)
}

/// Name and figure of one measure on labelled rows.
fn figure(
    probe: Probe,
    rows: RowsView<'_>,
    labels: &[i32],
    seed: u64,
) -> Result<(&'static str, f64), sporeprint_cluster::Error> {
    Ok(match probe {
        Probe::Knn => {
            let neighbors = nearest_others(rows, VOTERS.min(rows.len() - 1), Metric::Cosine)?;
            ("wknn", weighted_knn_accuracy(&neighbors, labels, labels, TEMPERATURE)?)
        }
        Probe::Linear => {
            let settings = LinearProbe { seed, ..LinearProbe::default() };
            let folds = settings.folds.min(rows.len());
            ("linear", LinearProbe { folds, ..settings }.accuracy(rows, labels)?)
        }
    })
}
