//! Held to transformers and timm at small random networks; `reference/transformers_parity.py` made the numbers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{TextEncoder, VisionTransformer, open_pictures};
use crate::config::{TokenCode, VisionTransformerConfig};
use crate::encoder::{FrozenEncoder, NamedTensor, read_tensors, save_tensors};
use crate::images::{RgbImage, RgbView};

fn reference(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reference/transformers").join(name)
}

fn tensors(name: &str) -> BTreeMap<String, NamedTensor> {
    let tensors = read_tensors(&reference(name)).expect("golden numbers");
    tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}

fn pictures(tensor: &NamedTensor) -> Vec<RgbImage> {
    let size = tensor.shape[1];
    let picture = |values: &[f32]| RgbImage::new(size, size, values.iter().map(|v| *v as u8).collect());
    tensor.data.chunks_exact(size * size * 3).map(picture).collect()
}

/// `||a - b|| / ||b||`
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
    norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied())
}

fn codes(model: &str, tokens: TokenCode, images: &[RgbImage]) -> Vec<f32> {
    let config = VisionTransformerConfig { image_size: images[0].width, tokens, digest: None };
    let encoder = VisionTransformer::open(&reference(model), &config).expect("a vision transformer");
    let views: Vec<RgbView<'_>> = images.iter().map(RgbImage::view).collect();
    encoder.codes(&views).expect("codes")
}

#[test]
fn dinov2_at_four_sizes_is_transformers() {
    let golden = tensors("dinov2_codes.safetensors");
    for size in [40, 56, 24, 45] {
        let images = pictures(&golden[&format!("images.{size}")]);
        for (model, name) in
            [("dinov2", "dinov2"), ("dinov2_registers", "dinov2_registers"), ("dinov2_authors", "dinov2_registers")]
        {
            let model = format!("{model}/model.safetensors");
            for (tokens, part) in [(TokenCode::Class, "class"), (TokenCode::Patches, "patches")] {
                let expected = &golden[&format!("{name}.{part}.{size}")].data;
                let difference = difference(&codes(&model, tokens, &images), expected);
                assert!(difference <= 1e-5, "{model} {part} {size}: {difference:e}");
            }
        }
    }
}

#[test]
fn class_token_and_mean_patch_stand_side_by_side() {
    let golden = tensors("dinov2_codes.safetensors");
    let images = pictures(&golden["images.40"]);
    let both = codes("dinov2/model.safetensors", TokenCode::Both, &images);
    let (class, patches) = (&golden["dinov2.class.40"].data, &golden["dinov2.patches.40"].data);
    let expected: Vec<f32> = class.chunks(48).zip(patches.chunks(48)).flat_map(|(c, p)| [c, p].concat()).collect();
    assert!(difference(&both, &expected) <= 1e-5);
}

#[test]
fn timms_registers_have_no_position() {
    let golden = tensors("dinov2_codes.safetensors");
    let found = codes("timm/model.safetensors", TokenCode::Class, &pictures(&golden["images.40"]));
    let difference = difference(&found, &golden["timm.class.40"].data);
    assert!(difference <= 1e-5, "{difference:e}");
}

#[test]
fn clips_towers_are_transformers_under_both_names() {
    let golden = tensors("clip_codes.safetensors");
    let images = pictures(&golden["images"]);
    let views: Vec<RgbView<'_>> = images.iter().map(RgbImage::view).collect();
    let texts = fs_err::read_to_string(reference("clip_texts.json")).expect("texts");
    let texts: serde_json::Value = serde_json::from_str(&texts).expect("JSON");
    let texts: Vec<String> =
        texts.as_array().expect("a list").iter().map(|t| t["text"].as_str().expect("a text").to_owned()).collect();
    for model in ["clip/model.safetensors", "clip_openai/model.safetensors"] {
        let config = VisionTransformerConfig { image_size: 40, ..VisionTransformerConfig::default() };
        let encoder = open_pictures(&reference(model), &config).expect("a tower of pictures");
        let found = encoder.codes(&views).expect("codes");
        let off = difference(&found, &golden["image_codes"].data);
        assert!(off <= 1e-5, "{model}, pictures: {off:e}");
        let encoder = TextEncoder::open(&reference(model)).expect("a tower of texts");
        let off = difference(&encoder.codes(&texts), &golden["text_codes"].data);
        assert!(off <= 1e-5, "{model}, texts: {off:e}");
        assert_eq!(encoder.dim(), 20);
    }
}

#[test]
fn a_picture_has_one_code_whatever_the_batch_and_the_threads() {
    let golden = tensors("dinov2_codes.safetensors");
    let images = pictures(&golden["images.56"]);
    let alone = codes("dinov2/model.safetensors", TokenCode::Class, &images[1..]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    let together = pool.install(|| codes("dinov2/model.safetensors", TokenCode::Class, &images));
    assert_eq!(alone, together[48..]);
}

#[test]
fn what_does_not_fit_is_listed_in_one_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let mut broken = read_tensors(&reference("dinov2_authors/model.safetensors")).expect("weights");
    broken.retain(|tensor| tensor.name != "blocks.1.norm2.weight");
    broken.iter_mut().filter(|tensor| tensor.name == "norm.bias").for_each(|tensor| {
        tensor.shape = vec![24];
        tensor.data.truncate(24);
    });
    broken.push(NamedTensor { name: "blocks.0.mlp.w12.weight".to_owned(), shape: vec![2], data: vec![0.0; 2] });
    save_tensors(&path, &broken).expect("written");
    fs_err::write(folder.path().join("config.json"), "{\"num_attention_heads\": 3}").expect("written");
    let error = VisionTransformer::open(&path, &VisionTransformerConfig::default()).expect_err("broken").to_string();
    for part in ["missing: blocks.1.norm2.weight", "norm.bias is [24], expected [48]", "unexpected: blocks.0.mlp.w12"] {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn weights_of_a_convolutional_network_and_empty_tensors_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let tensor = |name: &str, shape: &[usize]| NamedTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data: vec![0.0; shape.iter().product()],
    };
    for tensors in [
        vec![tensor("features.0.weight", &[4, 3, 3, 3])],
        vec![
            tensor("cls_token", &[1, 1, 0]),
            tensor("pos_embed", &[1, 5, 0]),
            tensor("patch_embed.proj.weight", &[0, 3, 8, 8]),
        ],
        vec![
            tensor("cls_token", &[1, 1, 1_000_000]),
            tensor("pos_embed", &[1, 5, 1]),
            tensor("patch_embed.proj.weight", &[1, 3, 8, 8]),
            tensor("blocks.99999999999999.norm1.weight", &[1]),
        ],
    ] {
        save_tensors(&path, &tensors).expect("written");
        let error = VisionTransformer::open(&path, &VisionTransformerConfig::default()).expect_err("no transformer");
        assert!(error.to_string().contains("do not fit"), "{error}");
        assert!(TextEncoder::open(&path).is_err());
    }
}
