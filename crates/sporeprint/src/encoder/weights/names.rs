//! Our field paths and the names that other programs give the same tensors.

use crate::config::{Architecture, EfficientNetPlan, Family, VggStage};

/// The name that a tensor has in torchvision's state dict, an EfficientNet's in timm's; the decoder's are the article's,
/// `decoder.N.*`.
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
        (Family::EfficientNet(_), _, Some(field)) => mobile(field),
        (Family::Vgg(_), None, None) | (Family::ResNet(_) | Family::EfficientNet(_), _, None) => path.to_owned(),
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

/// `stages.1.0.expand.conv.weight` becomes `blocks.1.0.conv_pw.weight`.
///
/// The blocks of the first stage have no `expand`; timm counts their batch norms from there and calls `project` what is pointwise.
fn mobile(field: &str) -> String {
    let parts: Vec<&str> = field.split('.').collect();
    match parts[..] {
        ["stem", "conv", value] => format!("conv_stem.{value}"),
        ["stem", _, value] => format!("bn1.{value}"),
        ["last", "conv", value] => format!("conv_head.{value}"),
        ["last", _, value] => format!("bn2.{value}"),
        ["stages", stage, block, layer, part, value] => {
            let names = if stage == "0" { FIRST_STAGE } else { OTHER_STAGES };
            let known = names.iter().find(|(own, ..)| *own == layer);
            let (conv, norm) = known.map_or((layer, part), |(_, conv, norm)| (conv, norm));
            format!("blocks.{stage}.{block}.{}.{value}", if part == "conv" { conv } else { norm })
        }
        _ => field.to_owned(),
    }
}

/// Our layers of a block and what timm calls their convolution and batch norm.
type BlockNames = &'static [(&'static str, &'static str, &'static str)];

const FIRST_STAGE: BlockNames = &[("depthwise", "conv_dw", "bn1"), ("project", "conv_pw", "bn2")];
const OTHER_STAGES: BlockNames =
    &[("expand", "conv_pw", "bn1"), ("depthwise", "conv_dw", "bn2"), ("project", "conv_pwl", "bn3")];

/// timm's name of a tensor of an EfficientNet under the names of lukemelas' package and those who took them over
/// (`_blocks.3._expand_conv.weight`) or in torchvision's manner (`features.2.0.block.0.0.weight`).
fn mobile_name(name: &str, plan: &EfficientNetPlan) -> String {
    let name = name.replace(".conv.weight", ".weight");
    let parts: Vec<&str> = name.split('.').collect();
    let number = |text: &str| text.parse::<usize>().ok();
    let in_block = |stage: usize, block: usize, layer: &str, is_conv: bool, value: &str| {
        let part = if is_conv { "conv" } else { "norm" };
        mobile(&format!("stages.{stage}.{block}.{layer}.{part}.{value}"))
    };
    let own = match parts[..] {
        ["_conv_stem", value] => Some(mobile(&format!("stem.conv.{value}"))),
        ["_bn0", value] => Some(mobile(&format!("stem.norm.{value}"))),
        ["_conv_head", value] => Some(mobile(&format!("last.conv.{value}"))),
        ["_bn1", value] => Some(mobile(&format!("last.norm.{value}"))),
        ["_blocks", index, layer, value] => {
            number(index).and_then(|index| place(plan, index)).and_then(|(stage, block)| {
                let (layer, is_conv) = match layer {
                    "_expand_conv" => ("expand", true),
                    "_bn0" => ("expand", false),
                    "_depthwise_conv" => ("depthwise", true),
                    "_bn1" => ("depthwise", false),
                    "_project_conv" => ("project", true),
                    "_bn2" => ("project", false),
                    _ => return None,
                };
                Some(in_block(stage, block, layer, is_conv, value))
            })
        }
        ["features", part, conv_or_norm, value] => {
            let kind = if conv_or_norm == "0" { "conv" } else { "norm" };
            match number(part) {
                Some(0) => Some(mobile(&format!("stem.{kind}.{value}"))),
                Some(part) if part == plan.stages().len() + 1 => Some(mobile(&format!("last.{kind}.{value}"))),
                _ => None,
            }
        }
        ["features", stage, block, "block", layer, conv_or_norm, value] => match (number(stage), number(block)) {
            (Some(stage), Some(block)) if stage > 0 => {
                let layers: &[&str] =
                    if stage == 1 { &["depthwise", "project"] } else { &["expand", "depthwise", "project"] };
                let layer = number(layer).and_then(|layer| layers.get(layer));
                layer.map(|layer| in_block(stage - 1, block, layer, conv_or_norm == "0", value))
            }
            _ => None,
        },
        _ => None,
    };
    own.unwrap_or(name)
}

