//! What a visit shows of an image: one crop at the working size, and perhaps smaller ones.

use super::Setup;
use crate::config::EncoderConfig;
use crate::images::ViewConfig;

/// One crop of every image of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crop {
    /// Side in pixels.
    pub(super) size: usize,
    /// Number of the view, which keys its random draws.
    pub(super) number: usize,
    /// What it may change; nothing takes the whole image.
    pub(super) views: Option<ViewConfig>,
}

/// The crops of one epoch, the full one first.
///
/// In the first epochs, by `half_size`, the full crop has half the side. Each small crop has half the full one's side and
/// shows at most half of the area, so that things are not merely drawn smaller.
pub(super) fn crops(setup: &Setup<'_>, encoder: &EncoderConfig, epoch: usize) -> Vec<Crop> {
    let config = setup.config;
    let full = encoder.image_size;
    if config.no_views {
        return vec![Crop { size: full, number: 0, views: None }];
    }
    let growing = (epoch as f64) < config.half_size * config.epochs as f64;
    let size = if growing { half(full, encoder) } else { full };
    let mut crops = vec![Crop { size, number: 0, views: Some(setup.views.clone()) }];
    let (low, high) = setup.views.crop_scale;
    let part = ViewConfig { crop_scale: (low / 2.0, (high / 2.0).max(low / 2.0)), ..setup.views.clone() };
    let small = half(size, encoder);
    crops.extend((1..=config.small_crops).map(|number| Crop { size: small, number, views: Some(part.clone()) }));
    crops
}

/// Half a side, where the network takes one so small: a VGG halves its images five times.
fn half(size: usize, encoder: &EncoderConfig) -> usize {
    let smaller = EncoderConfig { image_size: size / 2, ..encoder.clone() };
    if smaller.check().is_ok() && smaller.image_size >= 16 { size / 2 } else { size }
}

#[cfg(test)]
mod tests {
    use super::half;
    use crate::config::{Architecture, EncoderConfig};

    #[test]
    fn a_half_is_only_taken_where_the_network_allows() {
        let resnet = EncoderConfig { architecture: Architecture::ResNet18, ..EncoderConfig::default() };
        assert_eq!((half(64, &resnet), half(30, &resnet)), (32, 30));
        let vgg = EncoderConfig::default();
        assert_eq!((half(64, &vgg), half(96, &vgg)), (32, 96));
    }
}
