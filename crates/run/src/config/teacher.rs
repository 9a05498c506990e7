//! Settings of a training that learns another encoder's codes instead of labels.

use serde::{Deserialize, Serialize};
use sporeprint_images::ViewConfig;

use super::error::check;
use super::{ConfigError, EncoderConfig, FrozenConfig, SgdSettings, TrainEncoderConfig, WeightsSource};

/// The encoder whose codes are learnt, and how its pupil sees the photographs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherConfig {
    /// Its weights; none for an encoder that has them in its own settings.
    pub weights: WeightsSource,
    /// A network of a family that is trained here.
    #[serde(default)]
    pub encoder: EncoderConfig,
    /// An encoder that is never trained, in the place of `encoder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FrozenConfig>,
    /// Sides of the pupil's views in pixels, taken in turn, one for each step.
    #[serde(default = "sizes")]
    pub sizes: Vec<usize>,
    /// Share of the views that are seen as through a smaller picture, enlarged again.
    #[serde(default = "coarse")]
    pub coarse: f32,
    /// Side of the smallest of those pictures, in pixels.
    #[serde(default = "coarsest")]
    pub coarsest: usize,
    /// Weight of the class scores beside the codes, where teacher and pupil have classifiers of the same classes.
    #[serde(default = "scores")]
    pub scores: f32,
}

fn sizes() -> Vec<usize> {
    vec![224, 160, 128]
}

fn coarse() -> f32 {
    0.4
}

fn coarsest() -> usize {
    32
}

fn scores() -> f32 {
    1.0
}

impl TeacherConfig {
    /// A network whose weights say what it is.
    pub fn network(encoder: EncoderConfig, weights: WeightsSource) -> Self {
        Self {
            weights,
            encoder: EncoderConfig { head_dim: None, ..encoder },
            frozen: None,
            sizes: sizes(),
            coarse: coarse(),
            coarsest: coarsest(),
            scores: scores(),
        }
    }

    /// An encoder that is never trained.
    pub fn frozen(frozen: FrozenConfig, weights: WeightsSource) -> Self {
        Self { frozen: Some(frozen), ..Self::network(EncoderConfig::default(), weights) }
    }

    /// Side of the pictures that it sees, in pixels.
    pub fn image_size(&self) -> usize {
        self.frozen.as_ref().map_or(self.encoder.image_size, FrozenConfig::image_size)
    }

    pub(super) fn check(&self, pupil: &EncoderConfig) -> Result<(), ConfigError> {
        match &self.frozen {
            Some(frozen) => frozen.check()?,
            None => self.encoder.check()?,
        }
        let found = || self.sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let largest = pupil.image_size;
        let fit = !self.sizes.is_empty() && self.sizes.iter().all(|&size| size > 0 && size <= largest);
        let hint = "224, 160 and 128 in turn are usual";
        check(fit, "teacher.sizes", found(), &format!("one or more sides of at most {largest}"), hint)?;
        for &size in &self.sizes {
            EncoderConfig { image_size: size, ..pupil.clone() }.check()?;
        }
        let share = self.coarse;
        check((0.0..=1.0).contains(&share), "teacher.coarse", share, "0 to 1", "0.4 is usual")?;
        check(self.coarsest > 0, "teacher.coarsest", self.coarsest, "1 or more", "32 is usual")?;
        let weight = self.scores;
        check(weight.is_finite() && weight >= 0.0, "teacher.scores", weight, "0 or more", "0 leaves them out")
    }
}

impl TrainEncoderConfig {
    /// Settings for learning from a teacher: a start that knows photographs already is moved gently.
    pub fn taught(encoder: EncoderConfig, weights: WeightsSource, teacher: TeacherConfig) -> Self {
        Self {
            encoder: EncoderConfig { head_dim: None, ..encoder },
            weights,
            teacher: Some(teacher),
            epochs: 10,
            batch_size: 32,
            sgd: SgdSettings { weight_decay: 1e-5, warm_up: 0.2, ..SgdSettings::new(0.05) },
            views: ViewConfig {
                crop_scale: (0.5, 1.0),
                brightness: 0.2,
                contrast: 0.2,
                saturation: 0.2,
                grey: 0.02,
                hue: 0.0,
                blur: 0.2,
                blur_sigma: 0.02,
                ..ViewConfig::default()
            },
            small_epochs: 0,
            sharp_epochs: 0,
            ..Self::default()
        }
    }
}
