use burn::tensor::Device;
use sporeprint_cluster::{Error, Metric, Progress, Rng, RowsView, Step, nearest};

use super::{CodesHead, Head, SCALE, check_finite, falling, joined, tensor};
use crate::bank::MemoryBank;
use crate::config::SgdConfig;
use crate::config::{AggregateConfig, Objective};
use crate::encoder::{Linear, trained, values};
use crate::loss::{UnitCodes, local_aggregation};
use crate::neighbors::NeighborSets;
use crate::train::aggregate::{EPSILON, clusterings, principal_components};
use crate::train::proportions::Proportions;
use crate::train::sgd::{InTraining, Sgd};

const EPOCHS: usize = 15;
const BATCH: usize = 64;
const LEARNING_RATE: f64 = 0.03;
/// Length of a head's codes, as the trained networks' heads have.
const DIM: usize = 128;

impl CodesHead {
    /// Unit codes, `[n, dim]` and `dim`, of a head that Local Aggregation has trained over a memory bank of the head's own codes.
    ///
    /// Background and close neighbours, temperature and loss are those of the training of encoders, with sizes fitted to the rows;
    /// there are no views, for rows have none. A linear head starts from the principal components of the rows.
    ///
    /// # Shapes
    /// - rows: `[n, dim]`, unit rows
    /// # Errors
    /// - the rows cannot be clustered, a loss that is not finite, or `progress` asks to stop
    pub fn codes(&self, rows: RowsView<'_>, progress: &dyn Progress) -> Result<(Vec<f32>, usize), Error> {
        let Self { n_layers, seed, .. } = *self;
        let (n, device) = (rows.len(), Device::flex().autodiff());
        let dim = DIM.min(rows.dim()).min(n);
        let config = AggregateConfig::from_scratch();
        let mut head = Head::init(rows.dim(), dim, n_layers, seed, &device);
        if n_layers == 1 {
            head.last = principal(rows, dim, seed, &device)?;
        }
        let mut head = InTraining::new(head);
        let mut bank = MemoryBank::primed(head.of_all(rows), dim);
        let mut sgd = Sgd::new(SgdConfig { momentum: 0.9, weight_decay: 0.0 });
        let sizes = Proportions::fit(RowsView::new(bank.rows(), dim)?, &config, seed, 0)?;
        let total = EPOCHS * n.div_ceil(BATCH);
        let learning_rate = falling(LEARNING_RATE, total);
        let mut order: Vec<u32> = (0..n as u32).collect();
        let mut step = 0;
        for epoch in 0..EPOCHS {
            Rng::for_stage(seed, "head epochs", epoch as u64).shuffle(&mut order);
            let found = clusterings(RowsView::new(bank.rows(), dim)?, &config, sizes.centroids, seed, step as u64)?;
            for images in order.chunks(BATCH) {
                let outputs = head.forward(tensor(rows, images, &device));
                let codes = UnitCodes::new(&values(outputs.clone().inner()), dim);
                let queries = RowsView::new(codes.rows(), dim)?;
                let background = nearest(queries, RowsView::new(bank.rows(), dim)?, sizes.background, Metric::Dot)?;
                let sets = NeighborSets::intersect(images, background, &found).bounded(
                    images,
                    config.fewest_close,
                    config.largest_close,
                );
                let temperature = config.temperature(Objective::LocalAggregation);
                let loss = local_aggregation(&codes, &bank, &sets, temperature, EPSILON).code_loss;
                check_finite(loss.loss)?;
                let mut gradients = joined(outputs, loss.gradient, &device).backward();
                sgd.step_in_place(&mut head, &mut gradients, learning_rate.at(step as f64));
                bank.update(images, codes.rows(), config.mixing_rate);
                step += 1;
                if progress.report(Step { stage: "head", done: step, total, value: f64::from(loss.loss) }).is_break() {
                    return Err(Error::Cancelled { stage: "head" });
                }
            }
        }
        Ok((UnitCodes::new(&head.of_all(rows), dim).rows().to_vec(), dim))
    }
}

/// `W (x - mean)` with the first components of the rows, as [`tensor`] scales them.
fn principal(rows: RowsView<'_>, dim: usize, seed: u64, device: &Device) -> Result<Linear, Error> {
    let (weight, mut bias) = principal_components(rows, dim, seed)?;
    bias.iter_mut().for_each(|b| *b *= SCALE);
    Ok(Linear { weight: trained(weight, [dim, rows.dim()], device), bias: trained(bias, [dim], device) })
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Mutex;

    use super::*;
    use crate::config::HeadObjective;

    #[test]
    fn the_loss_falls_and_codes_stay_on_the_sphere() {
        let (n, k, dim) = (300, 5, 16);
        let mut rng = Rng::new(2);
        let centres: Vec<f64> = (0..k * dim).map(|_| rng.normal()).collect();
        let data: Vec<f32> =
            (0..n * dim).map(|at| (centres[at / dim % k * dim + at % dim] + 0.7 * rng.normal()) as f32).collect();
        let data = UnitCodes::new(&data, dim).rows().to_vec();
        for n_layers in [1, 2] {
            let losses = Mutex::new(Vec::new());
            let watch = |step: Step| {
                losses.lock().expect("no panic while it is held").push(step.value);
                ControlFlow::Continue(())
            };
            let head = CodesHead { objective: HeadObjective::LocalAggregation, n_layers, seed: 1 };
            let (codes, width) = head.codes(RowsView::new(&data, dim).expect("finite rows"), &watch).expect("codes");
            let losses = losses.into_inner().expect("no panic while it was held");
            let per_epoch = losses.len() / EPOCHS;
            let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
            let (first, last) = (mean(&losses[..per_epoch]), mean(&losses[losses.len() - per_epoch..]));
            assert!(last < 0.9 * first, "{n_layers} layers: {last}, at first {first}");
            let lengths = codes.chunks_exact(width).map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt());
            assert!(lengths.into_iter().all(|length| (length - 1.0).abs() <= 1e-5));
        }
    }
}
