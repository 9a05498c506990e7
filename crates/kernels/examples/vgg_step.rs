//! Speed of whole networks built from the kernels alone, with random weights.
//!
//! `cargo run --release -p sporeprint-kernels --example vgg_step -- MODE SIZE BATCH [STEPS]` where MODE is
//! `autoencoder` (VGG16-BN auto-encoder, training step with SGD), `encoder` (forward in evaluation),
//! `aggregate` (encoder forward and backward with SGD), `resnetW` (ResNet-18 of width W, training step) or
//! `resnetWs` (the same with a 3x3 first convolution of stride 2 and no pooling). Prints the median time of a step as one line of JSON.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Int, Tensor};
use sporeprint_kernels::{self as kernels, Activation};

/// Channels of VGG-16's convolutions; 0 is a pooling.
const VGG16: [usize; 18] = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0];
const EPS: f64 = 1e-5;

/// The parameters of a network in the order of their first use, with their momentum.
struct Network {
    device: Device,
    matrices: Vec<(Tensor<4>, Option<Tensor<4>>)>,
    vectors: Vec<(Tensor<1>, Option<Tensor<1>>)>,
    /// Position of the next parameter in a forward pass.
    next: (usize, usize),
}

impl Network {
    fn new(device: &Device) -> Self {
        Self { device: device.clone(), matrices: Vec::new(), vectors: Vec::new(), next: (0, 0) }
    }

    fn matrix(&mut self, shape: [usize; 4]) -> Tensor<4> {
        if self.next.0 == self.matrices.len() {
            let deviation = (2.0 / (shape[1] * shape[2] * shape[3]) as f64).sqrt();
            let random = Tensor::random(shape, Distribution::Normal(0.0, deviation), &self.device);
            self.matrices.push((tracked(random), None));
        }
        self.next.0 += 1;
        self.matrices[self.next.0 - 1].0.clone()
    }

    fn vector(&mut self, len: usize, value: f64) -> Tensor<1> {
        if self.next.1 == self.vectors.len() {
            let constant = Tensor::<1>::ones([len], &self.device) * value;
            self.vectors.push((tracked(constant.detach()), None));
        }
        self.next.1 += 1;
        self.vectors[self.next.1 - 1].0.clone()
    }

    fn conv(&mut self, x: Tensor<4>, outputs: usize, transposed: bool) -> Tensor<4> {
        let inputs = x.dims()[1];
        let shape = if transposed { [inputs, outputs, 3, 3] } else { [outputs, inputs, 3, 3] };
        let (weight, bias) = (self.matrix(shape), self.vector(outputs, 0.0));
        match transposed {
            true => kernels::conv_transpose3x3(x, weight, Some(bias)),
            false => kernels::conv3x3(x, weight, Some(bias)),
        }
    }

    fn norm(&mut self, x: Tensor<4>, activation: Activation, training: bool) -> Tensor<4> {
        let channels = x.dims()[1];
        let (gamma, beta) = (self.vector(channels, 1.0), self.vector(channels, 0.0));
        if training {
            return kernels::batch_norm_train(x, gamma, beta, EPS, activation).0;
        }
        let (mean, var) = (Tensor::zeros([channels], &self.device), Tensor::ones([channels], &self.device));
        kernels::batch_norm_eval(x, gamma, beta, mean, var, EPS, activation)
    }

    fn encode(&mut self, x: Tensor<4>, training: bool) -> (Tensor<4>, Vec<Tensor<4, Int>>) {
        self.next = (0, 0);
        let (mut x, mut places) = (x, Vec::new());
        for channels in VGG16 {
            if channels == 0 {
                let (pooled, indices) = kernels::max_pool2x2(x);
                x = pooled;
                places.push(indices);
            } else {
                x = self.conv(x, channels, false);
                x = self.norm(x, Activation::Relu, training);
            }
        }
        (x, places)
    }

    fn decode(&mut self, x: Tensor<4>, mut places: Vec<Tensor<4, Int>>) -> Tensor<4> {
        let mut x = x;
        for at in (0..VGG16.len()).rev() {
            if VGG16[at] == 0 {
                x = kernels::max_unpool2x2(x, places.pop().expect("one set of indices per pooling"));
                continue;
            }
            let outputs = VGG16[..at].iter().rev().find(|&&channels| channels != 0).copied();
            x = self.conv(x, outputs.unwrap_or(3), true);
            if let Some(_hidden) = outputs {
                x = self.norm(x, Activation::Relu, true);
            }
        }
        x
    }

    /// The encoder's convolutions with random weights and batch norms, prepared for evaluation.
    fn prepare(&mut self) -> Vec<kernels::PreparedConv3x3> {
        let mut inputs = 3;
        let mut layers = Vec::new();
        for channels in VGG16.into_iter().filter(|&channels| channels != 0) {
            let weight = self.matrix([channels, inputs, 3, 3]);
            let [bias, beta, mean] = [0.1, 0.2, 0.3].map(|value| self.vector(channels, value));
            let [gamma, var] = [1.0, 0.9].map(|value| self.vector(channels, value));
            let norm = kernels::NormToFold { gamma, beta, mean, var, eps: EPS };
            layers.push(kernels::PreparedConv3x3::new(weight, Some(bias), Some(norm), Activation::Relu));
            inputs = channels;
        }
        layers
    }

