//! The six kinds: outline and markings of one mushroom.
//!
//! Coordinates: x from the axis, y upwards from the foot, the mushroom about one unit high. `mark` at a point is how much
//! of the second colour it has; nothing else tells kinds apart.

use sporeprint_cluster::Rng;

use super::noise::{cells, smooth};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bracket,
    Chanterelle,
    Coral,
    FlyAgaric,
    Morel,
    Puffball,
}

/// What is seen at a point of a mushroom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    /// On the stem rather than on the cap.
    pub(super) stem: bool,
    /// Share of the markings' colour, 0 to 1.
    pub(super) mark: f32,
    /// Light, 0 (in shadow) to 1.
    pub(super) light: f32,
}

/// One mushroom with what varies within its kind.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    kind: Kind,
    seed: u32,
    /// Width of the cap against the usual one.
    breadth: f32,
    /// Number of markings against the usual one.
    density: f32,
    /// Sideways bend of the stem at height 1.
    bend: f32,
    branches: Vec<Branch>,
}

#[derive(Debug, Clone, Copy)]
struct Branch {
    from: (f32, f32),
    to: (f32, f32),
    radius: f32,
}

impl Shape {
    pub(super) fn random(kind: Kind, rng: &mut Rng) -> Self {
        let seed = rng.next_u64() as u32;
        let (breadth, density) = (rng.range(0.85, 1.15), rng.range(0.85, 1.2));
        let bend = rng.range(-0.08, 0.08);
        let mut branches = Vec::new();
        if kind == Kind::Coral {
            grow(&mut branches, (0.0, 0.0), std::f32::consts::FRAC_PI_2, 0.3, 0.075, 4, rng);
        }
        Self { kind, seed, breadth, density, bend, branches }
    }

    /// What is seen at (x, y); nothing beside the mushroom.
    pub(super) fn at(&self, x: f32, y: f32) -> Option<Surface> {
        if !(-0.05..=1.15).contains(&y) || x.abs() > 0.75 {
            return None;
        }
        let x = x - self.bend * y * y;
        match self.kind {
            Kind::Bracket => self.bracket(x, y),
            Kind::Chanterelle => self.chanterelle(x, y),
            Kind::Coral => self.coral(x, y),
            Kind::FlyAgaric => self.fly_agaric(x, y),
            Kind::Morel => self.morel(x, y),
            Kind::Puffball => self.puffball(x, y),
        }
    }

    /// Two shelves one above the other, flat below, with bands along the rim.
    fn bracket(&self, x: f32, y: f32) -> Option<Surface> {
        let shelf = |foot: f32, size: f32, shift: f32| {
            let (u, v) = ((x - shift) / (0.56 * size * self.breadth), (y - foot) / (0.4 * size));
            let radius = u.hypot(v);
            (v >= -0.08 && radius <= 1.0).then(|| {
                let wobble = 0.06 * smooth(u * 3.0, v * 3.0, self.seed);
                let band = ((radius + wobble) * 5.0 * self.density * std::f32::consts::TAU).sin();
                Surface { stem: v < 0.0, mark: step(band, 0.1, 0.4), light: 0.6 + 0.4 * v }
            })
        };
        shelf(0.08, 1.0, 0.0).or_else(|| shelf(0.52, 0.85, 0.08))
    }

    /// A funnel with a wavy rim and ridges running down it.
    fn chanterelle(&self, x: f32, y: f32) -> Option<Surface> {
        let width = 0.08 + 0.44 * self.breadth * y.max(0.0).powf(2.0);
        let rim = 0.88 + 0.06 * (x * 13.0 + self.seed as f32 % 6.0).sin();
        if x.abs() > width || y < 0.0 || y > rim {
            return None;
        }
        let across = x / width;
        let ridge = (across.asin() * 7.0 * self.density * 2.0).sin();
        let mark = step(ridge, 0.0, 0.4) * step(y, 0.18, 0.3) * (1.0 - step(y, rim - 0.1, rim - 0.07));
        Some(Surface { stem: y < 0.25, mark, light: 1.0 - 0.5 * across * across })
    }

