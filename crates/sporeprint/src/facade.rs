//! Everything in a few lines: photographs or codes in, a table of clusters out, in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{ClusterConfig, ClusterCount, ImagesConfig, RunConfig};
use crate::grouping::{Context, Described, Grouper, Prepared, Tables};
use crate::images::Skipped;
use crate::progress::{Observer, Silent};
use crate::run::tables::{Assignment, ClusterRow};
use crate::run::{Existing, RunDir, Session};
use crate::stages::{self, StageError};

/// Photographs that are to be grouped, with the settings of a plain `sporeprint run`.
///
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let groups = sporeprint::group(["photos"]).fast().clusters(12).run()?;
///     for image in &groups.images {
///         println!("{}\t{}", image.path, image.cluster);
///     }
///     Ok(())
/// }
/// ```
pub fn group<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Group {
    Group { paths: paths.into_iter().map(|path| path.as_ref().to_owned()).collect(), config: RunConfig::default() }
}

/// Photographs and how they are to be grouped; made by [`group`].
#[derive(Clone, Debug)]
pub struct Group {
    paths: Vec<PathBuf>,
    config: RunConfig,
}

/// Images and their clusters.
#[derive(Clone, Debug)]
pub struct Groups {
    /// One row per image that could be read: its path, its cluster (noise -1), how near it lies, its copies and neighbours.
    pub images: Vec<Assignment>,
    /// One row per cluster.
    pub clusters: Vec<ClusterRow>,
    /// Files that could not be read, with the reason; none for codes.
    pub skipped: Vec<Skipped>,
}

impl Group {
    /// By what the weights know already: nothing is trained on these photographs, as is usual but from scratch.
    #[must_use]
    pub fn fast(self) -> Self {
        self.with(|config| (config.pretrain.epochs, config.aggregate.epochs) = (0, 0))
    }

    /// Into so many clusters; without it, as many as keep neighbours together best.
    #[must_use]
    pub fn clusters(self, n_clusters: usize) -> Self {
        self.with(|config| config.cluster.n_clusters = ClusterCount::Fixed(n_clusters))
    }

    /// With any other setting changed.
    ///
    /// ```
    /// use sporeprint::config::Method;
    ///
    /// let group = sporeprint::group(["photos"]).with(|config| config.cluster.method = Method::Hdbscan);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut RunConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Does it; pixels and weights lie in a temporary folder meanwhile.
    ///
    /// # Errors
    /// When a setting cannot work, no photograph can be read, or the temporary folder is full.
    pub fn run(self) -> Result<Groups, StageError> {
        self.run_with(&Silent)
    }

    /// As [`run`](Self::run), with somebody who hears how far it is and may stop it.
    ///
    /// # Errors
    /// As [`run`](Self::run), and when it is stopped.
    pub fn run_with(self, observer: &dyn Observer) -> Result<Groups, StageError> {
        let paths = self.paths.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
        let images = ImagesConfig { paths, ..self.config.images };
        let config = RunConfig { images, ..self.config };
        config.check()?;
        let folder = tempfile::tempdir()?;
        let mut session = Session::start(RunDir::new(folder.path()), config, Existing::Refuse)?;
        let images = stages::scan(&mut session, observer)?;
        // Nobody resumes what lies in a temporary folder.
        stages::make_codes(&mut session, &images, Duration::MAX, observer)?;
        let tables = stages::cluster(&mut session, &images, observer)?.map(|made| made.tables);
        Ok(Groups::of(tables, images.skipped))
    }
}

/// Groups codes that were made elsewhere, one row for each image, in memory; `Assignment::path` is then the row's number.
///
/// # Shapes
/// - codes: `[n, dim]`, row-major
///
/// # Errors
/// When the codes do not fit the settings: a length that `dim` does not divide, numbers that are not finite, fewer rows
/// than clusters.
///
/// ```
/// use sporeprint::config::{ClusterConfig, ClusterCount};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let codes = vec![0.0, 1.0, 0.1, 1.0, 1.0, 0.0, 1.0, 0.1, 1.0, 0.2];
/// let config = ClusterConfig { n_clusters: ClusterCount::Fixed(2), ..ClusterConfig::default() };
/// let groups = sporeprint::group_codes(codes, 2, &config, 0)?;
/// let clusters: Vec<i32> = groups.images.iter().map(|image| image.cluster).collect();
/// assert_eq!(clusters, [1, 1, 0, 0, 0]);
/// # Ok(())
/// # }
/// ```
pub fn group_codes(codes: Vec<f32>, dim: usize, config: &ClusterConfig, seed: u64) -> Result<Groups, StageError> {
    let n = sporeprint_cluster::RowsView::new(&codes, dim)?.len();
    RunConfig { cluster: config.clone(), ..RunConfig::default() }.check_images(n)?;
    let images: Vec<Described> = (0..n).map(|row| Described { path: row.to_string(), hash: None }).collect();
    let grouping =
        Grouper { config, seed, observer: &Silent }.group(Prepared::new(codes, dim, config), Context::default())?;
    Ok(Groups::of(Some(grouping.tables(&images)?), Vec::new()))
}

impl Groups {
    fn of(tables: Option<Tables>, skipped: Vec<Skipped>) -> Self {
        let (images, clusters) = tables.map_or_else(Default::default, |made| (made.assignments, made.clusters));
        Self { images, clusters, skipped }
    }
}
