//! Settings of `train-encoder`.

use serde::{Deserialize, Serialize};

use super::error::check;
use super::overlay::merge;
use super::{Architecture, ConfigError, EncoderConfig, Overlay, SgdSettings, Stem, TeacherConfig, WeightsSource};
use sporeprint_images::ViewConfig;

/// How an encoder is trained with labels, or by a teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainEncoderConfig {
    /// Source of every random choice.
    pub seed: u64,
    /// The network; its head is set by the number of classes and taken off at the end.
    pub encoder: EncoderConfig,
    /// Where its first weights come from.
    pub weights: WeightsSource,
    /// The encoder that takes the place of labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherConfig>,
    /// Passes over all images.
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Optimiser.
    pub sgd: SgdSettings,
    /// What a view of an image may change.
    pub views: ViewConfig,
    /// Passes at the start with smaller views, which cost less and teach nearly as much.
    pub small_epochs: usize,
    /// Side of those views, in pixels.
    pub small_size: usize,
    /// Share of the label that is spread over all classes.
    pub label_smoothing: f32,
    /// Passes at the end without smoothing, so that images of a class need not all lie in one point.
    pub sharp_epochs: usize,
    /// Decay of the moving average of the weights, per step.
    pub average: f64,
    /// Weight of instance recognition on the averaged features beside the labels; 0 leaves it out.
    pub instance_weight: f32,
    /// Temperature of instance recognition.
    pub temperature: f32,
    /// Weight of the new code in the memory bank of instance recognition.
    pub mixing_rate: f32,
    /// Share of the images that is kept apart to see how well others are recognised.
    pub hold_out: f64,
}

impl Default for TrainEncoderConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            encoder: EncoderConfig {
                architecture: Architecture::ResNet18,
                width: 0.5,
                stem: Stem::SmallStrided,
                ..EncoderConfig::default()
            },
            weights: WeightsSource::None,
            teacher: None,
            epochs: 40,
            batch_size: 128,
            sgd: SgdSettings { weight_decay: 5e-4, warm_up: 1.0, ..SgdSettings::new(0.1) },
            views: ViewConfig {
                crop_scale: (0.35, 1.0),
                brightness: 0.2,
                contrast: 0.2,
                saturation: 0.2,
                grey: 0.02,
                blur: 0.4,
                blur_sigma: 0.025,
                ..ViewConfig::default()
            },
            small_epochs: 26,
            small_size: 40,
            label_smoothing: 0.1,
            sharp_epochs: 3,
            average: 0.998,
            instance_weight: 0.0,
            temperature: 0.2,
            mixing_rate: 0.5,
            hold_out: 0.02,
        }
    }
}

impl TrainEncoderConfig {
    /// These settings with given ones laid over them.
    ///
    /// # Errors
    /// - a setting that does not exist or has another type
    pub fn with(&self, given: &Overlay) -> Result<Self, ConfigError> {
        let mut settings = toml::Table::try_from(self).expect("settings are plain values, which TOML has words for");
        let mut given = given.given.clone();
        // Settings of a teacher go over those that are there, like those of any other table.
        if let (Some(toml::Value::Table(teacher)), Some(toml::Value::Table(there))) =
            (given.get("teacher"), settings.get_mut("teacher"))
        {
            there.extend(teacher.clone());
            given.remove("teacher");
        }
        merge(&mut settings, &given);
        Ok(settings.try_into()?)
    }

    /// Side of the views in an epoch, counted from 0.
    pub fn size_in(&self, epoch: usize) -> usize {
        if epoch < self.small_epochs { self.small_size } else { self.encoder.image_size }
    }

    /// Label smoothing in an epoch, counted from 0.
    pub fn smoothing_in(&self, epoch: usize) -> f32 {
        if epoch + self.sharp_epochs >= self.epochs { 0.0 } else { self.label_smoothing }
    }

    /// Checks every setting that does not depend on the images.
    ///
    /// # Errors
    /// The first setting that cannot work, with what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.encoder.check()?;
        match &self.teacher {
            Some(teacher) => teacher.check(&self.encoder)?,
            None => EncoderConfig { image_size: self.small_size, ..self.encoder.clone() }.check()?,
        }
        check(self.epochs >= 1, "epochs", self.epochs, "1 or more", "40 is a good start")?;
        check(self.batch_size >= 2, "batch_size", self.batch_size, "2 or more", "128 is usual")?;
        let rate = self.sgd.learning_rate;
        check(rate.is_finite() && rate > 0.0, "sgd.learning_rate", rate, "a positive number", "0.1 is usual")?;
        let hold_out = self.hold_out;
        check((0.0..0.9).contains(&hold_out), "hold_out", hold_out, "0 or more, under 0.9", "0.02 is enough")?;
        let smoothing = self.label_smoothing;
        check((0.0..1.0).contains(&smoothing), "label_smoothing", smoothing, "0 or more, under 1", "0.1 is usual")?;
        let weight = self.instance_weight;
        check(weight.is_finite() && weight >= 0.0, "instance_weight", weight, "0 or more", "0 leaves it out")?;
        let decay = self.average;
        check((0.0..1.0).contains(&decay), "average", decay, "0 or more, under 1", "0.998 is usual")?;
        self.views.check().map_err(ConfigError::Views)
    }
}

#[cfg(test)]
mod tests {
    use super::TrainEncoderConfig;

    #[test]
    fn views_grow_and_labels_sharpen() {
        let config = TrainEncoderConfig { epochs: 10, small_epochs: 4, sharp_epochs: 2, ..Default::default() };
        assert_eq!(config.check().map_err(|e| e.to_string()), Ok(()));
        assert_eq!([3, 4].map(|epoch| config.size_in(epoch)), [40, 64]);
        assert_eq!([7, 8, 9].map(|epoch| config.smoothing_in(epoch)), [0.1, 0.0, 0.0]);
    }
}
