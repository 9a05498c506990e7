//! Files of other programs, files that lie, and round trips.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::{LoadReport, Weights, WeightsError, read_tensors, save_tensors};
use crate::config::{Architecture, EncoderConfig};
use crate::encoder::BuildEncoder;
use crate::encoder::{AutoEncoder, Encoder, NamedTensor};

/// A file that `reference/weight_files.py` wrote.
fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/weights").join(name)
}

fn config(architecture: Architecture) -> EncoderConfig {
    EncoderConfig { architecture, width: 1.0 / 64.0, image_size: 32, ..EncoderConfig::default() }
}

fn encoder(architecture: Architecture) -> Encoder {
    config(architecture).init(&Device::flex(), 0).expect("can be built")
}

fn loaded(name: &str) -> (Vec<NamedTensor>, LoadReport) {
    let (encoder, report) =
        encoder(Architecture::Vgg11Bn).with_weights(&reference(name)).unwrap_or_else(|error| panic!("{error}"));
    (encoder.named_tensors(), report)
}

fn refusal(encoder: Encoder, path: &Path) -> String {
    encoder.with_weights(path).expect_err("must be refused").to_string()
}

#[test]
fn both_torch_formats_and_safetensors_give_the_same_tensors() {
    let (tensors, report) = loaded("vgg11_bn.safetensors");
    assert_eq!(report.ignored, ["classifier.0.weight"]);
    assert_ne!(tensors, encoder(Architecture::Vgg11Bn).named_tensors());
    let file = read_floats(&reference("vgg11_bn.safetensors"));
    for tensor in &tensors {
        assert!(file.contains(tensor), "{}", tensor.name);
    }
    assert_eq!(loaded("vgg11_bn_zip.pth"), (tensors.clone(), report.clone()));
    assert_eq!(loaded("vgg11_bn_legacy.pth"), (tensors, report));
}

fn read_floats(path: &Path) -> Vec<NamedTensor> {
    let file = super::WeightFile::open(path).expect("a valid file");
    file.entries
        .iter()
        .filter(|entry| !entry.name.ends_with("num_batches_tracked"))
        .map(|entry| NamedTensor {
            name: entry.name.clone(),
            shape: entry.shape.clone(),
            data: file.values(entry).expect("floats"),
        })
        .collect()
}

#[test]
fn the_articles_wrapped_half_precision_checkpoint_is_read_through_its_strides() {
    let (exact, _) = loaded("vgg11_bn.safetensors");
    let (half, report) = loaded("vgg11_bn_article.pth");
    assert!(report.ignored.is_empty());
    for (half, exact) in half.iter().zip(&exact) {
        assert_eq!(half.name, exact.name);
        for (a, b) in half.data.iter().zip(&exact.data) {
            assert!((a - b).abs() <= 1e-3 * b.abs() + 1e-6, "{}: {a}, expected {b}", half.name);
        }
    }
}

#[test]
fn a_pickle_that_would_run_something_is_refused_by_name() {
    let message = refusal(encoder(Architecture::Vgg11Bn), &reference("hostile.pth"));
    assert!(message.contains("`posix.system`"), "{message}");
    let message = refusal(encoder(Architecture::Vgg11Bn), &reference("whole_module.pth"));
    assert!(message.contains("`torch.nn.modules.linear.Linear`") && message.contains("hint:"), "{message}");
}

#[test]
fn every_truncation_is_an_error_and_none_a_panic() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in ["vgg11_bn.safetensors", "vgg11_bn_zip.pth", "vgg11_bn_legacy.pth"] {
        let bytes = fs_err::read(reference(name)).expect("a reference file");
        for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            let path = directory.path().join("cut");
            fs_err::write(&path, &bytes[..length]).expect("a writable directory");
            let error = encoder(Architecture::Vgg11Bn).with_weights(&path).expect_err("a cut file");
            let known = matches!(error, WeightsError::Damaged { .. } | WeightsError::Format { .. });
            assert!(known, "{name} cut to {length}: {error}");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("flipped");
    for name in ["vgg11_bn.safetensors", "vgg11_bn_zip.pth", "vgg11_bn_legacy.pth"] {
        let bytes = fs_err::read(reference(name)).expect("a reference file");
        for position in (0..bytes.len()).step_by(13) {
            let mut flipped = bytes.clone();
            flipped[position] ^= 0xff;
            fs_err::write(&path, flipped).expect("a writable directory");
            // Either outcome is right: a flipped weight is still a weight.
            let _ = read_tensors(&path);
        }
    }
}

