//! Augmented views: what may change about a photograph without changing what it shows.

mod color;
mod geometry;
mod render;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(super) use self::color::make_grey;
pub use self::render::render;

/// Strength of every change that makes a view of an image; the whole recipe of views.
///
/// In this order: random resized crop, flip, rotation, background, blur, then brightness, contrast, saturation, hue and
/// grey in one linear step that is clipped once at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewConfig {
    /// Smallest and largest share of the image's area that a crop shows.
    pub crop_scale: (f32, f32),
    /// Smallest and largest width / height of a crop, before it is made square.
    pub crop_ratio: (f32, f32),
    /// Probability of mirroring left and right.
    pub flip: f32,
    /// Brightness is multiplied by 1 - b to 1 + b.
    pub brightness: f32,
    /// Distance from the crop's mean grey is multiplied by 1 - c to 1 + c.
    pub contrast: f32,
    /// Distance of each pixel from its grey is multiplied by 1 - s to 1 + s.
    pub saturation: f32,
    /// Hue is turned by -h to h of the colour circle (0 to 0.5).
    pub hue: f32,
    /// Probability of a grey view.
    pub grey: f32,
    /// Probability of Gaussian blur.
    pub blur: f32,
    /// Largest sigma of that blur, as a share of the view's side; the smallest is a tenth of it.
    pub blur_sigma: f32,
    /// Largest turn either way, in degrees.
    pub rotation: f32,
    /// Probability that what lies outside an ellipse about the image's centre fades to a random colour.
    pub background: f32,
}

impl Default for ViewConfig {
    /// For small folders: the paper's crops, but no hue and little grey, since colour is the best cue of many folders.
    fn default() -> Self {
        Self { hue: 0.0, grey: 0.1, ..Self::paper() }
    }
}

/// Something that should not tell pictures apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Factor {
    /// Hue and saturation; the word in settings is `colour`.
    #[serde(rename = "colour")]
    Color,
    /// Which way is up.
    Rotation,
    /// Where in the frame the thing is.
    Position,
    /// How large in the frame the thing is.
    Scale,
    /// What lies around the thing; supposes that the thing is near the middle.
    Background,
}

/// A word that names no [`Factor`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown factor '{0}', expected colour, rotation, position, scale or background")]
pub struct UnknownFactor(String);

impl FromStr for Factor {
    type Err = UnknownFactor;

    fn from_str(text: &str) -> Result<Self, UnknownFactor> {
        match text {
            "colour" | "color" => Ok(Self::Color),
            "rotation" => Ok(Self::Rotation),
            "position" => Ok(Self::Position),
            "scale" => Ok(Self::Scale),
            "background" => Ok(Self::Background),
            other => Err(UnknownFactor(other.to_owned())),
        }
    }
}

impl ViewConfig {
    /// The views of the Local Aggregation paper, as in Wu et al. 2018 (arXiv:1805.01978), `RandomResizedCrop(scale=(.2,1))`,
    /// `RandomGrayscale(.2)`, `ColorJitter(.4,.4,.4,.4)`, flip.
    pub fn paper() -> Self {
        Self {
            crop_scale: (0.2, 1.0),
            crop_ratio: (3.0 / 4.0, 4.0 / 3.0),
            flip: 0.5,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.4,
            grey: 0.2,
            blur: 0.0,
            blur_sigma: 1.0 / 112.0,
            rotation: 0.0,
            background: 0.0,
        }
    }

    /// No change: the centre square of every image.
    pub fn none() -> Self {
        Self {
            crop_scale: (1.0, 1.0),
            crop_ratio: (1.0, 1.0),
            flip: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            grey: 0.0,
            blur: 0.0,
            blur_sigma: 1.0 / 112.0,
            rotation: 0.0,
            background: 0.0,
        }
    }

    /// This recipe, strengthened so that `factors` no longer tell pictures apart (`--ignore`).
    pub fn ignoring(mut self, factors: &[Factor]) -> Self {
        for factor in factors {
            match factor {
                Factor::Color => (self.hue, self.saturation, self.grey) = (0.4, 0.8, self.grey.max(0.3)),
                Factor::Rotation => self.rotation = 180.0,
                Factor::Position => {
                    self.crop_scale = (self.crop_scale.0.min(0.3), self.crop_scale.1.min(0.7));
                }
                Factor::Scale => self.crop_scale.0 = self.crop_scale.0.min(0.08),
                Factor::Background => self.background = self.background.max(0.5),
            }
        }
        self
    }

    /// Checks every strength.
    ///
    /// # Errors
    /// - the first field out of its range, with what was found and expected
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f32, low: f32, high: f32| {
            let fine = (low..=high).contains(&value);
            if fine { Ok(()) } else { Err(format!("view setting {name} is {value}, expected {low} to {high}")) }
        };
        let ordered = |name: &str, (low, high): (f32, f32)| {
            if low <= high { Ok(()) } else { Err(format!("view setting {name} runs from {low} down to {high}")) }
        };
        within("crop_scale", self.crop_scale.0, 0.001, 1.0)?;
        within("crop_scale", self.crop_scale.1, 0.001, 1.0)?;
        ordered("crop_scale", self.crop_scale)?;
        within("crop_ratio", self.crop_ratio.0, 0.1, 10.0)?;
        within("crop_ratio", self.crop_ratio.1, 0.1, 10.0)?;
        ordered("crop_ratio", self.crop_ratio)?;
        for (name, value) in [
            ("flip", self.flip),
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
            ("grey", self.grey),
            ("blur", self.blur),
            ("background", self.background),
        ] {
            within(name, value, 0.0, 1.0)?;
        }
        within("blur_sigma", self.blur_sigma, 0.001, 0.1)?;
        within("hue", self.hue, 0.0, 0.5)?;
        within("rotation", self.rotation, 0.0, 180.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_sound_and_strengths_out_of_range_are_named() {
        let all = [Factor::Color, Factor::Rotation, Factor::Position, Factor::Scale, Factor::Background];
        for config in
            [ViewConfig::default(), ViewConfig::paper(), ViewConfig::none(), ViewConfig::default().ignoring(&all)]
        {
            assert_eq!(config.check(), Ok(()));
        }
        let error = ViewConfig { hue: 0.7, ..ViewConfig::none() }.check().unwrap_err();
        assert_eq!(error, "view setting hue is 0.7, expected 0 to 0.5");
        assert!(ViewConfig { grey: f32::NAN, ..ViewConfig::none() }.check().is_err());
        assert!(ViewConfig { crop_scale: (0.9, 0.2), ..ViewConfig::none() }.check().is_err());
    }

    #[test]
    fn factors_are_written_by_the_words_that_are_read() {
        for (factor, word) in [(Factor::Color, "colour"), (Factor::Scale, "scale")] {
            assert_eq!(toml::Value::try_from(factor).unwrap().as_str(), Some(word));
            assert_eq!(word.parse(), Ok(factor));
        }
    }

    #[test]
    fn a_partial_table_keeps_the_other_defaults() {
        let config: ViewConfig = toml::from_str("hue = 0.1\ncrop_scale = [0.5, 1.0]").unwrap();
        assert_eq!(config, ViewConfig { hue: 0.1, crop_scale: (0.5, 1.0), ..ViewConfig::default() });
        assert!(toml::from_str::<ViewConfig>("hues = 0.1").is_err());
    }
}
