//! Codes of whitened patches over a dictionary learnt from the folder by k-means.

use rayon::prelude::*;
use sporeprint_cluster::{KMeans, Pca, Rng, RowsView, Silent};

use super::SIDE;
use crate::encoder::NamedTensor;

const PATCH: usize = 6;
const PATCH_DIM: usize = PATCH * PATCH * 3;
/// Pixels between two patches of an image.
const STEP: usize = 2;
const PER_SIDE: usize = (SIDE - PATCH) / STEP + 1;
/// Added to a patch's variance, so that flat ones do not become noise: 10 of 255^2, as published.
const FLAT: f32 = 10.0 / (255.0 * 255.0);
/// Principal components kept: more are noise that whitening would blow up.
const COMPONENTS: usize = 64;
/// Atoms of the dictionary.
const ATOMS: usize = 256;
/// Patches that it is learnt from.
const LEARNT_FROM: usize = 40_000;

/// Whitening and centroids: what an image's patches are compared with.
///
/// # Reference
/// Coates, Lee and Ng 2011, "An analysis of single-layer networks in unsupervised feature learning"; Coates and Ng 2012.
/// Differs: PCA instead of ZCA whitening (a rotation, which k-means does not see), patches at every second pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchDictionary {
    /// `[PATCH_DIM]`
    mean: Vec<f32>,
    /// `[components, PATCH_DIM]`, each divided by its standard deviation.
    whitening: Vec<f32>,
    /// `[atoms, components]`
    atoms: Vec<f32>,
    components: usize,
}

/// Why no dictionary can be learnt.
#[derive(Debug, thiserror::Error)]
#[error("cannot learn a dictionary of patches from these pictures: {0}")]
pub struct PatchError(#[from] sporeprint_cluster::Error);

impl PatchDictionary {
    /// Learns a dictionary from pictures, from a sample of their patches.
    ///
    /// # Shapes
    /// - `picture(i)`: `[32, 32, 3]` in 0..1, for `i` below `n_pictures`
    /// # Errors
    /// When there are no pictures.
    pub fn learn(
        n_pictures: usize,
        picture: &(dyn Fn(usize) -> Vec<f32> + Sync),
        seed: u64,
    ) -> Result<Self, PatchError> {
        let each = LEARNT_FROM.div_ceil(n_pictures.max(1)).clamp(1, PER_SIDE * PER_SIDE);
        let taken = n_pictures.min(LEARNT_FROM);
        let patches: Vec<f32> = (0..taken)
            .into_par_iter()
            .flat_map_iter(|i| {
                let pixels = picture(i);
                let mut rng = Rng::keyed(seed, &[0x70_61_74_63_68, i as u64]);
                (0..each)
                    .flat_map(|_| patch(&pixels, rng.below(SIDE - PATCH + 1), rng.below(SIDE - PATCH + 1)))
                    .collect::<Vec<f32>>()
            })
            .collect();
        let rows = RowsView::new(&patches, PATCH_DIM)?;
        let pca = Pca { n_components: COMPONENTS, seed }.fit(rows, &Silent)?;
        let white = pca.transform(rows, 1.0)?;
        let n_atoms = ATOMS.min(white.len());
        let run = KMeans { max_iter: 30, seed, spherical: true, ..KMeans::new(n_atoms) }.fit(white.view(), &Silent)?;
        let floor = 1e-10 * pca.variances().first().copied().unwrap_or(0.0);
        let scale = |v: f64| if v > floor { (1.0 / v.sqrt()) as f32 } else { 0.0 };
        let whitening = (pca.components().view().iter().zip(pca.variances()))
            .flat_map(|(component, &v)| component.iter().map(move |x| x * scale(v)))
            .collect();
        let components = white.dim();
        Ok(Self { mean: pca.mean().to_vec(), whitening, atoms: run.centroids.into_data(), components })
    }

    /// What was learnt, to keep in a file.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let n = self.components;
        let named = |name: &str, shape, data: &[f32]| NamedTensor { name: name.to_owned(), shape, data: data.to_vec() };
        vec![
            named("dictionary.mean", vec![PATCH_DIM], &self.mean),
            named("dictionary.whitening", vec![n, PATCH_DIM], &self.whitening),
            named("dictionary.atoms", vec![self.atoms.len() / n, n], &self.atoms),
        ]
    }

    /// The dictionary from what [`tensors`](Self::tensors) gave; nothing when tensors are missing or have other shapes.
    pub fn from_tensors(tensors: &[NamedTensor]) -> Option<Self> {
        let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
        let (mean, whitening, atoms) =
            (find("dictionary.mean")?, find("dictionary.whitening")?, find("dictionary.atoms")?);
        let components = *whitening.shape.first()?;
        let fits = mean.shape == [PATCH_DIM]
            && whitening.shape == [components, PATCH_DIM]
            && atoms.shape.len() == 2
            && atoms.shape[1] == components
            && components > 0
            && atoms.shape[0] > 0;
        let data = |tensor: &NamedTensor| tensor.data.clone();
        fits.then(|| Self { mean: data(mean), whitening: data(whitening), atoms: data(atoms), components })
    }

    /// Length of a picture's codes: one value per quadrant and atom.
    pub fn dim(&self) -> usize {
        4 * self.atoms.len() / self.components
    }

    /// Codes of one picture: for every atom and quadrant, the mean over patches of how much nearer than usual the atom is.
    ///
    /// `f_a = max(0, mean_b z_b - z_a)` with `z_a` the distance of the whitened patch to atom `a` ("triangle" activation).
    ///
    /// # Shapes
    /// - `pixels`: `[32, 32, 3]` in 0..1; result: `[4, atoms]`, flat
    pub fn encode(&self, pixels: &[f32]) -> Vec<f32> {
        let n_atoms = self.atoms.len() / self.components;
        let lengths: Vec<f32> =
            self.atoms.chunks_exact(self.components).map(|atom| atom.iter().map(|x| x * x).sum()).collect();
        let mut out = vec![0.0; 4 * n_atoms];
        let mut white = vec![0.0f32; self.components];
        let mut distances = vec![0.0f32; n_atoms];
        for y in 0..PER_SIDE {
            for x in 0..PER_SIDE {
                let patch = patch(pixels, x * STEP, y * STEP);
                let centred: Vec<f32> = patch.iter().zip(&self.mean).map(|(p, m)| p - m).collect();
                for (white, row) in white.iter_mut().zip(self.whitening.chunks_exact(PATCH_DIM)) {
                    *white = dot(row, &centred);
                }
                let own: f32 = dot(&white, &white);
                for ((distance, atom), length) in
                    distances.iter_mut().zip(self.atoms.chunks_exact(self.components)).zip(&lengths)
                {
                    *distance = (own + length - 2.0 * dot(atom, &white)).max(0.0).sqrt();
                }
                let usual = distances.iter().sum::<f32>() / n_atoms as f32;
                let quadrant = usize::from(y >= PER_SIDE / 2) * 2 + usize::from(x >= PER_SIDE / 2);
                let out = &mut out[quadrant * n_atoms..][..n_atoms];
                out.iter_mut().zip(&distances).for_each(|(out, z)| *out += (usual - z).max(0.0));
            }
        }
        let n_patches = (PER_SIDE * PER_SIDE) as f32 / 4.0;
        out.iter_mut().for_each(|value| *value /= n_patches);
        out
    }
}

