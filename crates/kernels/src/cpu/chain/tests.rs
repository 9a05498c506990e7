//! Chains against their definition in `f64`, on every instruction set of this processor.

use proptest::prelude::*;

use super::{Chain, Images, Layer, Same, Step};
use crate::cpu::activation::Activation;
use crate::cpu::naive::{numbers, relative_error};
use crate::cpu::simd::Isa;

const ACTIVATIONS: [Activation; 3] = [Activation::None, Activation::Relu, Activation::Relu6];

/// A map in `f64`, channels first.
#[derive(Clone)]
struct Maps {
    values: Vec<f64>,
    channels: usize,
    size: [usize; 2],
}

impl Maps {
    fn at(&self, c: usize, i: usize, j: usize) -> f64 {
        self.values[(c * self.size[0] + i) * self.size[1] + j]
    }
}

fn convolve(x: &Maps, layer: &Layer) -> Maps {
    let (k, [down, across]) = (layer.kernel, x.size.map(|length| Same::new(length, layer.kernel, layer.stride)));
    let mut values = Vec::new();
    for (o, i, j) in
        (0..layer.outputs).flat_map(|o| (0..down.out).flat_map(move |i| (0..across.out).map(move |j| (o, i, j))))
    {
        let mut sum = f64::from(layer.bias[o]);
        let inputs = if layer.depthwise { o..o + 1 } else { 0..layer.inputs };
        for ((at, c), tap) in inputs.enumerate().flat_map(|c| (0..k * k).map(move |tap| (c, tap))) {
            let row = (i * layer.stride + tap / k).checked_sub(down.before).filter(|&row| row < x.size[0]);
            let column = (j * layer.stride + tap % k).checked_sub(across.before).filter(|&column| column < x.size[1]);
            if let (Some(row), Some(column)) = (row, column) {
                let per_output = if layer.depthwise { 1 } else { layer.inputs };
                sum += f64::from(layer.weight[(o * per_output + at) * k * k + tap]) * x.at(c, row, column);
            }
        }
        values.push(match layer.activation {
            Activation::None => sum,
            Activation::Relu => sum.max(0.0),
            Activation::Relu6 => sum.clamp(0.0, 6.0),
        });
    }
    Maps { values, channels: layer.outputs, size: [down.out, across.out] }
}

fn follow(steps: &[Step], image: Maps) -> Maps {
    steps.iter().fold(image, |x, step| match step {
        Step::Conv(layer) => convolve(&x, layer),
        Step::InvertedResidual { expand, depthwise, project, residual } => {
            let wide = expand.as_ref().map_or_else(|| x.clone(), |expand| convolve(&x, expand));
            let mut y = convolve(&convolve(&wide, depthwise), project);
            if *residual {
                y.values.iter_mut().zip(&x.values).for_each(|(y, x)| *y += x);
            }
            y
        }
    })
}

fn layer(seed: u64, [inputs, outputs]: [usize; 2], [kernel, stride]: [usize; 2], depthwise: bool) -> Layer {
    let patch = kernel * kernel * if depthwise { 1 } else { inputs };
    let scale = (3.0 / patch as f32).sqrt();
    let weight = numbers(seed, outputs * patch).into_iter().map(|x| x * scale).collect();
    let bias = numbers(seed + 1, outputs);
    let activation = ACTIVATIONS[seed as usize % 3];
    Layer { weight, bias, inputs, outputs, kernel, stride, depthwise, activation }
}

/// An inverted residual of any kind.
fn inverted(seed: u64, inputs: usize, ratio: usize, outputs: usize, kernel: usize, stride: usize) -> Step {
    let wide = inputs * ratio;
    let residual = stride == 1 && inputs == outputs;
    let project = layer(seed + 30, [wide, outputs], [1, 1], false);
    Step::InvertedResidual {
        expand: (ratio > 1).then(|| layer(seed + 10, [inputs, wide], [1, 1], false)),
        depthwise: layer(seed + 20, [wide, wide], [kernel, stride], true),
        project: if residual { Layer { activation: Activation::None, ..project } } else { project },
        residual,
    }
}

