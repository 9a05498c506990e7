//! Encoders from ONNX files, which `reference/onnx_export.py` and `reference/onnx_by_hand.py` write.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod runtime;

use std::path::{Path, PathBuf};

use sporeprint::config::{FrozenConfig, OnnxConfig};
use sporeprint::encoder::{FrozenEncoder, FrozenError, OpenFrozen, read_tensors};
use sporeprint::images::{RgbImage, RgbView};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/onnx").join(name)
}

/// The settings with what is unset filled in, and the encoder.
fn open(config: OnnxConfig) -> Result<(OnnxConfig, Box<dyn FrozenEncoder>), FrozenError> {
    let mut config = FrozenConfig::Onnx(config);
    config.bind(None)?;
    let encoder = config.open(None, Path::new("nothing is fitted"))?;
    let FrozenConfig::Onnx(config) = config else { unreachable!("it was one") };
    Ok((config, encoder))
}

fn of_model(model: PathBuf) -> OnnxConfig {
    OnnxConfig { model, ..OnnxConfig::default() }
}

fn refusal(config: OnnxConfig) -> String {
    open(config).map(|(config, _)| config).unwrap_err().to_string()
}

/// Pictures without anything in them that repeats.
fn pictures(n: usize, side: usize) -> Vec<RgbImage> {
    let pixels = |i: usize| (0..side * side * 3).map(|at| ((at * (97 + 2 * i) + at * at % 251) % 256) as u8).collect();
    (0..n).map(|i| RgbImage::new(side, side, pixels(i))).collect()
}

#[test]
fn exported_networks_give_pytorchs_codes() {
    if !runtime::is_there("exported_networks_give_pytorchs_codes") {
        return;
    }
    let golden = read_tensors(&reference("codes.safetensors")).unwrap();
    let tensor = |name: &str| golden.iter().find(|tensor| tensor.name == name).expect(name);
    let images: Vec<RgbImage> = tensor("images")
        .data
        .chunks_exact(40 * 40 * 3)
        .map(|values| RgbImage::new(40, 40, values.iter().map(|v| *v as u8).collect()))
        .collect();
    let views: Vec<RgbView<'_>> = images.iter().map(RgbImage::view).collect();
    for name in ["convolutions", "tokens"] {
        let (config, encoder) = open(of_model(reference(&format!("{name}.onnx")))).unwrap();
        assert_eq!(config.image_size, Some(40));
        let codes = encoder.codes(&views).unwrap();
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
fn codes_depend_neither_on_the_threads_nor_on_the_other_pictures() {
    if !runtime::is_there("codes_depend_neither_on_the_threads_nor_on_the_other_pictures") {
        return;
    }
    for (name, side) in [("long_sums", 96), ("convolutions", 40), ("tokens", 40)] {
        let images = pictures(7, side);
        let views: Vec<RgbView<'_>> = images.iter().map(RgbImage::view).collect();
        let codes = |n_threads: usize, one_by_one: bool| -> Vec<u32> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| {
                let (_, encoder) = open(of_model(reference(&format!("{name}.onnx")))).unwrap();
                let codes = match one_by_one {
                    true => views.iter().flat_map(|view| encoder.codes(&[*view]).unwrap()).collect(),
                    false => encoder.codes(&views).unwrap(),
                };
                assert_eq!(codes.len(), views.len() * encoder.dim());
                codes.into_iter().map(f32::to_bits).collect()
            })
        };
        let expected = codes(1, true);
        assert_ne!(expected[..8], expected[expected.len() - 8..], "{name}: pictures differ");
        for n_threads in [1, 2, 3] {
            assert!(codes(n_threads, false) == expected, "{name} on {n_threads} threads");
        }
    }
}

#[test]
fn an_unknown_operator_and_another_size_are_named() {
    if !runtime::is_there("an_unknown_operator_and_another_size_are_named") {
        return;
    }
    let error = refusal(of_model(reference("unknown_operator.onnx")));
    assert!(error.contains("SporesOfTomorrow"), "{error}");
    let error = refusal(OnnxConfig { image_size: Some(64), ..of_model(reference("tokens.onnx")) });
    assert!(error.contains("`frozen.image_size` is 64") && error.contains("40"), "{error}");
}

#[test]
fn inputs_that_are_not_one_picture_of_floats_are_refused_by_what_they_are() {
    if !runtime::is_there("inputs_that_are_not_one_picture_of_floats_are_refused_by_what_they_are") {
        return;
    }
    for (name, words) in [("batch_of_two", "batches of 2"), ("two_inputs", "2 inputs"), ("bytes", "u8")] {
        let error = refusal(of_model(reference(&format!("{name}.onnx"))));
        assert!(error.contains(words) && error.contains("hint:"), "{error}");
    }
}

#[test]
fn weights_outside_the_models_folder_are_not_read() {
    if !runtime::is_there("weights_outside_the_models_folder_are_not_read") {
        return;
    }
    let error = refusal(of_model(reference("outside.onnx")));
    assert!(error.contains("../README.md") && error.contains("escapes"), "{error}");
}

#[test]
fn truncated_and_foreign_files_are_errors() {
    if !runtime::is_there("truncated_and_foreign_files_are_errors") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let whole = fs_err::read(reference("convolutions.onnx")).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"weights?".as_slice(), b""] {
        fs_err::write(&path, bytes).unwrap();
        let error = refusal(OnnxConfig { image_size: Some(40), ..of_model(path.clone()) });
        assert!(error.contains("model.onnx"), "{error}");
    }
    let error = refusal(of_model(folder.path().to_owned()));
    assert!(error.contains("not a file"), "{error}");
}

#[test]
fn a_sidecar_says_what_the_pixels_become() {
    if !runtime::is_there("a_sidecar_says_what_the_pixels_become") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    fs_err::copy(reference("convolutions.onnx"), &model).unwrap();
    let text = r#"{"image_mean": [127.5, 127.5, 127.5], "image_std": [51, 51, 51], "do_rescale": false}"#;
    fs_err::write(folder.path().join("preprocessor_config.json"), text).unwrap();
    let (config, _) = open(of_model(model.clone())).unwrap();
    for (found, expected) in config.mean.iter().chain(&config.deviation).flatten().zip([0.5, 0.5, 0.5, 0.2, 0.2, 0.2]) {
        assert!((found - expected).abs() <= 1e-6, "{config:?}");
    }
    fs_err::write(folder.path().join("model.json"), r#"{"image_mean": [1, 2]}"#).unwrap();
    let error = refusal(of_model(model));
    assert!(error.contains("model.json") && error.contains("image_mean"), "{error}");
}
