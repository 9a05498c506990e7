//! Encoders as a whole: shapes, purity of the forward pass, seeds, statistics.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::init::Generator;
use super::{AutoEncoder, BuildEncoder, ImportError, MOMENTUM, Mode, Path, export, import};
use crate::config::{Architecture, EncoderConfig, Merge, NetworkError, Stem};

fn images(batch: usize, side: usize) -> Tensor<4> {
    let values = Generator::new(3, "images").normal(batch * 3 * side * side, 1.0);
    Tensor::from_data(TensorData::new(values, [batch, 3, side, side]), &Device::flex())
}

fn narrow(architecture: Architecture) -> EncoderConfig {
    EncoderConfig { architecture, width: 0.0625, image_size: 32, ..EncoderConfig::default() }
}

fn auto_encoder(device: &Device) -> AutoEncoder {
    narrow(Architecture::Vgg11Bn).init_auto_encoder(device, 1).expect("a VGG has a decoder")
}

#[test]
fn vgg16_has_the_parameters_of_the_article() {
    let encoder = EncoderConfig::default().init(&Device::flex(), 0).expect("the default can be built");
    // Trained ones as torchvision counts them, and two running statistics for each of 4224 channels.
    assert_eq!(encoder.num_params(), 14_723_136 + 2 * 4224);
}

#[test]
fn every_architecture_gives_codes_of_its_stated_shape() {
    for (_, architecture) in Architecture::ALL {
        for (merge, head_dim, stem) in [
            (Merge::Mean, None, Stem::Small),
            (Merge::Flatten, None, Stem::Standard),
            (Merge::Flatten, None, Stem::SmallStrided),
            (Merge::Flatten, Some(5), Stem::Small),
        ] {
            let config = EncoderConfig { merge, head_dim, stem, ..narrow(architecture) };
            let encoder = config.init(&Device::flex(), 0).expect("these can be built");
            let encoded = encoder.forward(images(2, 32), Mode::Train);
            assert_eq!(encoded.codes.dims(), [2, encoder.dim()], "{config:?}");
            assert_eq!(encoded.merged.dims(), [2, config.merged_dim()], "{config:?}");
            assert_eq!(config.dim(), encoder.dim());
        }
    }
}

#[test]
fn a_decoder_draws_images_of_the_input_size() {
    let network = auto_encoder(&Device::flex());
    assert_eq!(network.forward(images(2, 64), Mode::Train).images.dims(), [2, 3, 64, 64]);
    let refusal = narrow(Architecture::ResNet18).init_auto_encoder(&Device::flex(), 1);
    assert!(matches!(refusal, Err(NetworkError::NoDecoder { .. })));
}

#[test]
fn a_seed_gives_the_same_bytes_and_a_head_changes_no_other_weight() {
    let config = narrow(Architecture::ResNet18);
    let build = |config: &EncoderConfig, seed| export(&config.init(&Device::flex(), seed).expect("can be built"));
    assert_eq!(build(&config, 5), build(&config, 5));
    assert_ne!(build(&config, 5), build(&config, 6));
    let headed = build(&EncoderConfig { head_dim: Some(4), ..config.clone() }, 5);
    assert_eq!(headed[..headed.len() - 2], build(&config, 5));
}

#[test]
fn a_forward_pass_changes_nothing_until_its_statistics_are_absorbed() {
    let mut network = auto_encoder(&Device::flex().autodiff());
    let before = export(&network);
    let pass = network.forward(images(4, 32).autodiff(), Mode::Train);
    assert_eq!(export(&network), before);
    network.absorb(&pass.statistics, MOMENTUM);
    let changed: Vec<String> =
        export(&network).into_iter().zip(before).filter(|(new, old)| new != old).map(|(new, _)| new.name).collect();
    assert_eq!(changed.len(), 2 * pass.statistics.len());
    assert!(changed.iter().all(|name| name.contains("running_")), "{changed:?}");
}

#[test]
fn evaluation_codes_do_not_depend_on_the_batch() {
    let encoder = narrow(Architecture::ResNet18).init(&Device::flex(), 1).expect("can be built");
    let all = encoder.forward(images(3, 32), Mode::Evaluate);
    assert!(all.statistics.is_empty());
    let alone = encoder.forward(images(3, 32).narrow(0, 1, 1), Mode::Evaluate);
    let difference = (all.codes.narrow(0, 1, 1) - alone.codes).abs().max().into_scalar::<f32>();
    assert!(difference <= 1e-5, "{difference}");
}