/// What a chain makes of images, found and expected: last maps with channels first, and their means.
fn check(steps: &[Step], batch: usize, channels: usize, size: [usize; 2], channels_last: bool) {
    let (pixels, values) = (size[0] * size[1], numbers(7, batch * channels * size[0] * size[1]));
    let strides = match channels_last {
        true => [channels * pixels, 1, size[1] * channels, channels],
        false => [channels * pixels, pixels, size[1], 1],
    };
    let images = Images { values: &values, batch, channels, size, strides };
    let (mut maps, mut means) = (Vec::new(), Vec::new());
    for n in 0..batch {
        let at =
            |c: usize, p: usize| n * strides[0] + c * strides[1] + p / size[1] * strides[2] + p % size[1] * strides[3];
        let image = (0..channels).flat_map(|c| (0..pixels).map(move |p| (c, p)));
        let image = image.map(|(c, p)| f64::from(values[at(c, p)])).collect();
        let y = follow(steps, Maps { values: image, channels, size });
        let area = y.size[0] * y.size[1];
        maps.extend((0..area).flat_map(|p| (0..y.channels).map(move |c| (c, p))).map(|(c, p)| y.values[c * area + p]));
        means.extend(y.values.chunks(area).map(|plane| plane.iter().sum::<f64>() / area as f64));
    }
    for isa in Isa::supported() {
        let chain = Chain::new(isa, steps);
        let (mut found, mut mean) = (vec![7.0; maps.len()], vec![7.0; means.len()]);
        chain.map(images, &mut found);
        chain.mean(images, &mut mean);
        for (what, found, expected) in [("map", &found, &maps), ("mean", &mean, &means)] {
            let error = relative_error(found, expected);
            assert!(error <= 1e-4, "{what} of {size:?} on {isa:?}: {error:e}");
        }
        // One image by itself, and other numbers of threads.
        let one = Images { values: &values[(batch - 1) * channels * pixels..], batch: 1, ..images };
        let mut alone = vec![7.0; maps.len() / batch];
        chain.map(one, &mut alone);
        assert!(alone == found[found.len() - alone.len()..], "the last image by itself on {isa:?}");
        let mut alone = vec![7.0; means.len() / batch];
        chain.mean(one, &mut alone);
        assert!(alone == mean[mean.len() - alone.len()..], "the last image's mean by itself on {isa:?}");
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let (mut map_again, mut mean_again) = (vec![7.0; found.len()], vec![7.0; mean.len()]);
            pool.install(|| chain.map(images, &mut map_again));
            pool.install(|| chain.mean(images, &mut mean_again));
            assert!(map_again == found && mean_again == mean, "{threads} threads on {isa:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_chains_follow_their_definition(
        batch in 1usize..6, height in 1usize..20, width in 1usize..20, channels in 1usize..6, channels_last in any::<bool>(),
        stem in prop::option::of((1usize..20, 1usize..5, 1usize..3)),
        blocks in prop::collection::vec((0u64..90, 1usize..7, 1usize..40, 0usize..3, 1usize..3, any::<bool>()), 0..4),
        last in prop::option::of((1usize..50, any::<bool>())),
    ) {
        let (mut steps, mut inputs) = (Vec::new(), channels);
        if let Some((outputs, kernel, stride)) = stem {
            steps.push(Step::Conv(layer(1, [inputs, outputs], [kernel, stride], false)));
            inputs = outputs;
        }
        for (seed, ratio, outputs, kernel, stride, same) in blocks {
            let outputs = if same { inputs } else { outputs };
            steps.push(inverted(seed, inputs, ratio, outputs, 3 + 2 * kernel, stride));
            inputs = outputs;
        }
        // A chain has at least one step.
        let (outputs, depthwise) = match last {
            Some(last) => last,
            None if steps.is_empty() => (5, false),
            None => (0, false),
        };
        if outputs > 0 && depthwise {
            steps.push(Step::Conv(layer(5, [inputs, inputs], [3, 1], true)));
        } else if outputs > 0 {
            steps.push(Step::Conv(layer(5, [inputs, outputs], [1, 1], false)));
        }
        check(&steps, batch, channels, [height, width], channels_last);
    }
}

#[test]
fn blocks_that_are_cut_into_strips_and_slices_follow_their_definition() {
    // Wide rows: strips of few rows, the ring starting over in the middle of them.
    let stem = Step::Conv(layer(3, [3, 24], [3, 2], false));
    check(&[stem, inverted(4, 24, 1, 16, 3, 1), inverted(5, 16, 6, 20, 5, 2)], 2, 3, [75, 140], false);
    // Many channels on small maps: slices, of several images together.
    let last = Step::Conv(layer(8, [96, 200], [1, 1], false));
    check(&[inverted(6, 96, 6, 112, 5, 2), inverted(7, 112, 6, 96, 3, 1), last], 5, 96, [14, 13], true);
    check(&[inverted(6, 130, 5, 130, 5, 1), inverted(9, 130, 1, 130, 3, 1)], 2, 130, [15, 15], true);
}

#[test]
fn zeros_are_the_smaller_half_before() {
    let same = |length, kernel, stride| {
        let Same { out, before, after } = Same::new(length, kernel, stride);
        [out, before, after]
    };
    assert_eq!(same(224, 3, 2), [112, 0, 1]);
    assert_eq!(same(225, 3, 2), [113, 1, 1]);
    assert_eq!(same(56, 5, 2), [28, 1, 2]);
    assert_eq!(same(7, 5, 1), [7, 2, 2]);
    assert_eq!(same(1, 5, 2), [1, 2, 2]);
    assert_eq!(same(9, 1, 2), [5, 0, 0]);
}
