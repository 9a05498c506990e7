//! The same bytes for any number of threads.

use sporeprint_kernels::{
    Activation, batch_norm_train, conv_transpose3x3, conv2d, conv2d_same_activated, conv3x3, depthwise, max_pool2x2,
};

use crate::reference::{device, numbers, tensor, values};

/// A small network's output and every gradient.
fn run() -> Vec<Vec<f32>> {
    let device = device();
    let random = |seed, shape: [usize; 4]| tensor(&numbers(seed, shape.iter().product()), shape, &device);
    let x = random(1, [6, 3, 32, 32]).require_grad();
    let weights =
        [random(2, [64, 3, 3, 3]), random(3, [80, 64, 3, 3]), random(4, [80, 272, 3, 3]), random(5, [16, 272, 3, 3])]
            .map(|weight| weight.require_grad());
    let kernels = random(10, [272, 1, 5, 5]).require_grad();
    let point = random(11, [272, 272, 1, 1]).require_grad();
    let vector = |seed| tensor(&numbers(seed, 80), [80], &device).require_grad();
    let (bias, gamma, beta) = (vector(6), vector(7), vector(8));
    let [first, second, third, fourth] = weights.clone();
    let y = conv3x3(x.clone(), first, None);
    let y = conv3x3(y, second, Some(bias.clone()));
    let (y, mean, var) = batch_norm_train(y, gamma.clone(), beta.clone(), 1e-5, Activation::Relu6);
    let y = conv_transpose3x3(max_pool2x2(y).0, third, None);
    let y = depthwise(y, kernels.clone(), 2);
    let y = conv2d_same_activated(y, point.clone(), tensor(&numbers(12, 272), [272], &device), 1, Activation::Relu6);
    let y = conv2d(y, fourth, None, 2, 1);
    let loss = (y.clone() * random(9, y.dims())).sum();
    let grads = loss.backward();
    let mut results = vec![values(y), values(mean), values(var), values(x.grad(&grads).unwrap())];
    results.extend(weights.iter().chain([&kernels, &point]).map(|weight| values(weight.grad(&grads).unwrap())));
    results.extend([bias, gamma, beta].iter().map(|vector| values(vector.grad(&grads).unwrap())));
    results
}

#[test]
fn results_are_the_same_bytes_for_one_two_and_three_threads() {
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let results = pool.install(run);
        results.into_iter().map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let one = bits(1);
    assert!(one.iter().flatten().any(|&bits| bits != 0));
    assert!(one == bits(2) && one == bits(3), "results depend on the number of threads");
}
