//! Where everything of a run lies.

use std::path::{Path, PathBuf};

/// The paths of one run directory. Nothing is created or checked here; a `RunDir` is a name for a place.
///
/// ```
/// let run = sporeprint_run::RunDir::new("mushrooms");
/// assert!(run.report_index().ends_with("report/index.html"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

/// One method per path, and the list of all of them: what is not in it would survive a run that is written over.
macro_rules! paths {
    ($($(#[$doc:meta])+ $name:ident => $relative:literal;)+) => {
        $($(#[$doc])+ #[must_use] pub fn $name(&self) -> PathBuf { self.root.join($relative) })+

        /// Everything that a run writes, but for its settings, which say that there is a run, and the lock.
        pub(crate) fn contents(&self) -> Vec<PathBuf> {
            let all = vec![$(self.$name()),+];
            all.into_iter().filter(|path| *path != self.config() && *path != self.lock()).collect()
        }
    };
}

impl RunDir {
    /// Names the run directory at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Pictures of one cluster, sorted out on request: `clusters/<id>`, noise in `clusters/noise`.
    #[must_use]
    pub fn cluster(&self, cluster: i32) -> PathBuf {
        let name = if cluster < 0 { "noise".to_owned() } else { cluster.to_string() };
        self.clusters().join(name)
    }

    paths! {
        /// The settings as resolved.
        config => "config.toml";
        /// One row per image: index, path, name, size, orientation, status, label, perceptual hash.
        images => "images.parquet";
        /// Files that could not be read, with the reason.
        skipped => "skipped.csv";
        /// Decoded pixels.
        cache => "cache";
        /// Weights, optimiser, schedule, generator and bank of the newest intervals.
        checkpoints => "checkpoints";
        /// One JSON object per epoch and stage.
        metrics => "metrics.jsonl";
        /// Weights of the auto-encoder.
        autoencoder => "autoencoder.safetensors";
        /// Weights of the encoder after Local Aggregation.
        encoder => "encoder.safetensors";
        /// Weights of the encoder before it was trained on the folder, where it knew photographs already.
        untouched => "untouched.safetensors";
        /// The same with batch-norm statistics of the folder, where they were taken.
        adapted => "adapted.safetensors";
        /// What joining learnt and simple codes needs to know of the folder.
        fusion => "fusion.safetensors";
        /// Every kind of codes that the final ones were chosen from.
        candidates => "candidates";
        /// Which codes were chosen, and the label-free evidence.
        choice => "choice.json";
        /// Codes of all images, `[n_images, dim]`, rows in index order.
        embeddings => "embeddings.npy";
        /// The same codes as a table.
        embeddings_parquet => "embeddings.parquet";
        /// One row per image: its cluster and how well it sits there.
        assignments_csv => "assignments.csv";
        /// The same table, typed.
        assignments => "assignments.parquet";
        /// One row per cluster.
        clusters_csv => "clusters.csv";
        /// Names of the clusters: given, found by words, suggested.
        names => "names.csv";
        /// Nearest images of every image.
        neighbors => "neighbors.parquet";
        /// Centroids, `[n_clusters, dim]`.
        centroids => "centroids.npy";
        /// Mean unit code, `[dim]`, taken off before codes are compared with centroids.
        center => "center.npy";
        /// Files of a verb at work, which take the place of the run's at its end.
        draft => "draft";
        /// Which stages are done.
        stages => "stages.json";
        /// Two-dimensional layout of the codes, `[n_images, 2]`.
        map => "map.npy";
        /// Evidence for the number of clusters, if it was chosen by the program.
        k_curve => "k_curve.json";
        /// Quality figures of the final codes and of the baselines.
        evaluation => "evaluation.json";
        /// Pairs of images and their reconstructions, one picture.
        reconstructions => "reconstructions.png";
        /// TensorBoard event files, written on request.
        tensorboard => "tensorboard";
        /// Folder of the pages.
        report => "report";
        /// First page of the report.
        report_index => "report/index.html";
        /// Folder of sorted pictures, made on request.
        clusters => "clusters";
        /// Held while a run works in the directory.
        lock => "run.lock";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_contents_has_every_path_but_settings_and_lock() {
        let run = RunDir::new("run");
        let contents = run.contents();
        for path in [run.images(), run.candidates(), run.report_index(), run.draft(), run.stages(), run.k_curve()] {
            assert!(contents.contains(&path), "{} is not listed", path.display());
        }
        assert!(!contents.contains(&run.config()) && !contents.contains(&run.lock()));
    }
}