/// One patch, its mean taken off and divided by its deviation.
fn patch(pixels: &[f32], x: usize, y: usize) -> [f32; PATCH_DIM] {
    let mut out = [0.0; PATCH_DIM];
    for (row, out) in out.chunks_exact_mut(PATCH * 3).enumerate() {
        out.copy_from_slice(&pixels[((y + row) * SIDE + x) * 3..][..PATCH * 3]);
    }
    let mean = out.iter().sum::<f32>() / PATCH_DIM as f32;
    out.iter_mut().for_each(|value| *value -= mean);
    let deviation = (out.iter().map(|v| v * v).sum::<f32>() / PATCH_DIM as f32 + FLAT).sqrt();
    out.iter_mut().for_each(|value| *value /= deviation);
    out
}

/// Eight sums side by side, which the compiler turns into vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes, across or down, with a little noise.
    fn stripes(i: usize) -> Vec<f32> {
        let mut rng = Rng::new(i as u64);
        let value = |at: usize| if i.is_multiple_of(2) { at % SIDE } else { at / SIDE };
        (0..SIDE * SIDE)
            .flat_map(|at| {
                let light = if (value(at) / 2).is_multiple_of(2) { 0.8 } else { 0.2 } + rng.range(-0.05, 0.05);
                [light, light, 0.5 * light]
            })
            .collect()
    }

    #[test]
    fn textures_are_told_apart_and_the_dictionary_is_the_same_for_a_seed() {
        let dictionary = PatchDictionary::learn(12, &stripes, 4).expect("pictures");
        assert_eq!(dictionary, PatchDictionary::learn(12, &stripes, 4).expect("pictures"));
        let codes: Vec<Vec<f32>> = (0..12).map(|i| dictionary.encode(&stripes(i))).collect();
        assert_eq!(codes[0].len(), dictionary.dim());
        let distance = |a: usize, b: usize| codes[a].iter().zip(&codes[b]).map(|(x, y)| (x - y).powi(2)).sum::<f32>();
        let same = distance(0, 2).max(distance(1, 3));
        assert!(distance(0, 1) > 2.0 * same, "{} {same}", distance(0, 1));
    }

    #[test]
    fn flat_pictures_have_codes_too() {
        let flat = |_: usize| vec![0.5; SIDE * SIDE * 3];
        let dictionary = PatchDictionary::learn(3, &flat, 0).expect("pictures");
        assert!(dictionary.encode(&flat(0)).iter().all(|v| v.is_finite()));
    }
}