    fn plain_conv(&mut self, x: Tensor<4>, outputs: usize, kernel: usize, stride: usize) -> Tensor<4> {
        let weight = self.matrix([outputs, x.dims()[1], kernel, kernel]);
        kernels::conv2d(x, weight, None, stride, kernel / 2)
    }

    fn resnet18(&mut self, x: Tensor<4>, width: usize, small_stem: bool) -> Tensor<4> {
        self.next = (0, 0);
        let mut x = match small_stem {
            true => {
                let x = self.plain_conv(x, width, 3, 2);
                self.norm(x, Activation::Relu, true)
            }
            false => {
                let x = self.plain_conv(x, width, 7, 2);
                kernels::max_pool3x3s2(self.norm(x, Activation::Relu, true))
            }
        };
        for stage in 0..4 {
            for block in 0..2 {
                let (channels, stride) = (width << stage, if stage > 0 && block == 0 { 2 } else { 1 });
                let (branch, shortcut) = kernels::fork(x);
                x = shortcut;
                let y = self.plain_conv(branch, channels, 3, stride);
                let y = self.norm(y, Activation::Relu, true);
                let y = self.plain_conv(y, channels, 3, 1);
                let y = self.norm(y, Activation::None, true);
                if stride == 2 {
                    x = self.plain_conv(x, channels, 1, 2);
                    x = self.norm(x, Activation::None, true);
                }
                x = kernels::add_relu(x, y);
            }
        }
        x
    }

    fn step(&mut self, loss: Tensor<1>) {
        let mut grads = loss.backward();
        for (param, buf) in &mut self.matrices {
            let grad = param.grad_remove(&mut grads).expect("every parameter has a gradient");
            *param = stepped(param, grad, buf);
        }
        for (param, buf) in &mut self.vectors {
            let grad = param.grad_remove(&mut grads).expect("every parameter has a gradient");
            *param = stepped(param, grad, buf);
        }
    }
}

/// Width of a ResNet-18 and whether it begins with a 3x3 convolution of stride 2: `resnet32`, `resnet40s`.
fn resnet(mode: &str) -> (usize, bool) {
    let small_stem = mode.ends_with('s');
    let width = mode.strip_prefix("resnet").and_then(|rest| rest.trim_end_matches('s').parse().ok());
    (width.unwrap_or_else(|| panic!("unknown mode {mode}")), small_stem)
}

/// A parameter that gathers gradients where the device records them.
fn tracked<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.device().is_autodiff() { tensor.require_grad() } else { tensor }
}

fn prepared_encoder(layers: &[kernels::PreparedConv3x3], mut x: Tensor<4>) -> Tensor<4> {
    let mut layers = layers.iter();
    for channels in VGG16 {
        x = match channels {
            0 => kernels::max_pool2x2(x).0,
            _ => layers.next().expect("one prepared layer per convolution").forward(x),
        };
    }
    x
}

fn stepped<const D: usize>(param: &mut Tensor<D>, grad: Tensor<D>, buf: &mut Option<Tensor<D>>) -> Tensor<D> {
    let placeholder = Tensor::empty([1; D], &param.device());
    let owned = std::mem::replace(param, placeholder).inner();
    let (param, momentum) = kernels::sgd_step(owned, grad, buf.take(), 0.01, 0.9, 0.0);
    *buf = Some(momentum);
    Tensor::from_inner(param).require_grad()
}

/// Most memory this process ever had resident, where the system tells.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes / 1024)
}

fn main() {
    // On a worker thread the kernels start at once; from outside, each would first have to wake the workers.
    let workers = rayon::ThreadPoolBuilder::new().build().expect("threads can be started");
    workers.install(measure);
}

fn measure() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: usize| args.get(at).and_then(|arg| arg.parse().ok()).unwrap_or(default);
    let mode = args.get(1).map_or("autoencoder", String::as_str).to_owned();
    let (size, batch, steps) = (number(2, 64), number(3, 16), number(4, 5));
    let plain = Device::flex();
    let device = if mode == "encoder" { plain.clone() } else { plain.autodiff() };
    let mut network = Network::new(&device);
    let x = Tensor::<4>::random([batch, 3, size, size], Distribution::Normal(0.0, 1.0), &device);
    let layers = if mode == "encoder" { network.prepare() } else { Vec::new() };
    let mut run = || {
        let start = Instant::now();
        let x = x.clone();
        match mode.as_str() {
            "autoencoder" => {
                let (codes, places) = network.encode(x.clone(), true);
                let y = network.decode(codes, places);
                let loss = (y - x).square().mean();
                network.step(loss);
            }
            "encoder" => {
                let _ = prepared_encoder(&layers, x).sum().into_scalar::<f32>();
            }
            "aggregate" => {
                let codes = network.encode(x, true).0;
                network.step(codes.mean());
            }
            other => {
                let (width, small_stem) = resnet(other);
                let codes = network.resnet18(x, width, small_stem);
                network.step(codes.mean());
            }
        }
        start.elapsed().as_secs_f64()
    };
    run();
    let mut times: Vec<f64> = (0..steps).map(|_| run()).collect();
    times.sort_by(f64::total_cmp);
    let median = times[steps / 2];
    let rate = batch as f64 / median;
    let line = format!(
        "{{\"mode\": \"{mode}\", \"size\": {size}, \"batch\": {batch}, \"seconds\": {median:.4}, \
         \"images_per_second\": {rate:.3}, \"peak_mb\": {}}}",
        peak_megabytes()
    );
    std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes()).expect("stdout is open");
}
