//! Whole networks and single layers against PyTorch's numbers (`reference/parity.py`, `reference/fixtures/`).
//!
//! Each tensor is held to `||a - b|| / ||b|| <= 1e-4`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use serde_json::Value;
use sporeprint::encoder::{
    Architecture, BatchStatistics, EncoderConfig, MOMENTUM, Mode, NamedTensor, Stem, Weights, read_tensors,
    save_tensors,
};
use sporeprint::loss::reconstruction;
use sporeprint::train::{LearningRate, Schedule, Sgd, SgdConfig};
use sporeprint_kernels as kernels;

const TOLERANCE: f64 = 1e-4;
const WIDTH: f64 = 1.0 / 32.0;
const SGD: SgdConfig = SgdConfig { momentum: 0.9, weight_decay: 0.01 };

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference").join(name)
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// `||found - expected|| / scale`, which is NaN and no match if any value is.
fn distance(found: &[f32], expected: &[f32], scale: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    norm(&difference) / scale
}

fn check(what: &str, found: &[f32], expected: &[f32]) {
    let distance = distance(found, expected, norm(expected));
    assert!(distance <= TOLERANCE, "{what}: relative distance {distance:.2e}, tolerance {TOLERANCE:.0e}");
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32")
}

/// The golden numbers of one network.
struct Golden(BTreeMap<String, NamedTensor>);

impl Golden {
    fn read(name: &str) -> Self {
        let tensors = read_tensors(&reference(name)).unwrap_or_else(|error| panic!("{error}"));
        Self(tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect())
    }

    fn get(&self, name: &str) -> &[f32] {
        &self.0.get(name).unwrap_or_else(|| panic!("{name} is not among the golden numbers")).data
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let NamedTensor { shape, data, .. } = &self.0[name];
        Tensor::from_data(TensorData::new(data.clone(), shape.clone()), &device())
    }

    /// The network with the golden initial values, by way of a weight file.
    fn start<W: Weights>(&self, network: W) -> W {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("before.safetensors");
        let before: Vec<NamedTensor> = self
            .0
            .values()
            .filter_map(|tensor| {
                let name = tensor.name.strip_prefix("before.")?.to_owned();
                Some(NamedTensor { name, ..tensor.clone() })
            })
            .collect();
        save_tensors(&path, &before).expect("a writable directory");
        let (network, report) = network.with_weights(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(report.ignored.is_empty() && report.fresh.is_empty(), "{report:?}");
        network
    }

    fn check(&self, name: &str, found: &[f32]) {
        check(name, found, self.get(name));
    }

    fn check_state<W: Weights>(&self, stage: &str, network: &W, keep: impl Fn(&str) -> bool) {
        let mut checked = 0;
        for tensor in network.named_tensors().iter().filter(|tensor| keep(&tensor.name)) {
            self.check(&format!("{stage}.{}", tensor.name), &tensor.data);
            checked += 1;
        }
        let prefix = format!("{stage}.");
        assert_eq!(checked, self.0.keys().filter(|name| name.starts_with(&prefix)).count(), "every {stage} tensor");
    }

    fn check_gradients<W: Weights>(&self, network: &W, gradients: &Gradients) {
        let mut found = GradientsInOrder { gradients, values: Vec::new() };
        network.visit(&mut found);
        let mut checked = 0;
        for (tensor, values) in network.named_tensors().iter().zip(found.values) {
            let Some(values) = values else {
                assert!(tensor.name.contains("running_"), "{} has no gradient", tensor.name);
                continue;
            };
            let name = format!("gradient.{}", tensor.name);
            let expected = self.get(&name);
            if norm(expected) > 1e-9 {
                check(&name, &values, expected);
            } else {
                // Batch norm takes the mean out again, so that the bias before it has no influence. What rounding
                // leaves is measured against the gradient of the same layer's weight.
                let scale = norm(self.get(&name.replace("bias", "weight")));
                let distance = distance(&values, expected, scale);
                assert!(distance <= TOLERANCE, "{name}: {distance:.2e} of its weight's gradient, expected 0");
            }
            checked += 1;
        }
        assert_eq!(checked, self.0.keys().filter(|name| name.starts_with("gradient.")).count());
    }
}

struct GradientsInOrder<'a> {
    gradients: &'a Gradients,
    values: Vec<Option<Vec<f32>>>,
}

impl ModuleVisitor for GradientsInOrder<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.push(param.grad(self.gradients).map(floats));
    }
}

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
        losses.extend(floats(loss.clone()));
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

#[test]
fn a_vgg16_auto_encoder_trains_as_in_pytorch() {
    let golden = Golden::read("parity/vgg16_bn.safetensors");
    let config = EncoderConfig { width: WIDTH, image_size: 32, ..EncoderConfig::default() };
    let network = golden.start(config.init_auto_encoder(&device(), 0).expect("a VGG has a decoder"));
    let images = golden.tensor::<4>("images");
    train_and_compare(
        &golden,
        network,
        0.001,
        |network, mode| {
            let pass = network.forward(images.clone(), mode);
            let outputs = vec![("map", floats(pass.map)), ("drawn", floats(pass.images.clone()))];
            (outputs, reconstruction(pass.images, images.clone()), pass.statistics)
        },
        |network, statistics| network.absorb(statistics, MOMENTUM),
    );
}

