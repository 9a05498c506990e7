//! Held to PyTorch by the files that `reference/onnx_export.py` writes.

use std::path::PathBuf;

use super::model::OnnxEncoder;
use crate::config::OnnxConfig;
use crate::encoder::FrozenEncoder;
use crate::encoder::read_tensors;
use crate::images::{RgbImage, RgbView};

fn reference(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reference/onnx").join(name)
}

fn config(name: &str) -> OnnxConfig {
    let mut config = OnnxConfig { model: reference(name), ..OnnxConfig::default() };
    config.complete().expect("a model");
    config
}

#[test]
fn exported_networks_give_pytorchs_codes() {
    let golden = read_tensors(&reference("codes.safetensors")).expect("golden numbers");
    let tensor = |name: &str| golden.iter().find(|tensor| tensor.name == name).expect(name);
    let images: Vec<RgbImage> = tensor("images")
        .data
        .chunks_exact(40 * 40 * 3)
        .map(|values| RgbImage::new(40, 40, values.iter().map(|v| *v as u8).collect()))
        .collect();
    let views: Vec<RgbView<'_>> = images.iter().map(RgbImage::view).collect();
    for name in ["convolutions", "tokens"] {
        let config = config(&format!("{name}.onnx"));
        assert_eq!(config.image_size, Some(40));
        let encoder = OnnxEncoder::open(&config).expect("a model that runs");
        let codes = encoder.codes(&views).expect("codes");
        let golden = tensor(name);
        let per_image = golden.data.len() / images.len();
        // Of tokens the first is the code.
        let expected: Vec<f32> =
            golden.data.chunks_exact(per_image).flat_map(|code| code[..encoder.dim()].to_vec()).collect();
        let norm = |values: Vec<f32>| values.iter().map(|x| x * x).sum::<f32>().sqrt();
        let off = norm(codes.iter().zip(&expected).map(|(a, b)| a - b).collect()) / norm(expected.clone());
        assert!(off <= 1e-4, "{name}: {off:e}");
    }
}

#[test]
fn an_unknown_operator_and_another_size_are_named() {
    let unknown = OnnxConfig { model: reference("unknown_operator.onnx"), ..OnnxConfig::default() };
    let error = OnnxEncoder::open(&unknown).expect_err("nobody has it").to_string();
    assert!(error.contains("SporesOfTomorrow"), "{error}");
    let config = OnnxConfig { image_size: Some(64), ..config("tokens.onnx") };
    let error = OnnxEncoder::open(&config).expect_err("40 only").to_string();
    assert!(error.contains("`frozen.image_size` is 64") && error.contains("40"), "{error}");
}

#[test]
fn truncated_and_foreign_files_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    let whole = fs_err::read(reference("convolutions.onnx")).expect("a model");
    for bytes in [&whole[..whole.len() / 2], b"weights?".as_slice(), b""] {
        fs_err::write(&path, bytes).expect("written");
        let config = OnnxConfig { model: path.clone(), image_size: Some(40), ..OnnxConfig::default() };
        let error = OnnxEncoder::open(&config).expect_err("no model").to_string();
        assert!(error.contains("model.onnx"), "{error}");
    }
}

#[test]
fn a_sidecar_says_what_the_pixels_become() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("model.onnx");
    fs_err::copy(reference("convolutions.onnx"), &model).expect("copied");
    let text = r#"{"image_mean": [127.5, 127.5, 127.5], "image_std": [51, 51, 51], "do_rescale": false}"#;
    fs_err::write(folder.path().join("preprocessor_config.json"), text).expect("written");
    let mut config = OnnxConfig { model: model.clone(), ..OnnxConfig::default() };
    config.complete().expect("a model");
    for (found, expected) in config.mean.iter().chain(&config.deviation).flatten().zip([0.5, 0.5, 0.5, 0.2, 0.2, 0.2]) {
        assert!((found - expected).abs() <= 1e-6, "{config:?}");
    }
    fs_err::write(folder.path().join("model.json"), r#"{"image_mean": [1, 2]}"#).expect("written");
    let error = OnnxConfig { model, ..OnnxConfig::default() }.complete().expect_err("two numbers").to_string();
    assert!(error.contains("model.json") && error.contains("image_mean"), "{error}");
}
