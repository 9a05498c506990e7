//! Time of one training step of EfficientNet-Lite0 with fixed batch-norm statistics:
//! `lite_step [side] [batch] [steps]` prints a line of JSON.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use sporeprint_kernels::{self as kernels, Activation};

/// Expansion, kernel, stride, outputs and repetitions of every stage.
const STAGES: [[usize; 5]; 7] = [
    [1, 3, 1, 16, 1],
    [6, 3, 2, 24, 2],
    [6, 5, 2, 40, 2],
    [6, 3, 2, 80, 3],
    [6, 5, 1, 112, 3],
    [6, 5, 2, 192, 4],
    [6, 3, 1, 320, 1],
];

/// Parameters in the order of the forward pass, created when first asked for, each with its momentum buffer.
struct Network {
    weights: Vec<(Tensor<4>, Option<Tensor<4>>)>,
    vectors: Vec<(Tensor<1>, Option<Tensor<1>>)>,
    next: (usize, usize),
    device: Device,
}

impl Network {
    fn weight(&mut self, shape: [usize; 4]) -> Tensor<4> {
        if self.next.0 == self.weights.len() {
            let deviation = (2.0 / (shape[1] * shape[2] * shape[3]) as f64).sqrt();
            let weight = Tensor::random(shape, Distribution::Normal(0.0, deviation), &self.device);
            self.weights.push((weight.require_grad(), None));
        }
        self.next.0 += 1;
        self.weights[self.next.0 - 1].0.clone()
    }

    fn vector(&mut self, channels: usize, value: f64) -> Tensor<1> {
        if self.next.1 == self.vectors.len() {
            let vector = Tensor::ones([channels], &self.device) * value;
            self.vectors.push((vector.detach().require_grad(), None));
        }
        self.next.1 += 1;
        self.vectors[self.next.1 - 1].0.clone()
    }

    /// Convolution, batch norm and activation of one layer.
    fn layer(
        &mut self,
        x: Tensor<4>,
        outputs: usize,
        kernel: usize,
        stride: usize,
        depthwise: bool,
        activation: Activation,
    ) -> Tensor<4> {
        let inputs = if depthwise { 1 } else { x.dims()[1] };
        let weight = self.weight([outputs, inputs, kernel, kernel]);
        let (gamma, beta) = (self.vector(outputs, 1.0), self.vector(outputs, 0.0));
        let (mean, var) = (Tensor::zeros([outputs], &self.device), Tensor::ones([outputs], &self.device));
        let (weight, bias) = kernels::fold_batch_norm(weight, gamma, beta, mean, var, 1e-3);
        match depthwise {
            true => kernels::depthwise_activated(x, weight, bias, stride, activation),
            false => kernels::conv2d_same_activated(x, weight, bias, stride, activation),
        }
    }

    fn forward(&mut self, x: Tensor<4>) -> Tensor<4> {
        self.next = (0, 0);
        let mut x = self.layer(x, 32, 3, 2, false, Activation::Relu6);
        for [expansion, kernel, first_stride, outputs, repetitions] in STAGES {
            for repetition in 0..repetitions {
                let (inputs, stride) = (x.dims()[1], if repetition == 0 { first_stride } else { 1 });
                let joins = stride == 1 && inputs == outputs;
                let (mut y, shortcut) = if joins { kernels::fork(x) } else { (x.clone(), x) };
                if expansion > 1 {
                    y = self.layer(y, inputs * expansion, 1, 1, false, Activation::Relu6);
                }
                y = self.layer(y, inputs * expansion, kernel, stride, true, Activation::Relu6);
                y = self.layer(y, outputs, 1, 1, false, Activation::None);
                x = if joins { kernels::add(y, shortcut) } else { y };
            }
        }
        self.layer(x, 1280, 1, 1, false, Activation::Relu6)
    }

    fn step(&mut self, loss: Tensor<1>) {
        let mut grads = loss.backward();
        let (weights, vectors) = (&mut self.weights, &mut self.vectors);
        weights.iter_mut().for_each(|(param, buf)| stepped(param, param.grad_remove(&mut grads), buf));
        vectors.iter_mut().for_each(|(param, buf)| stepped(param, param.grad_remove(&mut grads), buf));
    }
}

fn stepped<const D: usize>(param: &mut Tensor<D>, grad: Option<Tensor<D>>, buf: &mut Option<Tensor<D>>) {
    let grad = grad.expect("every parameter has a gradient");
    let owned = std::mem::replace(param, Tensor::empty([1; D], &grad.device())).inner();
    let (updated, momentum) = kernels::sgd_step(owned, grad, buf.take(), 1e-3, 0.9, 0.0);
    *buf = Some(momentum);
    *param = Tensor::from_inner(updated).require_grad();
}

fn main() {
    // On a worker thread the kernels start at once; from outside, each would first have to wake the workers.
    rayon::ThreadPoolBuilder::new().build().expect("threads can be started").install(measure);
}

fn measure() {
    let args: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let number = |at: usize, default: usize| args.get(at).copied().unwrap_or(default);
    let (side, batch, steps) = (number(0, 224), number(1, 16), number(2, 5).max(1));
    let device = Device::flex().autodiff();
    let mut network = Network { weights: Vec::new(), vectors: Vec::new(), next: (0, 0), device: device.clone() };
    let x = Tensor::<4>::random([batch, 3, side, side], Distribution::Normal(0.0, 1.0), &device);
    let mut run = || {
        let start = Instant::now();
        let loss = network.forward(x.clone()).mean();
        let forward = start.elapsed().as_secs_f64();
        network.step(loss);
        (start.elapsed().as_secs_f64(), forward)
    };
    run();
    let mut times: Vec<(f64, f64)> = (0..steps).map(|_| run()).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (seconds, forward) = times[steps / 2];
    let line = format!(
        "{{\"side\": {side}, \"batch\": {batch}, \"seconds\": {seconds:.4}, \"forward\": {forward:.4}, \
         \"images_per_second\": {:.2}}}\n",
        batch as f64 / seconds
    );
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("stdout is open");
}
