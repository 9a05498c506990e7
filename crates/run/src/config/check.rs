//! What a run's settings may be: every range, and what must go together, checked once before any work.

use super::error::{at_least, check, not_negative, positive};
use super::{ConfigError, EncoderConfig, Labels, NormStatistics, Refresh, RunConfig, SgdSettings, WeightsSource};

impl RunConfig {
    /// Checks every setting that does not depend on the images.
    ///
    /// # Errors
    /// The first setting that cannot work, with what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.images.embeddings.is_none() {
            self.check_encoder()?;
        }
        self.check_pretrain()?;
        self.check_aggregate()?;
        self.views.check().map_err(ConfigError::Views)?;
        let views = self.code_views;
        let hint = "3 takes the mirror image and the middle too";
        check((1..=3).contains(&views), "code_views", views, "1 to 3", hint)?;
        self.cluster.check()
    }

    fn check_encoder(&self) -> Result<(), ConfigError> {
        if let Some(frozen) = &self.frozen {
            frozen.check()?;
        } else {
            self.encoder.check()?;
            if self.weights == WeightsSource::BuiltIn {
                self.check_built_in()?;
            }
        }
        if let Some((kind, instead)) = self.aggregate.codes.and_then(|kind| Some((kind, self.without_codes(kind)?))) {
            let hint = "leave it out: the program chooses, and says why";
            check(false, "aggregate.codes", kind.name(), instead, hint)?;
        }
        let norm = self.aggregate.norm;
        let from_others = matches!(norm, NormStatistics::Adapted | NormStatistics::Choose);
        if from_others && self.weights == WeightsSource::None && self.frozen.is_none() && self.aggregate.epochs > 0 {
            let found = if norm == NormStatistics::Adapted { "adapted" } else { "choose" };
            let expected = "batch or frozen: weights drawn from the seed have no statistics to adapt";
            check(false, "aggregate.norm", found, expected, "give `weights`, or leave it out")?;
        }
        Ok(())
    }

    /// The weights that come with the program are of one network.
    fn check_built_in(&self) -> Result<(), ConfigError> {
        let own = EncoderConfig::built_in();
        let EncoderConfig { architecture, width, .. } = self.encoder;
        let hint = "leave `encoder.architecture` and `encoder.width` out, or take `weights = none`";
        let expected = |what: String| format!("{what}, as the built-in weights have it");
        let name = own.architecture.name();
        let is_own = architecture == own.architecture;
        check(is_own, "encoder.architecture", architecture, &expected(name.to_owned()), hint)?;
        check(width == own.width, "encoder.width", width, &expected(own.width.to_string()), hint)
    }

    fn check_pretrain(&self) -> Result<(), ConfigError> {
        at_least(2, "pretrain.batch_size", self.pretrain.batch_size, BATCH)?;
        let names = ["pretrain.sgd.learning_rate", "pretrain.sgd.momentum", "pretrain.sgd.weight_decay"];
        check_sgd(&self.pretrain.sgd, names)
    }

    fn check_aggregate(&self) -> Result<(), ConfigError> {
        let a = &self.aggregate;
        at_least(2, "aggregate.batch_size", a.batch_size, BATCH)?;
        check_sgd(&a.sgd, ["aggregate.sgd.learning_rate", "aggregate.sgd.momentum", "aggregate.sgd.weight_decay"])?;
        positive("aggregate.temperature", a.temperature.unwrap_or(1.0), "the paper takes 0.07")?;
        share("aggregate.mixing_rate", a.mixing_rate, "the paper takes 0.5")?;
        share("aggregate.largest_close", a.largest_close, "0.3 is usual")?;
        let overlap = a.overlap;
        check(overlap > 0.0 && overlap < 1.0, "aggregate.overlap", overlap, "over 0, under 1", "0.05 to 0.1 is usual")?;
        at_least(1, "aggregate.clusterings", a.clusterings, "3 to 10 are usual")?;
        at_least(1, "aggregate.clustering_rounds", a.clustering_rounds, "20 is usual")?;
        let (Refresh::Epochs(every) | Refresh::Steps(every)) = a.refresh;
        at_least(1, "aggregate.refresh", every, "once per epoch is usual")?;
        not_negative("aggregate.decorrelation", a.decorrelation, "0 leaves it out, 1 is usual from scratch")?;
        not_negative("aggregate.average", a.average, "1 looks back one epoch")?;
        let half = a.half_size;
        check((0.0..=1.0).contains(&half), "aggregate.half_size", half, "0 to 1", "0.5 is half of the epochs")
    }

    /// Checks that the files which the settings name are there.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        self.images.labels.check_file()?;
        let hint = "give files of codes, one row for each image";
        for path in &self.cluster.features {
            there("cluster.features", path, hint)?;
        }
        let hint = "give a file, or `weights = hf:OWNER/REPO` to download one";
        self.weights.file().map_or(Ok(()), |path| there("weights", path, hint))
    }
}

impl Labels {
    /// Checks that a table of labels is there.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_file(&self) -> Result<(), ConfigError> {
        let hint = "give a CSV with the columns filename and label, or `images.labels = from-dirs`";
        match self {
            Self::None | Self::FromDirs => Ok(()),
            Self::Table(path) => there("images.labels", path, hint),
        }
    }
}

const BATCH: &str = "batch norm needs more than one image to take statistics over";

fn check_sgd(sgd: &SgdSettings, [rate, momentum, decay]: [&'static str; 3]) -> Result<(), ConfigError> {
    positive(rate, sgd.learning_rate, "0.01 is a good start")?;
    let kept = sgd.momentum;
    check((0.0..1.0).contains(&kept), momentum, kept, "0 or more, under 1", "0.9 is usual")?;
    not_negative(decay, sgd.weight_decay, "1e-4 is usual")
}

fn share(setting: &'static str, found: f32, hint: &'static str) -> Result<(), ConfigError> {
    check(found > 0.0 && found <= 1.0, setting, found, "over 0, at most 1", hint)
}

fn there(setting: &'static str, path: &std::path::Path, hint: &'static str) -> Result<(), ConfigError> {
    if path.is_file() {
        return Ok(());
    }
    Err(ConfigError::NoFile { setting, path: path.to_owned(), hint })
}
