//! Everything that the pages show, read from the tables of a run.

use std::path::Path;

use fs_err as fs;

use super::ReportError;
use sporeprint_run::config::{CodeKind, RunConfig};
use sporeprint_run::tables::{
    Assignment, Choice, ClusterRow, ImageRow, ImageStatus, KCurve, LogLine, NameRow, NeighborTable, Quality,
    SkippedRow, TableError, read_assignments, read_choice, read_clusters, read_images, read_k_curve, read_metrics,
    read_names, read_neighbors, read_quality, read_skipped,
};
use sporeprint_run::{NpyError, RunDir, read_npy};

/// The contents of a report: tables and nothing computed, so that every number on the pages can be recomputed.
///
/// Parts that a run has not made (yet) are empty; the pages that need them are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportData {
    /// Name of the run, usually that of its directory.
    pub title: String,
    /// All images; row `i` has index `i`.
    pub images: Vec<ImageRow>,
    /// Files that could not be read.
    pub skipped: Vec<SkippedRow>,
    /// One row per image in index order, or none before clustering.
    pub assignments: Vec<Assignment>,
    /// One row per cluster.
    pub clusters: Vec<ClusterRow>,
    /// What clusters are called, where they have names.
    pub names: Vec<NameRow>,
    /// Nearest images of every image.
    pub neighbors: Option<NeighborTable>,
    /// Place of every image on the map.
    pub map: Option<Vec<[f32; 2]>>,
    /// What was measured while training.
    pub metrics: Vec<LogLine>,
    /// Which kind of codes was clustered, and why.
    pub choice: Option<Choice>,
    /// Quality of the run's codes (`final`) and of baselines.
    pub quality: Vec<Quality>,
    /// Evidence for the number of clusters.
    pub k_curve: Option<KCurve>,
    /// The settings.
    pub config: Option<RunConfig>,
    /// The same as they stand in the file.
    pub config_text: String,
    /// Whether there is a picture of reconstructions.
    pub has_reconstructions: bool,
}

/// What a clustering has just made of a run, where that is in hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clustering {
    /// As in [`ReportData`].
    pub assignments: Vec<Assignment>,
    /// As in [`ReportData`].
    pub clusters: Vec<ClusterRow>,
    /// As in [`ReportData`].
    pub neighbors: Option<NeighborTable>,
    /// As in [`ReportData`].
    pub map: Option<Vec<[f32; 2]>>,
}

impl Clustering {
    fn read(run: &RunDir) -> Result<Self, ReportError> {
        Ok(Self {
            assignments: optional(&run.assignments(), read_assignments)?.unwrap_or_default(),
            clusters: optional(&run.clusters_csv(), read_clusters)?.unwrap_or_default(),
            neighbors: optional(&run.neighbors(), read_neighbors)?,
            map: optional(&run.map(), read_map)?,
        })
    }
}

impl ReportData {
    /// Reads the tables of a run.
    ///
    /// # Errors
    /// - `images.parquet` is missing or any table is damaged
    /// - tables disagree: other numbers of images, rows out of order, a cluster or image that is not there
    pub fn from_run(run: &RunDir) -> Result<Self, ReportError> {
        Self::with_clustering(run, Clustering::read(run)?)
    }

    /// Reads the tables of a run but for its clustering.
    ///
    /// # Errors
    /// - as [`from_run`](Self::from_run)
    pub fn with_clustering(run: &RunDir, clustering: Clustering) -> Result<Self, ReportError> {
        let Clustering { assignments, clusters, neighbors, map } = clustering;
        let title = fs::canonicalize(run.root())?
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let config_text = optional(&run.config(), |path| fs::read_to_string(path))?;
        let parse = |text: &String| {
            toml::from_str(text)
                .map_err(|error| ReportError::Settings { path: run.config(), reason: error.to_string() })
        };
        let data = Self {
            title,
            config: config_text.as_ref().map(parse).transpose()?,
            config_text: config_text.unwrap_or_default(),
            images: read_images(&run.images())?,
            skipped: optional(&run.skipped(), read_skipped)?.unwrap_or_default(),
            assignments,
            clusters,
            names: optional(&run.names(), read_names)?.unwrap_or_default(),
            neighbors,
            map,
            metrics: optional(&run.metrics(), read_metrics)?.unwrap_or_default(),
            choice: optional(&run.choice(), read_choice)?,
            quality: optional(&run.evaluation(), read_quality)?.unwrap_or_default(),
            k_curve: optional(&run.k_curve(), read_k_curve)?,
            has_reconstructions: run.reconstructions().exists(),
        };
        data.check(run)?;
        Ok(data)
    }

