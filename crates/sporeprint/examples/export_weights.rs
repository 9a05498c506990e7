//! Writes encoders as safetensors beside codes computed with them, for `reference/check_weights.py`.
//!
//! `cargo run -p sporeprint --example export_weights -- DIRECTORY [LITE0]`, where LITE0 is a file of EfficientNet-Lite0's published
//! weights, with which codes are computed too.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use sporeprint::config::{Architecture, EncoderConfig};
use sporeprint::encoder::BuildEncoder;
use sporeprint::encoder::{Encoder, MOMENTUM, Mode, NamedTensor, Weights, save_tensors};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("expected a directory to write to")?;
    let directory = Path::new(&directory);
    let device = Device::flex();
    // Any images will do; these are waves of several lengths, so that no two channels are alike.
    let values: Vec<f32> = (0..2 * 3 * 64 * 64).map(|i| (i as f32 * 0.37).sin() + (i as f32 * 0.0113).cos()).collect();
    let images = Tensor::from_data(TensorData::new(values.clone(), [2, 3, 64, 64]), &device);
    let write_codes = |name: &str, encoder: &Encoder| -> Result<(), Box<dyn std::error::Error>> {
        let codes = encoder.forward(images.clone(), Mode::Evaluate).codes;
        let shape = codes.dims().to_vec();
        let tensors = [
            NamedTensor { name: "images".into(), shape: vec![2, 3, 64, 64], data: values.clone() },
            NamedTensor { name: "codes".into(), shape, data: codes.into_data().try_into_vec()? },
        ];
        Ok(save_tensors(&directory.join(format!("{name}_codes.safetensors")), &tensors)?)
    };
    let networks = [
        ("vgg16_bn", Architecture::Vgg16Bn),
        ("resnet18", Architecture::ResNet18),
        ("efficientnet_lite0", Architecture::EfficientNetLite0),
    ];
    for (name, architecture) in networks {
        let mut encoder = EncoderConfig { architecture, ..EncoderConfig::default() }.init(&device, 1)?;
        // Running statistics other than their start, so that a lost one would show.
        let pass = encoder.forward(images.clone(), Mode::Train);
        encoder.absorb(&pass.statistics, MOMENTUM);
        encoder.save(&directory.join(format!("{name}.safetensors")))?;
        write_codes(name, &encoder)?;
    }
    if let Some(published) = std::env::args().nth(2) {
        let network = EncoderConfig::built_in().init(&device, 1)?;
        write_codes("published", &network.with_weights(Path::new(&published))?.0)?;
    }
    Ok(())
}
