//! Our field paths and the names that other programs give the same tensors.

use crate::config::{Architecture, Family, VggStage};

/// The name that a tensor has in torchvision's state dict; the decoder's are the article's, `decoder.N.*`.
///
/// `path` is that of a field of an [`Encoder`](crate::encoder::Encoder) or, behind `encoder.` or `decoder.`, of an
/// [`AutoEncoder`](crate::encoder::AutoEncoder).
pub(crate) fn torch_name(path: &str, architecture: Architecture) -> String {
    let path = path.strip_prefix("encoder.").unwrap_or(path);
    match (architecture.family(), path.strip_prefix("decoder.layers."), path.strip_prefix("backbone.")) {
        (Family::Vgg(stages), Some(layer), _) => in_sequence("decoder", layer, &decoder_positions(stages)),
        (Family::Vgg(stages), None, Some(field)) => match field.strip_prefix("layers.") {
            Some(layer) => in_sequence("features", layer, &encoder_positions(stages)),
            None => field.to_owned(),
        },
        (Family::ResNet(_), _, Some(field)) => residual(field),
        (Family::Vgg(_), None, None) | (Family::ResNet(_), _, None) => path.to_owned(),
    }
}

/// `3.conv.weight` becomes `features.N.weight`, and the norm behind it `features.N+1.*`.
fn in_sequence(list: &str, layer: &str, positions: &[usize]) -> String {
    let mut parts = layer.splitn(3, '.');
    let position = parts.next().and_then(|index| index.parse::<usize>().ok()).and_then(|index| positions.get(index));
    match (position, parts.next(), parts.next()) {
        (Some(position), Some("conv"), Some(field)) => format!("{list}.{position}.{field}"),
        (Some(position), Some(_), Some(field)) => format!("{list}.{}.{field}", position + 1),
        _ => format!("{list}.{layer}"),
    }
}

/// Where torchvision's `features` has its convolutions: each takes three places, each pooling one.
fn encoder_positions(stages: &[VggStage]) -> Vec<usize> {
    let mut next = 0;
    let mut positions = Vec::new();
    for stage in stages {
        positions.extend((0..stage.depth).map(|i| next + 3 * i));
        next += 3 * stage.depth + 1;
    }
    positions
}

/// The same for the mirror, where each stage begins with its un-pooling.
fn decoder_positions(stages: &[VggStage]) -> Vec<usize> {
    let mut next = 0;
    let mut positions = Vec::new();
    for stage in stages.iter().rev() {
        positions.extend((0..stage.depth).map(|i| next + 1 + 3 * i));
        next += 3 * stage.depth + 1;
    }
    positions
}

/// `layers.0.1.downsample.conv.weight` becomes `layer1.1.downsample.0.weight`.
fn residual(field: &str) -> String {
    let field = field.replace("downsample.conv", "downsample.0").replace("downsample.norm", "downsample.1");
    let stage = field.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
    match stage.and_then(|(stage, rest)| Some((stage.parse::<usize>().ok()?, rest))) {
        Some((stage, rest)) => format!("layer{}.{rest}", stage + 1),
        None => field,
    }
}

/// What a name in a weight file stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A tensor under the name of [`torch_name`].
    Tensor(String),
    /// Part of a classifier, which no encoder has.
    Classifier,
    /// PyTorch's count of batches, which nothing uses.
    Counter,
}

/// Wrappers that trainers put around a network.
const WRAPPERS: [&str; 5] = ["module.", "_orig_mod.", "model.", "backbone.", "net."];

/// Classifiers of torchvision (VGG, ResNet) and of timm (VGG's two parts).
const CLASSIFIERS: [&str; 4] = ["classifier.", "fc.", "pre_logits.", "head.fc."];

/// Reads a name as torchvision, timm, the article or this program write it.
pub(crate) fn read_name(name: &str) -> Found {
    let mut name = name;
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    if name.ends_with("num_batches_tracked") {
        return Found::Counter;
    }
    if CLASSIFIERS.iter().any(|classifier| name.starts_with(classifier)) {
        return Found::Classifier;
    }
    // The article's auto-encoder holds modules `encoder` and `decoder` with a list of the same name inside, its
    // first version the lists alone.
    for (theirs, ours) in [("encoder", "features"), ("decoder", "decoder")] {
        let Some(rest) = name.strip_prefix(theirs).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let rest = rest.strip_prefix(theirs).and_then(|rest| rest.strip_prefix('.')).unwrap_or(rest);
        if rest.starts_with(|first: char| first.is_ascii_digit()) {
            return Found::Tensor(format!("{ours}.{rest}"));
        }
        return Found::Tensor(if ours == "features" { rest.to_owned() } else { name.to_owned() });
    }
    Found::Tensor(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Found, read_name, torch_name};
    use crate::config::Architecture::{ResNet50, Vgg16Bn};

    #[test]
    fn paths_become_torchvision_names() {
        for (path, name) in [
            ("backbone.layers.0.conv.weight", "features.0.weight"),
            ("backbone.layers.2.norm.running_var", "features.8.running_var"),
            ("backbone.layers.12.conv.bias", "features.40.bias"),
            ("encoder.backbone.layers.12.norm.bias", "features.41.bias"),
            ("decoder.layers.0.conv.weight", "decoder.1.weight"),
            ("decoder.layers.3.norm.weight", "decoder.12.weight"),
            ("decoder.layers.12.conv.bias", "decoder.41.bias"),
            ("head.weight", "head.weight"),
        ] {
            assert_eq!(torch_name(path, Vgg16Bn), name);
        }
        for (path, name) in [
            ("backbone.conv1.weight", "conv1.weight"),
            ("backbone.layers.3.1.conv2.weight", "layer4.1.conv2.weight"),
            ("backbone.layers.0.0.downsample.norm.bias", "layer1.0.downsample.1.bias"),
        ] {
            assert_eq!(torch_name(path, ResNet50), name);
        }
    }

    #[test]
    fn names_of_other_programs_are_understood() {
        for (name, found) in [
            ("features.0.weight", "features.0.weight"),
            ("module.encoder.encoder.41.running_mean", "features.41.running_mean"),
            ("encoder.0.bias", "features.0.bias"),
            ("decoder.decoder.42.bias", "decoder.42.bias"),
            ("decoder.42.bias", "decoder.42.bias"),
            ("model.layer1.0.conv1.weight", "layer1.0.conv1.weight"),
            ("head.weight", "head.weight"),
        ] {
            assert_eq!(read_name(name), Found::Tensor(found.into()), "{name}");
        }
        for name in ["classifier.6.bias", "fc.weight", "pre_logits.fc1.weight", "head.fc.bias"] {
            assert_eq!(read_name(name), Found::Classifier, "{name}");
        }
        assert_eq!(read_name("features.1.num_batches_tracked"), Found::Counter);
    }
}
