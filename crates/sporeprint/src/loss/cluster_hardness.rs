use rayon::prelude::*;

/// Soft assignments of codes to trainable centres, sharpened towards themselves (deep embedded clustering).
///
/// `q_ij = (1 + |z_i - mu_j|^2)^-1 / sum_j' (1 + |z_i - mu_j'|^2)^-1`: a Student t kernel of one degree of freedom.
///
/// # Reference
/// Xie, Girshick, Farhadi 2016, arXiv:1511.06335, equations 1 to 3.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterHardness {
    /// Trainable centres, `[n_clusters, dim]`, row-major.
    pub centres: Vec<f32>,
    dim: usize,
}

/// The target distribution over the whole set, `[n_images, n_clusters]`: a constant for every gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    rows: Vec<f32>,
    n_clusters: usize,
}

/// Loss and both gradients of one batch.
#[derive(Clone, Debug)]
pub struct HardnessGradient {
    /// `KL(p || q)`, mean over the batch.
    pub loss: f32,
    /// On the codes, `[batch, dim]`.
    pub codes: Vec<f32>,
    /// On the centres, `[n_clusters, dim]`.
    pub centres: Vec<f32>,
}

impl Target {
    /// `p_ij = (q_ij^2 / f_j) / sum_j' (q_ij'^2 / f_j')` with `f_j = sum_i q_ij` over all images.
    ///
    /// # Shapes
    /// - `q`: `[n_images, n_clusters]`
    pub fn sharpen(q: &[f32], n_clusters: usize) -> Self {
        let mut frequency = vec![0.0f64; n_clusters];
        for row in q.chunks_exact(n_clusters) {
            frequency.iter_mut().zip(row).for_each(|(f, &q)| *f += f64::from(q));
        }
        let mut rows = q.to_vec();
        rows.par_chunks_exact_mut(n_clusters).for_each(|row| {
            // A centre that nobody leans to has frequency and weight zero; its share is zero, not 0/0.
            row.iter_mut().zip(&frequency).for_each(|(p, f)| *p = if *f > 0.0 { *p * *p / *f as f32 } else { 0.0 });
            let total: f32 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= total);
        });
        Self { rows, n_clusters }
    }

    /// The target of one image, `[n_clusters]`.
    pub fn row(&self, image: u32) -> &[f32] {
        &self.rows[image as usize * self.n_clusters..][..self.n_clusters]
    }

    /// Every row, `[n_images, n_clusters]`.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// A target as a checkpoint held it.
    pub fn from_rows(rows: Vec<f32>, n_clusters: usize) -> Self {
        Self { rows, n_clusters }
    }
}

impl ClusterHardness {
    /// Centres as k-means found them.
    ///
    /// # Panics
    /// When `centres` is not a whole number of rows.
    pub fn new(centres: Vec<f32>, dim: usize) -> Self {
        assert!(dim > 0 && centres.len().is_multiple_of(dim), "{} values are not rows of {dim}", centres.len());
        Self { centres, dim }
    }

    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        self.centres.len() / self.dim
    }

    /// Soft assignments `q`, `[n, n_clusters]`, of codes `[n, dim]`.
    pub fn soft_assignments(&self, codes: &[f32]) -> Vec<f32> {
        let mut q = vec![0.0; codes.len() / self.dim * self.n_clusters()];
        q.par_chunks_exact_mut(self.n_clusters()).zip(codes.par_chunks_exact(self.dim)).for_each(|(row, code)| {
            self.kernel(code, row);
            let total: f32 = row.iter().sum();
            row.iter_mut().for_each(|q| *q /= total);
        });
        q
    }

    /// `L = (1/batch) sum_ij p_ij log(p_ij / q_ij)`, with `p` constant:
    /// `dL/dz_i = (2/batch) sum_j (1 + |z_i - mu_j|^2)^-1 (p_ij - q_ij) (z_i - mu_j)`, and the same with the other
    /// sign, summed over `i`, on `mu_j`.
    ///
    /// # Shapes
    /// - `codes`: `[batch, dim]`; `images`: `[batch]`, the rows of `target` to follow
    /// # Panics
    /// When the shapes do not agree.
    pub fn step(&self, codes: &[f32], images: &[u32], target: &Target) -> HardnessGradient {
        let (batch, k, dim) = (images.len(), self.n_clusters(), self.dim);
        assert_eq!(codes.len(), batch * dim, "one code per image");
        let mut on_codes = vec![0.0; batch * dim];
        let mut on_centres = vec![0.0; k * dim];
        let mut loss = 0.0f64;
        let mut kernel = vec![0.0; k];
        for (i, &image) in images.iter().enumerate() {
            let z = &codes[i * dim..][..dim];
            self.kernel(z, &mut kernel);
            let total: f32 = kernel.iter().sum();
            for (j, (&w, &p)) in kernel.iter().zip(target.row(image)).enumerate() {
                let q = w / total;
                if p > 0.0 {
                    loss += f64::from(p) * f64::from(p / q.max(f32::MIN_POSITIVE)).ln();
                }
                let c = 2.0 / batch as f32 * w * (p - q);
                for d in 0..dim {
                    let step = c * (z[d] - self.centres[j * dim + d]);
                    on_codes[i * dim + d] += step;
                    on_centres[j * dim + d] -= step;
                }
            }
        }
        HardnessGradient { loss: (loss / batch as f64) as f32, codes: on_codes, centres: on_centres }
    }

    fn kernel(&self, code: &[f32], out: &mut [f32]) {
        for (w, centre) in out.iter_mut().zip(self.centres.chunks_exact(self.dim)) {
            *w = 1.0 / (1.0 + code.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum::<f32>());
        }
    }
}