    /// Images in the run.
    #[must_use]
    pub fn n_images(&self) -> usize {
        self.images.len()
    }

    /// Whether the run was made from codes of another program.
    pub(crate) fn is_of_given_codes(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.images.embeddings.is_some())
    }

    /// Whether a network was trained on the folder.
    pub(crate) fn is_trained(&self) -> bool {
        let trains = |config: &RunConfig| {
            config.frozen.is_none() && config.images.embeddings.is_none() && config.aggregate.epochs > 0
        };
        self.config.as_ref().is_some_and(trains)
    }

    /// Whether the encoder could be trained on the folder and was not.
    pub(crate) fn could_be_trained(&self) -> bool {
        let could = |config: &RunConfig| {
            config.frozen.is_none() && config.images.embeddings.is_none() && config.aggregate.epochs == 0
        };
        self.config.as_ref().is_some_and(could)
    }

    /// Rows that have been photographs: a row of given codes may be anything.
    pub(crate) fn n_photographs(&self) -> usize {
        self.images.iter().filter(|image| image.status == ImageStatus::Ok).count()
    }

    /// Images with a label.
    pub(crate) fn n_labelled(&self) -> usize {
        self.images.iter().filter(|image| image.label.is_some()).count()
    }

    /// Whether the codes of before training were taken although the folder was trained on.
    pub(crate) fn left_training_out(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| {
            choice.compared.len() > 1 && matches!(choice.chosen, CodeKind::Untouched | CodeKind::Adapted)
        })
    }

    /// The tables join on the image's index; one of another length or order belongs to another run.
    fn check(&self, run: &RunDir) -> Result<(), ReportError> {
        let n = self.n_images();
        let unfit = |path: std::path::PathBuf, found: String, expected: String| {
            Err(ReportError::Disagree { path, found, expected })
        };
        if let Some(row) = self.images.iter().enumerate().position(|(row, image)| image.index as usize != row) {
            return unfit(
                run.images(),
                format!("index {} in row {row}", self.images[row].index),
                format!("index {row}"),
            );
        }
        if !self.assignments.is_empty() {
            let mut indices = self.assignments.iter().map(|row| row.index as usize);
            if self.assignments.len() != n || !indices.by_ref().eq(0..n) {
                let found = format!("{} rows", self.assignments.len());
                return unfit(run.assignments(), found, format!("one row per image, {n}, in order of index"));
            }
            if let Some(copy) = self.assignments.iter().find_map(|row| row.duplicate_of.filter(|&of| of as usize >= n))
            {
                return unfit(run.assignments(), format!("a copy of image {copy}"), format!("images below {n}"));
            }
        }
        if let Some(cluster) = self.clusters.iter().find(|cluster| cluster.medoid as usize >= n) {
            return unfit(run.clusters_csv(), format!("medoid {}", cluster.medoid), format!("images below {n}"));
        }
        match &self.neighbors {
            Some(table) if table.n_images() != n => {
                return unfit(run.neighbors(), format!("{} images", table.n_images()), n.to_string());
            }
            _ => {}
        }
        match &self.map {
            Some(map) if map.len() != n => unfit(run.map(), format!("{} images", map.len()), n.to_string()),
            _ => Ok(()),
        }
    }
}

/// A table if its file is there.
fn optional<T, E: Into<ReportError>>(
    path: &Path,
    read: impl Fn(&Path) -> Result<T, E>,
) -> Result<Option<T>, ReportError> {
    if path.exists() { read(path).map(Some).map_err(Into::into) } else { Ok(None) }
}

fn read_map(path: &Path) -> Result<Vec<[f32; 2]>, ReportError> {
    let array = read_npy::<f32>(path)?;
    let fits = matches!(array.shape[..], [_, 2]) && array.data.iter().all(|number| number.is_finite());
    if !fits {
        let found = format!("shape {:?}", array.shape);
        let expected = "finite numbers of shape [images, 2]".to_owned();
        return Err(ReportError::Disagree { path: path.to_owned(), found, expected });
    }
    Ok(array.data.as_chunks().0.to_vec())
}

impl From<TableError> for ReportError {
    fn from(error: TableError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<NpyError> for ReportError {
    fn from(error: NpyError) -> Self {
        Self::Npy(Box::new(error))
    }
}
