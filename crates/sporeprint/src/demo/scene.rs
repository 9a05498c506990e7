//! A picture: ground, light, and one to three mushrooms of a kind.

use sporeprint_cluster::Rng;

use super::noise::{cells, rough};
use super::shapes::{Kind, Shape, Surface, step};
use crate::images::RgbImage;

type Colour = [f32; 3];

/// Everything that is drawn at random for a picture.
#[derive(Debug)]
pub(super) struct Scene {
    mushrooms: Vec<Mushroom>,
    cap: Colour,
    mark: Colour,
    stem: Colour,
    ground: Ground,
    /// Direction and strength in which the picture grows lighter.
    light: (f32, f32),
    /// Standard deviation of the sensor's noise, in levels of 255.
    grain: f32,
}

#[derive(Debug)]
struct Mushroom {
    shape: Shape,
    /// Foot, in shares of the picture, y downwards.
    foot: (f32, f32),
    height: f32,
    tilt: f32,
}

#[derive(Debug)]
struct Ground {
    colours: [Colour; 2],
    texture: usize,
    scale: f32,
    slant: f32,
    seed: u32,
}

impl Scene {
    pub(super) fn random(kind: Kind, rng: &mut Rng) -> Self {
        let (cap_value, cap_saturation) = (rng.range(0.45, 0.95), rng.range(0.2, 0.85));
        // Reds, browns and yellows on browns and greens, as in the woods; the same for every kind.
        let cap = from_hsv(rng.range(-0.08, 0.17), cap_saturation, cap_value);
        // Markings are light on dark caps and dark on light ones.
        let mark_value =
            if cap_value > 0.7 { cap_value - rng.range(0.4, 0.55) } else { cap_value + rng.range(0.35, 0.5) };
        let mark = from_hsv(rng.range(0.0, 0.2), rng.range(0.0, 0.35), mark_value.min(1.0));
        let stem = from_hsv(rng.range(0.03, 0.18), rng.range(0.05, 0.4), rng.range(0.5, 0.95));
        let (hue, value) = (rng.range(0.05, 0.4), rng.range(0.15, 0.75));
        let saturation = rng.range(0.05, 0.6);
        let other = (value + rng.range(0.12, 0.25) * if rng.chance(0.5) { 1.0 } else { -1.0 }).clamp(0.05, 0.95);
        let ground = Ground {
            colours: [from_hsv(hue, saturation, value), from_hsv(hue + rng.range(-0.06, 0.06), saturation, other)],
            texture: rng.below(3),
            scale: rng.range(0.7, 1.4),
            slant: rng.range(0.0, std::f32::consts::TAU),
            seed: rng.next_u64() as u32,
        };
        let mut mushrooms = Vec::new();
        if rng.chance(0.3) {
            mushrooms.push(Mushroom::random(kind, 0.4, 0.35, rng));
        }
        mushrooms.push(Mushroom::random(kind, 0.78, 0.12, rng));
        let light = (rng.range(-0.3, 0.3), rng.range(-0.3, 0.3));
        Self { mushrooms, cap, mark, stem, ground, light, grain: rng.range(1.0, 6.0) }
    }

    /// The picture, each pixel the mean of 2 x 2 samples.
    pub(super) fn draw(&self, size: usize, rng: &mut Rng) -> RgbImage {
        const SAMPLES: usize = 2;
        let mut data = Vec::with_capacity(size * size * 3);
        let place = |pixel: usize, sample: usize| (pixel as f32 + (sample as f32 + 0.5) / SAMPLES as f32) / size as f32;
        for y in 0..size {
            for x in 0..size {
                let mut sum = [0.0; 3];
                for (sy, sx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let colour = self.at(place(x, sx), place(y, sy));
                    sum.iter_mut().zip(colour).for_each(|(sum, value)| *sum += value);
                }
                let grain = self.grain * rng.normal() as f32;
                data.extend(sum.map(|value| (value / (SAMPLES * SAMPLES) as f32 * 255.0 + grain + 0.5) as u8));
            }
        }
        RgbImage::new(size, size, data)
    }

    fn at(&self, x: f32, y: f32) -> Colour {
        let surface = self.mushrooms.iter().rev().find_map(|mushroom| mushroom.at(x, y));
        let colour = match surface {
            Some(surface) => self.surface(surface),
            None => self.ground.at(x, y),
        };
        let light = 1.0 + self.light.0 * (x - 0.5) + self.light.1 * (y - 0.5);
        colour.map(|value| value * light)
    }

    fn surface(&self, surface: Surface) -> Colour {
        let base = if surface.stem { self.stem } else { self.cap };
        mix(base, self.mark, surface.mark).map(|value| value * (0.55 + 0.45 * surface.light))
    }
}

impl Mushroom {
    /// `height` is the usual height and `scatter` how far the foot may lie from the middle, in shares of the picture.
    fn random(kind: Kind, height: f32, scatter: f32, rng: &mut Rng) -> Self {
        let height = height * rng.range(0.75, 1.1);
        let middle = 0.5 + height / 2.0;
        Self {
            shape: Shape::random(kind, rng),
            foot: (0.5 + rng.range(-scatter, scatter), middle + rng.range(-scatter, scatter) / 2.0),
            height,
            tilt: rng.range(-0.3, 0.3),
        }
    }

    fn at(&self, x: f32, y: f32) -> Option<Surface> {
        let (dx, dy) = ((x - self.foot.0) / self.height, (self.foot.1 - y) / self.height);
        let (sin, cos) = self.tilt.sin_cos();
        self.shape.at(cos * dx - sin * dy, sin * dx + cos * dy)
    }
}

impl Ground {
    fn at(&self, x: f32, y: f32) -> Colour {
        let (sin, cos) = self.slant.sin_cos();
        let (u, v) = ((cos * x + sin * y) * self.scale, (cos * y - sin * x) * self.scale);
        let share = match self.texture {
            // Soil.
            0 => rough(u * 7.0, v * 7.0, self.seed),
            // Grass or needles: noise drawn out along one direction.
            1 => rough(u * 26.0, v * 3.0, self.seed),
            // Fallen leaves.
            _ => {
                let (nearest, second, id) = cells(u * 6.0, v * 6.0, self.seed);
                (0.25 + 0.75 * id) * step(second - nearest, 0.0, 0.08)
            }
        };
        mix(self.colours[0], self.colours[1], share)
    }
}

fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|c| a[c] * (1.0 - share) + b[c] * share)
}

/// RGB from hue (in turns, any number), saturation and value (0 to 1).
fn from_hsv(hue: f32, saturation: f32, value: f32) -> Colour {
    let channel = |n: f32| {
        let k = (n + hue.rem_euclid(1.0) * 6.0) % 6.0;
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}
