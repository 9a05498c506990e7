//! Heads on codes that stay as they are: a linear map or two layers, trained in seconds.

mod aggregation;
mod consistency;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use sporeprint_cluster::{Error, RowsView};

use crate::config::{HeadObjective, LearningRate, Schedule};
use crate::encoder::{Generator, Linear, values};

/// A head to be trained on codes that are finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodesHead {
    /// What it learns.
    pub objective: HeadObjective,
    /// 1: a linear map; 2: a hidden layer of 256 between.
    pub n_layers: usize,
    /// Seed of weights and batches.
    pub seed: u64,
}

/// Units of the hidden layer of a head of two.
const HIDDEN: usize = 256;

/// Unit codes differ by less than one; scores that name clusters need more.
const SCALE: f32 = 10.0;

/// `y = W x + b`, or `y = W relu(V x + c) + b`.
#[derive(Module, Debug)]
struct Head {
    first: Option<Linear>,
    last: Linear,
}

impl Head {
    fn init(n_in: usize, n_out: usize, n_layers: usize, seed: u64, device: &Device) -> Self {
        let mut generator = Generator::new(seed, "head on codes");
        let first = (n_layers > 1).then(|| Linear::init(n_in, HIDDEN, &mut generator, device));
        let n_in = if first.is_some() { HIDDEN } else { n_in };
        Self { first, last: Linear::init(n_in, n_out, &mut generator, device) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.last.forward(match &self.first {
            Some(first) => relu(first.forward(x)),
            None => x,
        })
    }

    /// What the head makes of all rows, `[n, n_out]`, in batches that bound the memory.
    fn of_all(&self, rows: RowsView<'_>) -> Vec<f32> {
        let head = self.valid();
        let device = Device::flex();
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        all.chunks(4096).flat_map(|batch| values(head.forward(tensor(rows, batch, &device)))).collect()
    }
}

/// Some of the rows, scaled.
fn tensor(rows: RowsView<'_>, images: &[u32], device: &Device) -> Tensor<2> {
    let mut data = Vec::with_capacity(images.len() * rows.dim());
    images.iter().for_each(|&image| data.extend(rows.row(image as usize).iter().map(|x| SCALE * x)));
    Tensor::from_data(TensorData::new(data, [images.len(), rows.dim()]), device)
}

/// `sum(outputs * gradient)`, whose gradient on the outputs is the one given.
fn joined(outputs: Tensor<2>, gradient: Vec<f32>, device: &Device) -> Tensor<1> {
    let shape = outputs.dims();
    (outputs * Tensor::from_data(TensorData::new(gradient, shape), device)).sum()
}

/// Half a cosine from the base to nothing, counted in steps.
fn falling(base: f64, n_steps: usize) -> LearningRate {
    LearningRate { base, warm_up: 0.0, schedule: Schedule::Cosine { epochs: n_steps as f64, floor: 0.0 } }
}

/// A loss that is not finite: codes of that kind cannot be learnt from.
fn check_finite(loss: f32) -> Result<(), Error> {
    if loss.is_finite() {
        return Ok(());
    }
    let (found, expected) = (format!("a head whose loss is {loss}"), "codes that it can learn from".to_owned());
    Err(Error::Setting { name: "cluster.head", found, expected })
}