fn check_resnet(architecture: Architecture, stem: Stem, image_size: usize, file: &str, lr: f64) {
    let golden = Golden::read(file);
    let config =
        EncoderConfig { architecture, width: WIDTH, stem, image_size, head_dim: Some(5), ..EncoderConfig::default() };
    let network = golden.start(config.init(&device(), 0).expect("can be built"));
    let (images, target) = (golden.tensor::<4>("images"), golden.tensor::<2>("target"));
    train_and_compare(
        &golden,
        network,
        lr,
        |network, mode| {
            let pass = network.forward(images.clone(), mode);
            let outputs = vec![("merged", floats(pass.merged)), ("codes", floats(pass.codes.clone()))];
            (outputs, (pass.codes - target.clone()).square().mean(), pass.statistics)
        },
        |network, statistics| network.absorb(statistics, MOMENTUM),
    );
}

#[test]
fn a_resnet18_trains_as_in_pytorch() {
    check_resnet(Architecture::ResNet18, Stem::Standard, 64, "parity/resnet18.safetensors", 0.02);
}

#[test]
fn a_resnet18_with_the_small_stem_trains_as_in_pytorch() {
    check_resnet(Architecture::ResNet18, Stem::Small, 32, "parity/resnet18_small_stem.safetensors", 0.02);
}

#[test]
fn a_resnet50_trains_as_in_pytorch() {
    check_resnet(Architecture::ResNet50, Stem::Standard, 64, "parity/resnet50.safetensors", 0.001);
}

/// A fixture, its arrays flat.
struct Fixture(Value);

impl Fixture {
    fn read(name: &str) -> Self {
        let text = fs_err::read_to_string(reference("fixtures").join(name)).expect("a fixture");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        fn flatten(value: &Value, into: &mut Vec<f32>) {
            match value {
                Value::Array(items) => items.iter().for_each(|item| flatten(item, into)),
                other => into.push(other.as_f64().expect("a number") as f32),
            }
        }
        let mut flat = Vec::new();
        flatten(&self.0[name], &mut flat);
        flat
    }

    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().expect("a number")
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let mut shape = Vec::new();
        let mut value = &self.0[name];
        while let Value::Array(items) = value {
            shape.push(items.len());
            value = &items[0];
        }
        Tensor::from_data(TensorData::new(self.floats(name), shape), &device())
    }

    fn check<const D: usize>(&self, name: &str, found: Tensor<D>) {
        check(name, &floats(found), &self.floats(name));
    }
}

#[test]
fn pooling_indices_unpooling_and_their_gradient_are_pytorchs() {
    let fixture = Fixture::read("maxpool_unpool.json");
    let x = fixture.tensor::<4>("x").require_grad();
    let (y, indices): (Tensor<4>, Tensor<4, Int>) = kernels::max_pool2x2(x.clone());
    let unpooled = kernels::max_unpool2x2(y.clone(), indices.clone());
    let gradients = (unpooled.clone() * fixture.tensor("upstream")).sum().backward();
    fixture.check("y", y);
    fixture.check("unpooled", unpooled);
    assert_eq!(floats(indices.float()), fixture.floats("indices"));
    fixture.check("grad_x", x.grad(&gradients).expect("x requires it"));
}

#[test]
fn a_transposed_convolution_and_its_gradients_are_pytorchs() {
    let fixture = Fixture::read("conv_transpose.json");
    let [x, weight] = ["x", "w"].map(|name| fixture.tensor::<4>(name).require_grad());
    let bias = fixture.tensor::<1>("b").require_grad();
    let y = kernels::conv_transpose3x3(x.clone(), weight.clone(), Some(bias.clone()));
    let gradients = (y.clone() * fixture.tensor("upstream")).sum().backward();
    fixture.check("y", y);
    fixture.check("grad_x", x.grad(&gradients).expect("x requires it"));
    fixture.check("grad_w", weight.grad(&gradients).expect("the weight requires it"));
    fixture.check("grad_b", bias.grad(&gradients).expect("the bias requires it"));
}

#[test]
fn sgd_under_a_step_schedule_is_pytorchs() {
    let fixture = Fixture::read("sgd_steplr.json");
    let config = SgdConfig { momentum: fixture.number("momentum"), weight_decay: fixture.number("weight_decay") };
    let schedule = Schedule::Step { every: fixture.number("step"), factor: fixture.number("gamma") };
    let rate = LearningRate { base: fixture.number("lr"), warm_up: 0.0, schedule };
    let (gradients, params, rates) =
        (fixture.tensor::<2>("grads"), fixture.tensor::<2>("params"), fixture.floats("lrs"));
    let mut sgd = Sgd::new(config);
    let mut param = Param::from_tensor(fixture.tensor::<1>("p0"));
    for (step, expected) in rates.into_iter().enumerate() {
        let lr = rate.at(step as f64);
        assert!((lr - f64::from(expected)).abs() <= 1e-8, "step {step}: {lr}, expected {expected}");
        let row = gradients.clone().narrow(0, step, 1).flatten::<1>(0, 1);
        let mut gradient = (param.val() * row).sum().backward();
        param = sgd.step(param, &mut gradient, lr);
        let expected = params.clone().narrow(0, step, 1).flatten::<1>(0, 1);
        check(&format!("step {step}"), &floats(param.val()), &floats(expected));
    }
}
