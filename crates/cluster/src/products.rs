//! Products of all rows with a few others, written down: for seeding and for sampled silhouettes.

use crate::panels::{Panels, Sink, sweep};
use crate::rows::RowsView;
use pulp::Simd;
use rayon::prelude::*;

/// Writes `query . row + bias[row]` for every packed query and every row of a short bank.
///
/// # Shapes
/// - bank: `[k, dim]`, bias: `[k]`
/// - out: `[panels, k, width]`, so `out[(p * k + j) * width + lane]` belongs to query `p * width + lane`
pub(crate) fn products(panels: &Panels, bank: RowsView<'_>, bias: &[f32], out: &mut [f32]) {
    let (width, k) = (panels.width(), bank.len());
    assert_eq!(out.len(), panels.n_panels() * k * width, "one slot per pair");
    out.par_chunks_exact_mut(k * width).enumerate().with_min_len(4).for_each(|(p, out)| {
        sweep(panels, p, bank.data(), 0, &mut Store { out, width, bias });
    });
}

struct Store<'a> {
    out: &'a mut [f32],
    width: usize,
    bias: &'a [f32],
}

impl Sink for Store<'_> {
    #[inline(always)]
    fn take<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        first_row: usize,
        n_valid: usize,
        sums: &[[S::f32s; V]; R],
    ) {
        for (r, sums) in sums.iter().enumerate() {
            if r >= n_valid {
                break;
            }
            let bias = simd.splat_f32s(self.bias[first_row + r]);
            let at = (first_row + r) * self.width;
            let out = &mut S::as_mut_simd_f32s(&mut self.out[at..at + self.width]).0[..V];
            for v in 0..V {
                out[v] = simd.add_f32s(sums[v], bias);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_lie_where_the_layout_says() {
        let queries: Vec<f32> = (0..130 * 3).map(|i| (i % 17) as f32).collect();
        let bank: Vec<f32> = (0..7 * 3).map(|i| (i % 5) as f32).collect();
        let bias: Vec<f32> = (0..7).map(|j| j as f32 * 100.0).collect();
        let (queries, bank) = (RowsView::trusted(&queries, 3), RowsView::trusted(&bank, 3));
        let panels = Panels::pack(queries);
        let width = panels.width();
        let mut out = vec![f32::NAN; panels.n_panels() * 7 * width];
        products(&panels, bank, &bias, &mut out);
        for i in 0..130 {
            for j in 0..7 {
                let expected: f32 = queries.row(i).iter().zip(bank.row(j)).map(|(a, b)| a * b).sum::<f32>() + bias[j];
                assert_eq!(out[(i / width * 7 + j) * width + i % width], expected, "{i} {j}");
            }
        }
    }
}
