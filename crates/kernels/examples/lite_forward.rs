//! Speed of EfficientNet-Lite0 in evaluation up to the mean of its last map, with random weights.
//!
//! `cargo run --release -p sporeprint-kernels --example lite_forward -- SIZE BATCH [STEPS]` prints one line of JSON; the number of
//! threads is that of `RAYON_NUM_THREADS`. `benches/peers/onnx_lite.py` is the same in ONNX Runtime, `benches/lite.sh` runs both in turns.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use sporeprint_kernels::{Activation, ChainStep, ConvToFold, NormToFold, PreparedChain};

/// Expansion, kernel, stride, output channels and repetitions of the blocks (Tan and Le 2019, table 1, at the widths of Lite0).
const BLOCKS: [[usize; 5]; 7] = [
    [1, 3, 1, 16, 1],
    [6, 3, 2, 24, 2],
    [6, 5, 2, 40, 2],
    [6, 3, 2, 80, 3],
    [6, 5, 1, 112, 3],
    [6, 5, 2, 192, 4],
    [6, 3, 1, 320, 1],
];

fn conv(shape: [usize; 4], stride: usize, activation: Activation, device: &Device) -> ConvToFold {
    let [outputs, inputs, kernel, _] = shape;
    let deviation = (2.0 / (inputs * kernel * kernel) as f64).sqrt();
    let (zeros, ones) = (|| Tensor::zeros([outputs], device), || Tensor::ones([outputs], device));
    ConvToFold {
        weight: Tensor::random(shape, Distribution::Normal(0.0, deviation), device),
        norm: NormToFold { gamma: ones(), beta: zeros(), mean: zeros(), var: ones(), eps: 1e-3 },
        depthwise: inputs == 1,
        stride,
        activation,
    }
}

fn lite0(device: &Device) -> PreparedChain {
    let relu6 = |shape, stride| conv(shape, stride, Activation::Relu6, device);
    let mut steps = vec![ChainStep::Conv(relu6([32, 3, 3, 3], 2))];
    let mut inputs = 32;
    for [ratio, kernel, first_stride, outputs, count] in BLOCKS {
        for block in 0..count {
            let stride = if block == 0 { first_stride } else { 1 };
            let wide = inputs * ratio;
            steps.push(ChainStep::InvertedResidual {
                expand: (ratio > 1).then(|| relu6([wide, inputs, 1, 1], 1)),
                depthwise: relu6([wide, 1, kernel, kernel], stride),
                project: conv([outputs, wide, 1, 1], 1, Activation::None, device),
                residual: stride == 1 && inputs == outputs,
            });
            inputs = outputs;
        }
    }
    steps.push(ChainStep::Conv(relu6([1280, inputs, 1, 1], 1)));
    PreparedChain::new(steps)
}

#[allow(clippy::print_stdout, reason = "the result")]
fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [size, batch, ref rest @ ..] = arguments[..] else {
        println!("usage: lite_forward SIZE BATCH [STEPS]");
        return;
    };
    let steps = rest.first().copied().unwrap_or(20).max(1);
    let device = Device::flex();
    let network = lite0(&device);
    let images = Tensor::<4>::random([batch, 3, size, size], Distribution::Normal(0.0, 1.0), &device);
    let run = || network.mean(images.clone()).into_data();
    run();
    let mut seconds: Vec<f64> = (0..steps)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let speed = |seconds: f64| batch as f64 / seconds;
    println!(
        "{{\"peer\": \"here\", \"size\": {size}, \"batch\": {batch}, \"threads\": {}, \"images_per_second\": {:.1}, \"median\": {:.1}}}",
        rayon::current_num_threads(),
        speed(seconds[0]),
        speed(seconds[steps / 2]),
    );
}