#[test]
fn a_frozen_encoder_gets_no_gradient_and_keeps_its_statistics() {
    let mut network = auto_encoder(&Device::flex().autodiff());
    let pass = network.forward_frozen_encoder(images(2, 32).autodiff(), Mode::Train);
    let before = export(&network.encoder);
    network.absorb(&pass.statistics, MOMENTUM);
    assert_eq!(export(&network.encoder), before);
    let gradients = pass.images.square().mean().backward();
    assert!(network.decoder.layers[0].conv.weight.grad(&gradients).is_some());
    let super::Backbone::Vgg(vgg) = &network.encoder.backbone else { panic!("a VGG was asked for") };
    assert!(vgg.layers[0].conv.weight.grad(&gradients).is_none());
}

#[test]
fn export_and_import_are_exact_and_keep_gradients_on() {
    let device = Device::flex().autodiff();
    let tensors = export(&auto_encoder(&device));
    let other = narrow(Architecture::Vgg11Bn).init_auto_encoder(&device, 2).expect("can be built");
    let copy = import(other, &tensors).expect("the same network");
    assert_eq!(export(&copy), tensors);
    assert!(copy.decoder.layers[0].conv.weight.is_require_grad());
    let norm = copy.decoder.layers[0].norm.as_ref().expect("only the last layer has none");
    assert!(norm.weight.is_require_grad() && !norm.running_mean.is_require_grad());
}

#[test]
fn import_lists_every_mismatch_at_once() {
    let network = auto_encoder(&Device::flex());
    let mut tensors = export(&network);
    tensors[0].name = "stranger".into();
    tensors[2].shape = vec![1, 4];
    let ImportError { missing, unexpected, misshapen } = import(network, &tensors).expect_err("three mismatches");
    assert_eq!(missing, ["encoder.backbone.layers.0.conv.weight"]);
    assert_eq!(unexpected, ["stranger"]);
    assert_eq!(misshapen, [("encoder.backbone.layers.0.norm.weight".into(), vec![1, 4], vec![4])]);
}

/// Counts parameters inside batch norms and elsewhere, as an optimiser sees them.
#[derive(Default)]
struct Counter {
    path: Path,
    n_in_norms: usize,
    n_elsewhere: usize,
}

impl ModuleVisitor for Counter {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        if self.path.in_batch_norm() { self.n_in_norms += 1 } else { self.n_elsewhere += 1 }
    }
}

#[test]
fn the_batch_norms_that_do_not_decay_are_those_of_the_forward_pass() {
    for (name, architecture) in Architecture::ALL {
        let config = EncoderConfig { head_dim: Some(3), ..narrow(architecture) };
        let mut encoder = config.init(&Device::flex(), 0).expect("can be built");
        let mut counter = Counter::default();
        encoder.visit(&mut counter);
        assert_eq!(counter.n_in_norms, 4 * encoder.norms_mut().len(), "{name}");
        assert_eq!(counter.n_in_norms + counter.n_elsewhere, export(&encoder).len(), "{name}");
    }
    let mut network = auto_encoder(&Device::flex());
    let mut counter = Counter::default();
    network.visit(&mut counter);
    assert_eq!(counter.n_in_norms, 4 * (network.encoder.norms_mut().len() + network.decoder.norms_mut().len()));
}

#[test]
fn what_cannot_be_built_is_refused_with_a_hint() {
    let message = |config: EncoderConfig| config.check().expect_err("cannot be built").to_string();
    let size = message(EncoderConfig { image_size: 100, ..EncoderConfig::default() });
    assert_eq!(
        size,
        "`encoder.image_size` is 100, expected a positive multiple of 32 for vgg16-bn\nhint: try 96 or 128"
    );
    assert!(message(EncoderConfig { width: f64::NAN, ..EncoderConfig::default() }).contains("`encoder.width`"));
    assert!(message(EncoderConfig { head_dim: Some(0), ..EncoderConfig::default() }).contains("`encoder.head_dim`"));
    let unknown = "vgg17".parse::<Architecture>().expect_err("there is no such network").to_string();
    assert!(unknown.contains("vgg16-bn, vgg19-bn"), "{unknown}");
    assert_eq!("vgg16_bn".parse::<Architecture>().expect("torchvision's spelling"), Architecture::Vgg16Bn);
}

#[test]
fn a_configuration_survives_toml() {
    let config = EncoderConfig { head_dim: Some(128), ..narrow(Architecture::ResNet50) };
    let text = toml::to_string(&config).expect("plain values");
    assert!(text.contains("architecture = \"resnet50\""), "{text}");
    assert_eq!(toml::from_str::<EncoderConfig>(&text).expect("just written"), config);
}
