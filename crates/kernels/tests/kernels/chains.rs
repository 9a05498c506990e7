//! Prepared chains against the same out of Burn's operations, which gradients need.

use burn::tensor::{Device, Tensor};
use sporeprint_kernels::{Activation, ChainStep, ConvToFold, NormToFold, PreparedChain};

use crate::reference::{assert_close, device, numbers, tensor, values};

fn conv(seed: u64, shape: [usize; 4], stride: usize, activation: Activation, device: &Device) -> ConvToFold {
    let [outputs, inputs, kernel, _] = shape;
    let vector = |seed, scale: f32, shift: f32| {
        let vector: Vec<f32> = numbers(seed, outputs).iter().map(|x| x * scale + shift).collect();
        tensor(&vector, [outputs], device)
    };
    ConvToFold {
        weight: tensor(&numbers(seed, shape.iter().product()), shape, device),
        norm: NormToFold {
            gamma: vector(seed + 1, 0.5, 1.0),
            beta: vector(seed + 2, 1.0, 0.0),
            mean: vector(seed + 3, 1.0, 0.0),
            var: vector(seed + 4, 0.5, (inputs * kernel * kernel) as f32),
            eps: 1e-3,
        },
        depthwise: inputs == 1,
        stride,
        activation,
    }
}

/// Channels 3, 10, 17, 17, 40 on maps of 23 by 18, 12 by 9 and 6 by 5.
fn steps(device: &Device) -> Vec<ChainStep> {
    let relu6 = |seed, shape, stride| conv(seed, shape, stride, Activation::Relu6, device);
    let plain = |seed, shape| conv(seed, shape, 1, Activation::None, device);
    vec![
        ChainStep::Conv(relu6(10, [10, 3, 3, 3], 2)),
        ChainStep::InvertedResidual {
            expand: None,
            depthwise: relu6(20, [10, 1, 3, 3], 1),
            project: plain(30, [17, 10, 1, 1]),
            residual: false,
        },
        ChainStep::InvertedResidual {
            expand: Some(relu6(40, [102, 17, 1, 1], 1)),
            depthwise: relu6(50, [102, 1, 5, 5], 1),
            project: plain(60, [17, 102, 1, 1]),
            residual: true,
        },
        ChainStep::InvertedResidual {
            expand: Some(relu6(70, [68, 17, 1, 1], 1)),
            depthwise: relu6(80, [68, 1, 3, 3], 2),
            project: plain(90, [17, 68, 1, 1]),
            residual: false,
        },
        ChainStep::Conv(relu6(100, [40, 17, 1, 1], 1)),
    ]
}

fn images(device: &Device) -> Tensor<4> {
    tensor(&numbers(1, 5 * 3 * 23 * 18), [5, 3, 23, 18], device)
}

#[test]
fn a_prepared_chain_equals_its_composition() {
    let plain = Device::flex();
    let chain = PreparedChain::new(steps(&plain));
    let (map, mean) = (chain.map(images(&plain)), chain.mean(images(&plain)));
    assert_eq!(map.dims(), [5, 40, 6, 5]);
    assert_eq!(mean.dims(), [5, 40]);
    // Tensors that carry gradients are not taken by the kernels.
    let composed = PreparedChain::new(steps(&device()));
    let expected = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let whole = expected(values(composed.map(images(&device()))));
    assert_close("map", &values(map.clone()), &whole, 1e-5);
    assert_close("mean", &values(mean.clone()), &expected(values(composed.mean(images(&device())))), 1e-5);
    let means: Vec<f64> = whole.chunks_exact(30).map(|plane| plane.iter().sum::<f64>() / 30.0).collect();
    assert_close("mean of the map", &values(mean.clone()), &means, 1e-5);

    let flipped = images(&plain).flip([0]).flip([0]).swap_dims(2, 3).swap_dims(2, 3);
    assert!(values(chain.mean(flipped)) == values(mean), "strides of the images do not matter");
}

#[test]
fn an_images_codes_are_the_same_bytes_in_any_batch_and_on_any_number_of_threads() {
    let plain = Device::flex();
    let chain = PreparedChain::new(steps(&plain));
    let all = values(chain.mean(images(&plain)));
    for image in 0..5 {
        let alone = values(chain.mean(images(&plain).narrow(0, image, 1)));
        assert!(alone == all[image * 40..][..40], "image {image} by itself");
    }
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| values(chain.mean(images(&plain)))) == all, "{threads} threads");
    }
}

#[test]
fn number_types_without_kernels_are_composed() {
    let plain = Device::flex();
    let in_f64 = |conv: ConvToFold| {
        let norm = NormToFold {
            gamma: conv.norm.gamma.cast(burn::tensor::DType::F64),
            beta: conv.norm.beta.cast(burn::tensor::DType::F64),
            mean: conv.norm.mean.cast(burn::tensor::DType::F64),
            var: conv.norm.var.cast(burn::tensor::DType::F64),
            ..conv.norm
        };
        ConvToFold { weight: conv.weight.cast(burn::tensor::DType::F64), norm, ..conv }
    };
    let stem = || conv(10, [10, 3, 3, 3], 2, Activation::Relu6, &plain);
    let exact = PreparedChain::new(vec![ChainStep::Conv(in_f64(stem()))]);
    let exact: Vec<f64> = exact.map(images(&plain).cast(burn::tensor::DType::F64)).into_data().try_to_vec().unwrap();
    let fast = PreparedChain::new(vec![ChainStep::Conv(stem())]).map(images(&plain));
    assert_close("map", &values(fast), &exact, 1e-5);
}

#[test]
#[should_panic(expected = "a residual leaves channels and size as they are")]
fn a_residual_across_a_stride_is_refused() {
    let plain = Device::flex();
    PreparedChain::new(vec![ChainStep::InvertedResidual {
        expand: None,
        depthwise: conv(1, [4, 1, 3, 3], 2, Activation::Relu6, &plain),
        project: conv(2, [4, 4, 1, 1], 1, Activation::None, &plain),
        residual: true,
    }]);
}

#[test]
#[should_panic(expected = "a convolution must take the channels of the one before it")]
fn channels_that_do_not_fit_are_refused() {
    let plain = Device::flex();
    let first = conv(1, [4, 3, 3, 3], 2, Activation::Relu6, &plain);
    PreparedChain::new(vec![
        ChainStep::Conv(first),
        ChainStep::Conv(conv(2, [4, 5, 1, 1], 1, Activation::None, &plain)),
    ]);
}