    /// A trunk that forks again and again.
    fn coral(&self, x: f32, y: f32) -> Option<Surface> {
        self.branches.iter().enumerate().find_map(|(i, branch)| {
            let (dx, dy) = (branch.to.0 - branch.from.0, branch.to.1 - branch.from.1);
            let along = (((x - branch.from.0) * dx + (y - branch.from.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            let beside = (x - branch.from.0 - along * dx).hypot(y - branch.from.1 - along * dy) / branch.radius;
            // The last half of the branches are the tips.
            let tip = if i >= self.branches.len() / 2 { step(along, 0.4, 0.8) } else { 0.0 };
            (beside <= 1.0).then_some(Surface { stem: i == 0, mark: tip, light: 1.0 - 0.5 * beside * beside })
        })
    }

    /// A dome with spots on a straight stem with a ring.
    fn fly_agaric(&self, x: f32, y: f32) -> Option<Surface> {
        let (u, v) = (x / (0.52 * self.breadth), (y - 0.55) / 0.4);
        if v >= -0.12 * (1.0 - u * u) && u.hypot(v) <= 1.0 {
            // Spots crowd towards the rim as on a dome seen from the side.
            let (du, dv) = (u.clamp(-1.0, 1.0).asin() * 2.4, v.clamp(-1.0, 1.0).asin() * 2.0);
            let (nearest, _, id) = cells(du * self.density * 1.1, dv * self.density * 1.1, self.seed);
            let spot = 1.0 - step(nearest, 0.26 + 0.1 * id, 0.32 + 0.1 * id);
            return Some(Surface { stem: false, mark: spot, light: 0.65 + 0.35 * v - 0.2 * u * u });
        }
        let stem = 0.085 + 0.05 * (0.3 - y).max(0.0);
        let ring = (y - 0.38).abs() < 0.035;
        let width = if ring { stem + 0.07 } else { stem };
        (x.abs() <= width && (0.0..=0.56).contains(&y)).then(|| Surface {
            stem: true,
            mark: 0.0,
            light: 0.9 - 0.5 * (x / width).powi(2),
        })
    }

    /// A tall cap of pits between ridges on a stout stem.
    fn morel(&self, x: f32, y: f32) -> Option<Surface> {
        let (u, v) = (x / (0.3 * self.breadth), (y - 0.64) / 0.4);
        if u.hypot(v) <= 1.0 {
            let (nearest, second, _) = cells(u * 2.4 * self.density, v * 3.0 * self.density, self.seed);
            let ridge = 1.0 - step(second - nearest, 0.12, 0.28);
            return Some(Surface { stem: false, mark: ridge, light: 1.0 - 0.45 * u * u });
        }
        let width = 0.15 + 0.02 * smooth(y * 8.0, 0.0, self.seed);
        (x.abs() <= width && (0.0..=0.4).contains(&y)).then(|| Surface {
            stem: true,
            mark: 0.0,
            light: 0.9 - 0.5 * (x / width).powi(2),
        })
    }

    /// A ball on the ground, strewn with fine warts.
    fn puffball(&self, x: f32, y: f32) -> Option<Surface> {
        let (u, v) = (x / (0.46 * self.breadth), (y - 0.4) / 0.43);
        let radius = u.hypot(v);
        (radius <= 1.0).then(|| {
            let bulge = 1.0 / (1.3 - 0.5 * radius * radius);
            let (nearest, _, _) = cells(u * 7.0 * self.density * bulge, v * 7.0 * self.density * bulge, self.seed);
            let wart = 1.0 - step(nearest, 0.16, 0.26);
            Surface { stem: v < -0.85, mark: wart, light: 1.0 - 0.6 * (u - 0.2).hypot(v - 0.3).powi(2) * 0.6 }
        })
    }
}

/// Smooth step from 0 at `low` to 1 at `high`.
pub(super) fn step(value: f32, low: f32, high: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Adds a branch and what grows from it; breadth first, so that tips come last.
fn grow(out: &mut Vec<Branch>, root: (f32, f32), angle: f32, length: f32, radius: f32, depth: usize, rng: &mut Rng) {
    let mut level = vec![(root, angle)];
    let (mut length, mut radius) = (length, radius);
    for generation in 0..=depth {
        let mut next = Vec::new();
        for (from, angle) in level {
            let reach = length * rng.range(0.85, 1.15);
            let to = (from.0 + reach * angle.cos(), from.1 + reach * angle.sin());
            out.push(Branch { from, to, radius });
            let spread = if generation == 0 { 0.55 } else { 0.42 };
            for side in [-1.0, 1.0] {
                next.push((to, angle + side * spread * rng.range(0.7, 1.3)));
            }
        }
        level = next;
        (length, radius) = (length * 0.84, radius * 0.74);
    }
}