#[test]
fn hostile_sizes_are_refused() {
    // A tensor of 2^62 values with strides 0 over a storage of one value, in the format before 2020.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("huge.pth");
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}.".to_vec();
    bytes.extend(b"}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n");
    bytes.extend(b"X\x01\0\0\x000X\x03\0\0\0cpuK\x01tQK\0\x8a\x07\0\0\0\0\0\0\x40\x85K\0\x85\x89}tRs.");
    bytes.extend(b"]X\x01\0\0\x000a.\x01\0\0\0\0\0\0\0\0\0\x80\x3f");
    fs_err::write(&path, bytes).expect("a writable directory");
    let message = refusal(encoder(Architecture::Vgg11Bn), &path);
    assert!(message.contains("outside its storage of 1 values"), "{message}");
}

#[test]
fn a_dictionary_inside_itself_ends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("loop.pth");
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}.".to_vec();
    bytes.extend(b"}q\0X\x0a\0\0\0state_dicth\0s.].");
    fs_err::write(&path, bytes).expect("a writable directory");
    assert!(refusal(encoder(Architecture::Vgg11Bn), &path).contains("no tensors by name"));
}

#[test]
fn every_mismatch_is_listed_in_one_message() {
    let message = refusal(encoder(Architecture::Vgg13Bn), &reference("vgg11_bn.safetensors"));
    assert!(message.contains("missing: features.10.weight"), "{message}");
    assert!(message.contains("wrong shape: features.4.weight is [2, 1, 3, 3], expected [1]"), "{message}");
    let wide = EncoderConfig { width: 1.0 / 32.0, ..config(Architecture::Vgg11Bn) }.init(&Device::flex(), 0);
    let message = refusal(wide.expect("can be built"), &reference("vgg11_bn.safetensors"));
    assert!(message.contains("features.0.weight is [1, 3, 3, 3], expected [2, 3, 3, 3]"), "{message}");
    assert!(message.contains("`encoder.width`"), "{message}");
    let message = refusal(encoder(Architecture::ResNet18), &reference("vgg11_bn.safetensors"));
    assert!(message.contains("missing: conv1.weight") && message.contains("a VGG's weights"), "{message}");
}

#[test]
fn what_is_saved_is_read_back_bit_for_bit() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (_, architecture) in Architecture::ALL {
        let path = directory.path().join("encoder.safetensors");
        let config = EncoderConfig { head_dim: Some(3), ..config(architecture) };
        let encoder = config.init(&Device::flex(), 1).expect("can be built");
        encoder.save(&path).expect("a writable directory");
        let other = config.init(&Device::flex(), 2).expect("can be built");
        let (copy, report) = other.with_weights(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(copy.named_tensors(), encoder.named_tensors());
        assert_eq!(report, LoadReport::default());
    }
    assert_eq!(fs_err::read_dir(directory.path()).expect("readable").count(), 1, "no temporary file stays");
}

#[test]
fn an_auto_encoder_is_read_whole_or_with_a_fresh_decoder() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("autoencoder.safetensors");
    let build = |seed| -> AutoEncoder {
        config(Architecture::Vgg11Bn).init_auto_encoder(&Device::flex(), seed).expect("a VGG")
    };
    build(1).save(&path).expect("a writable directory");
    let (copy, report) = build(2).with_weights(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((copy.named_tensors(), report), (build(1).named_tensors(), LoadReport::default()));

    let (_, report) = encoder(Architecture::Vgg11Bn).with_weights(&path).expect("the encoder of an auto-encoder");
    assert!(report.ignored.iter().all(|name| name.starts_with("decoder.")) && !report.ignored.is_empty());

    let (_, report) = build(2).with_weights(&reference("vgg11_bn.safetensors")).expect("an encoder's weights");
    assert!(report.fresh.iter().all(|name| name.starts_with("decoder.")) && !report.fresh.is_empty());

    let half: Vec<NamedTensor> = build(1).named_tensors().into_iter().filter(|t| t.name != "decoder.2.bias").collect();
    save_tensors(&path, &half).expect("a writable directory");
    let message = build(2).with_weights(&path).expect_err("half a decoder").to_string();
    assert!(message.contains("missing: decoder.2.bias"), "{message}");
}

#[test]
fn what_is_no_weight_file_is_said_to_be_none() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("notes.txt");
    fs_err::write(&path, "not weights at all").expect("a writable directory");
    assert!(refusal(encoder(Architecture::Vgg11Bn), &path).contains("neither a safetensors file"));
    assert!(refusal(encoder(Architecture::Vgg11Bn), &directory.path().join("absent")).contains("absent"));
    let tensors = encoder(Architecture::Vgg11Bn).named_tensors();
    let nowhere = directory.path().join("missing/encoder.safetensors");
    assert!(save_tensors(&nowhere, &tensors).expect_err("no such folder").to_string().contains("missing"));
}
