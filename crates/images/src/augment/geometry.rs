//! Which part of an image a view shows, and where each of its pixels comes from.

use super::ViewConfig;
use sporeprint_cluster::Rng;

/// A crop, perhaps mirrored and turned, of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement {
    /// Centre of the crop, in pixels of the image.
    pub(super) center: (f32, f32),
    /// Width and height of the crop, in pixels of the image.
    pub(super) extent: (f32, f32),
    pub(super) mirrored: bool,
    /// Turn, in radians; 0 for none.
    pub(super) angle: f32,
}

impl Placement {
    /// Draws a placement: torchvision's `RandomResizedCrop`, here with fractional edges, then flip and rotation.
    pub(super) fn draw(width: usize, height: usize, config: &ViewConfig, rng: &mut Rng) -> Self {
        let (width, height) = (width as f32, height as f32);
        // The number of attempts varies, so they have a generator of their own.
        let mut attempts = Rng::new(rng.next_u64());
        let (low, high) = (config.crop_ratio.0.ln(), config.crop_ratio.1.ln());
        let fitting = (0..10).find_map(|_| {
            let area = width * height * attempts.range(config.crop_scale.0, config.crop_scale.1);
            let ratio = attempts.range(low, high).exp();
            let (w, h) = ((area * ratio).sqrt(), (area / ratio).sqrt());
            let place = (attempts.unit(), attempts.unit());
            (w <= width && h <= height).then_some(((w, h), (place.0 * (width - w), place.1 * (height - h))))
        });
        let ((w, h), (left, top)) = fitting.unwrap_or_else(|| {
            // The largest centred crop of an allowed shape.
            let ratio = (width / height).clamp(config.crop_ratio.0, config.crop_ratio.1);
            let (w, h) = (width.min(height * ratio), height.min(width / ratio));
            ((w, h), ((width - w) / 2.0, (height - h) / 2.0))
        });
        let mirrored = rng.chance(config.flip);
        let angle = rng.range(-1.0, 1.0) * config.rotation.to_radians();
        Self { center: (left + w / 2.0, top + h / 2.0), extent: (w, h), mirrored, angle }
    }

    /// Where the pixels of a view of `size` x `size` come from.
    pub(super) fn pixels(&self, size: usize) -> Pixels {
        let (sin, cos) = self.angle.sin_cos();
        let (width, height) = self.extent;
        let signed = if self.mirrored { -width } else { width };
        let step = 1.0 / size as f32;
        // The centre of the first pixel lies half a pixel inside the view's corner at (-1/2, -1/2).
        let first = 0.5 * step - 0.5;
        Pixels {
            origin: (self.center.0 + signed * first * (cos - sin), self.center.1 + height * first * (sin + cos)),
            right: (signed * cos * step, height * sin * step),
            down: (-signed * sin * step, height * cos * step),
        }
    }
}

/// Affine map from the pixels of a view to positions in the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels {
    origin: (f32, f32),
    right: (f32, f32),
    down: (f32, f32),
}

impl Pixels {
    /// Position in the image of the centre of view pixel (x, y).
    pub(super) fn at(&self, x: usize, y: usize) -> (f32, f32) {
        let (x, y) = (x as f32, y as f32);
        (self.origin.0 + x * self.right.0 + y * self.down.0, self.origin.1 + x * self.right.1 + y * self.down.1)
    }
}
