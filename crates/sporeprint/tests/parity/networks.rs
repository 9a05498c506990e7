//! Whole networks in training, at a thirty-second of their width.

use burn::tensor::{DType, Tensor};
use sporeprint::config::{Architecture, EncoderConfig, SgdConfig, Stem};
use sporeprint::encoder::{BatchStatistics, BuildEncoder, MOMENTUM, Mode, Weights};
use sporeprint::loss::reconstruction;
use sporeprint::train::Sgd;

use crate::golden::Golden;
use crate::{device, floats};

const WIDTH: f64 = 1.0 / 32.0;
const SGD: SgdConfig = SgdConfig { momentum: 0.9, weight_decay: 0.01 };

/// What one pass gives: named outputs, the loss, the batch's statistics.
type Pass = (Vec<(&'static str, Vec<f32>)>, Tensor<1>, Vec<BatchStatistics>);

/// First step in full, then the losses and the end of ten, then evaluation.
fn train_and_compare<W: Weights>(
    golden: &Golden,
    mut network: W,
    lr: f64,
    forward: impl Fn(&W, Mode) -> Pass,
    absorb: impl Fn(&mut W, &[BatchStatistics]),
) {
    let mut sgd = Sgd::new(SGD);
    let mut losses = Vec::new();
    for step in 0..10 {
        let (outputs, loss, statistics) = forward(&network, Mode::Train);
        losses.extend(floats(loss.clone(), golden.numbers));
        let mut gradients = loss.backward();
        absorb(&mut network, &statistics);
        if step == 0 {
            for (name, values) in outputs {
                golden.check(&format!("forward.{name}"), &values);
            }
            golden.check_gradients(&network, &gradients);
            golden.check_state("first", &network, |name| name.contains("running_"));
        }
        network = sgd.step(network, &mut gradients, lr);
    }
    golden.check("losses", &losses);
    golden.check_state("after", &network, |_| true);
    let (outputs, ..) = forward(&network, Mode::Evaluate);
    for (name, values) in outputs {
        golden.check(&format!("evaluation.{name}"), &values);
    }
}

fn vgg16_auto_encoder(numbers: DType) {
    let golden = Golden::read("parity/vgg16_bn.safetensors", numbers);
    let config = EncoderConfig { width: WIDTH, image_size: 32, ..EncoderConfig::default() };
    let network = golden.start(config.init_auto_encoder(&device(), 0).expect("a VGG has a decoder"));
    let images = golden.tensor::<4>("images");
    train_and_compare(
        &golden,
        network,
        0.001,
        |network, mode| {
            let pass = network.forward(images.clone(), mode);
            let outputs = vec![("map", floats(pass.map, numbers)), ("drawn", floats(pass.images.clone(), numbers))];
            (outputs, reconstruction(pass.images, images.clone()), pass.statistics)
        },
        |network, statistics| network.absorb(statistics, MOMENTUM),
    );
}

fn resnet(numbers: DType, architecture: Architecture, stem: Stem, image_size: usize, file: &str, lr: f64) {
    coded(
        numbers,
        EncoderConfig { architecture, width: WIDTH, stem, image_size, ..EncoderConfig::default() },
        file,
        lr,
    );
}

/// An encoder whose head is trained towards given codes.
fn coded(numbers: DType, config: EncoderConfig, file: &str, lr: f64) {
    let golden = Golden::read(file, numbers);
    let config = EncoderConfig { head_dim: Some(5), ..config };
    let network = golden.start(config.init(&device(), 0).expect("can be built"));
    let (images, target) = (golden.tensor::<4>("images"), golden.tensor::<2>("target"));
    train_and_compare(
        &golden,
        network,
        lr,
        |network, mode| {
            let pass = network.forward(images.clone(), mode);
            let outputs =
                vec![("merged", floats(pass.merged, numbers)), ("codes", floats(pass.codes.clone(), numbers))];
            (outputs, (pass.codes - target.clone()).square().mean(), pass.statistics)
        },
        |network, statistics| network.absorb(statistics, MOMENTUM),
    );
}

on_both_paths!(a_vgg16_auto_encoder_trains_as_in_pytorch, vgg16_auto_encoder);

on_both_paths!(a_resnet18_trains_as_in_pytorch, |numbers: DType| {
    resnet(numbers, Architecture::ResNet18, Stem::Standard, 64, "parity/resnet18.safetensors", 0.02);
});

on_both_paths!(a_resnet18_with_the_small_stem_trains_as_in_pytorch, |numbers: DType| {
    resnet(numbers, Architecture::ResNet18, Stem::Small, 32, "parity/resnet18_small_stem.safetensors", 0.02);
});

on_both_paths!(a_resnet50_trains_as_in_pytorch, |numbers: DType| {
    resnet(numbers, Architecture::ResNet50, Stem::Standard, 64, "parity/resnet50.safetensors", 0.001);
});

on_both_paths!(an_efficientnet_lite_trains_as_in_pytorch, |numbers: DType| {
    let config = EncoderConfig {
        architecture: Architecture::EfficientNetLite0,
        width: 0.1,
        image_size: 50,
        ..EncoderConfig::default()
    };
    coded(numbers, config, "parity/efficientnet_lite0.safetensors", 0.002);
});
