//! Codes to clusters, as values: nothing here reads or writes a file, or knows of a run.
//!
//! ```text
//! codes -> Prepared -> neighbours -> number of clusters -> space -> labels -> ids -> Grouping -> Tables
//! ```

mod error;
mod map;
mod neighbors;
mod number;
mod partition;
mod prepared;
mod space;
mod tables;

use sporeprint_cluster::Neighbors;

use crate::config::{ClusterConfig, ClusterCount, Method};
use crate::progress::Observer;
use crate::run::tables::{KCurve, LogLine};

pub use error::GroupingError;
pub(crate) use map::place_on_map;
pub(crate) use neighbors::MAPPED;
pub use number::ChosenNumber;
pub use prepared::Prepared;
pub(crate) use prepared::metric;
pub use tables::{Described, Former, Tables};
pub(crate) use tables::{scattered, sizes};

/// How codes are grouped, and who is told.
#[derive(Clone, Copy)]
pub struct Grouper<'a> {
    /// Number, method, space and their settings.
    pub config: &'a ClusterConfig,
    /// Source of every random choice.
    pub seed: u64,
    /// Hears of steps and findings, and may stop the work.
    pub observer: &'a dyn Observer,
}

/// What is known beside the codes that are grouped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Other kinds of codes of the same images, whose graphs are averaged with that of the codes.
    pub features: &'a [Prepared],
    /// Codes of the network before it was trained on these images: the number of clusters is chosen by them, for training
    /// draws near images together and with that splits kinds. Nothing where there are none.
    pub before_training: Option<&'a Prepared>,
    /// Clusters made before, whose ids are kept.
    pub former: Option<&'a Former>,
}

/// Codes, grouped.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// The codes as they were compared.
    pub prepared: Prepared,
    /// The nearest others of each row, as many as table, graphs and map take.
    pub neighbors: Neighbors,
    /// Cluster id of each row, noise -1: by falling size at first, kept where clusters match former ones.
    pub labels: Vec<i32>,
    /// First id never used.
    pub next_id: i32,
    /// Figures for every number of clusters that was tried; none where the number was given.
    pub k_curve: Option<KCurve>,
    /// Places in the plane, `[n, 2]`; none for fewer than three rows.
    pub map: Option<Vec<f32>>,
    /// What was measured on the way, as lines of the log.
    pub log: Vec<LogLine>,
}

impl Grouper<'_> {
    /// Groups prepared codes.
    ///
    /// # Errors
    /// When they cannot be clustered so, or the person asks to stop.
    pub fn group(&self, prepared: Prepared, context: Context<'_>) -> Result<Grouping, GroupingError> {
        let (neighbors, line) = self.neighbors(&prepared)?;
        let mut log: Vec<LogLine> = line.into_iter().collect();
        let number = match self.config.n_clusters {
            ClusterCount::Fixed(n_clusters) => ChosenNumber { n_clusters, ..ChosenNumber::default() },
            // HDBSCAN finds its own.
            ClusterCount::Auto if self.config.method == Method::Hdbscan => ChosenNumber::default(),
            ClusterCount::Auto => self.choose_number(context.before_training.unwrap_or(&prepared))?,
        };
        log.extend(number.log);
        let (labels, line) = self.partition(&prepared, number.n_clusters, &neighbors, context.features)?;
        log.extend(line);
        let (labels, next_id) = tables::assign_ids(&labels, context.former)?;
        let map = self.map(&prepared, &neighbors)?;
        Ok(Grouping { prepared, neighbors, labels, next_id, k_curve: number.curve, map, log })
    }
}

impl Grouping {
    /// What is known of each image and each cluster.
    ///
    /// # Errors
    /// When there is not one image for each row.
    pub fn tables(&self, images: &[Described]) -> Result<Tables, GroupingError> {
        Tables::new(&self.prepared, &self.labels, &self.neighbors, images)
    }
}