/// Stage and place in it of the block of this number, counted through all stages.
fn place(plan: &EfficientNetPlan, index: usize) -> Option<(usize, usize)> {
    let mut left = index;
    for (at, stage) in plan.stages().iter().enumerate() {
        if left < stage.depth {
            return Some((at, left));
        }
        left -= stage.depth;
    }
    None
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

/// Classifiers of torchvision (VGG, ResNet), of timm (VGG's two parts) and of lukemelas' EfficientNets.
const CLASSIFIERS: [&str; 5] = ["classifier.", "fc.", "pre_logits.", "head.fc.", "_fc."];

/// Whether a name stands for part of a classifier.
pub(crate) fn is_classifier(name: &str) -> bool {
    let name = WRAPPERS.iter().fold(name, |name, wrapper| name.strip_prefix(wrapper).unwrap_or(name));
    CLASSIFIERS.iter().any(|classifier| name.starts_with(classifier))
}

/// Reads a name as torchvision, timm, the article or this program write it for this architecture.
pub(crate) fn read_name(name: &str, architecture: Architecture) -> Found {
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
    if let Family::EfficientNet(plan) = architecture.family() {
        return Found::Tensor(mobile_name(name, plan));
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
    use crate::config::Architecture::{EfficientNetLite0, ResNet50, Vgg16Bn};

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
            assert_eq!(read_name(name, Vgg16Bn), Found::Tensor(found.into()), "{name}");
        }
        for name in ["classifier.6.bias", "fc.weight", "pre_logits.fc1.weight", "head.fc.bias"] {
            assert_eq!(read_name(name, Vgg16Bn), Found::Classifier, "{name}");
        }
        assert_eq!(read_name("features.1.num_batches_tracked", Vgg16Bn), Found::Counter);
    }

    #[test]
    fn an_efficientnet_is_read_under_three_namings() {
        for (path, name) in [
            ("backbone.stem.norm.weight", "bn1.weight"),
            ("backbone.stages.0.0.project.norm.bias", "blocks.0.0.bn2.bias"),
            ("backbone.stages.4.2.expand.conv.weight", "blocks.4.2.conv_pw.weight"),
            ("backbone.stages.6.0.project.norm.running_var", "blocks.6.0.bn3.running_var"),
            ("backbone.last.conv.weight", "conv_head.weight"),
            ("head.bias", "head.bias"),
        ] {
            assert_eq!(torch_name(path, EfficientNetLite0), name);
        }
        for (name, found) in [
            ("conv_stem.weight", "conv_stem.weight"),
            ("_conv_stem.weight", "conv_stem.weight"),
            ("features.0.0.weight", "conv_stem.weight"),
            ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
            ("_blocks.0._bn2.running_mean", "blocks.0.0.bn2.running_mean"),
            ("_blocks.11._bn0.weight", "blocks.5.0.bn1.weight"),
            ("features.1.0.block.1.0.weight", "blocks.0.0.conv_pw.weight"),
            ("features.6.3.block.2.1.bias", "blocks.5.3.bn3.bias"),
            ("_bn1.weight", "bn2.weight"),
            ("features.8.1.weight", "bn2.weight"),
            ("model.blocks.1.1.bn2.weight", "blocks.1.1.bn2.weight"),
            ("head.weight", "head.weight"),
        ] {
            assert_eq!(read_name(name, EfficientNetLite0), Found::Tensor(found.into()), "{name}");
        }
        for name in ["_fc.weight", "classifier.bias", "classifier.1.weight"] {
            assert_eq!(read_name(name, EfficientNetLite0), Found::Classifier, "{name}");
        }
    }
}
