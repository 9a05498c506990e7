//! What was run, in words: from the settings and the figures of training.

use std::path::Path;

use super::ReportData;
use super::words::{capital, count, network, stage};
use sporeprint_run::config::{ClusterCount, FrozenConfig, Method, RunConfig, WeightsSource};

/// Paths that are named; of more, their number is.
const MOST_PATHS: usize = 3;

/// Facts about the run, each with its name; none of settings that are not there.
pub(super) fn facts(data: &ReportData) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut put = |name, words: Option<String>| facts.extend(words.map(|words| (name, words)));
    if let Some(config) = &data.config {
        match &config.images.embeddings {
            Some(file) => put("Codes", Some(paths([file].into_iter().chain(&config.images.added)))),
            None => {
                let given = config.images.paths.iter().chain(&config.images.added);
                put("Photographs", Some(paths(given)).filter(|words| !words.is_empty()));
                put("Network", Some(encoder(config)));
            }
        }
    }
    put("Training", training(data));
    if let Some(config) = &data.config {
        put("Clusters", Some(clusters(config, data)));
        put("Seed", Some(config.seed.to_string()));
    }
    facts
}

fn paths<'a>(paths: impl Iterator<Item = &'a std::path::PathBuf> + Clone) -> String {
    let shown: Vec<String> = paths.clone().take(MOST_PATHS).map(|path| path.display().to_string()).collect();
    let n_more = paths.count().saturating_sub(MOST_PATHS);
    let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
    shown.join(", ") + &more
}

fn encoder(config: &RunConfig) -> String {
    if let Some(frozen) = &config.frozen {
        let from = config.weights.file().map_or_else(String::new, |path| format!(", from {}", file_name(path)));
        return format!("{}, {} px{from}, never trained", frozen_name(frozen), frozen.image_size());
    }
    let encoder = &config.encoder;
    let mut words = network(encoder.architecture.name());
    if encoder.width != 1. {
        words += &format!(" with {} × the channels", encoder.width);
    }
    words += &format!(", {} px", encoder.image_size);
    words
        + &match &config.weights {
            WeightsSource::None => ", from random weights".to_owned(),
            WeightsSource::BuiltIn => ", from the built-in weights".to_owned(),
            WeightsSource::File(path) => format!(", from the weights {}", file_name(path)),
        }
}

fn frozen_name(frozen: &FrozenConfig) -> String {
    match frozen {
        FrozenConfig::Pixels(_) => "Bare pixels".to_owned(),
        FrozenConfig::Simple(_) => "Edges, colours and patches".to_owned(),
        FrozenConfig::Dinov2(_) => "DINOv2".to_owned(),
        FrozenConfig::Clip(_) => "CLIP".to_owned(),
        FrozenConfig::Onnx(config) => format!("ONNX model {}", file_name(&config.model)),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Stages with a loss, their epochs and the time that their speed adds up to.
fn training(data: &ReportData) -> Option<String> {
    let mut stages: Vec<(&str, f64, f64)> = Vec::new();
    for metric in &data.metrics {
        let number = |name: &str| metric.numbers().find(|number| number.0 == name).map(|number| number.1);
        if number("loss").is_none() {
            continue;
        }
        let seconds = number("images_per_second").map_or(0., |rate| data.n_images() as f64 / rate);
        match stages.iter_mut().find(|stage| stage.0 == metric.stage) {
            Some(stage) => (stage.1, stage.2) = (stage.1.max(metric.epoch), stage.2 + seconds),
            None => stages.push((&metric.stage, metric.epoch, seconds)),
        }
    }
    if stages.is_empty() {
        // Codes that were made elsewhere may come from any training.
        let tells = !data.assignments.is_empty() && !data.is_of_given_codes();
        return tells.then(|| "none, the codes are untouched".to_owned());
    }
    let words: Vec<String> = stages
        .iter()
        .map(|&(name, epochs, seconds)| {
            let time = match seconds {
                s if s <= 0. => String::new(),
                s if s < 100. => format!(" in {s:.0} s"),
                s => format!(" in {:.0} min", s / 60.),
            };
            format!("{} {}{time}", stage(name).to_lowercase(), count(epochs as usize, "epoch"))
        })
        .collect();
    let taken = if data.left_training_out() { "; the codes of before are clustered" } else { "" };
    Some(capital(&words.join(", then ")) + taken)
}

fn clusters(config: &RunConfig, data: &ReportData) -> String {
    let method = match config.cluster.method {
        Method::Kmeans => "k-means",
        Method::Spherical => "spherical k-means",
        Method::Minibatch => "mini-batch k-means",
        Method::Hierarchical => "k-means in two levels",
        Method::Balanced => "balanced k-means",
        Method::Ward => "Ward's linkage",
        Method::Average => "average linkage",
        Method::Hdbscan => "HDBSCAN",
        Method::Consensus => "consensus of k-means",
    };
    match (config.cluster.n_clusters, &data.k_curve) {
        // It finds its own number, whatever was asked for.
        _ if config.cluster.method == Method::Hdbscan => method.to_owned(),
        (ClusterCount::Fixed(k), _) => format!("{method}, {k} asked for"),
        (ClusterCount::Auto, Some(curve)) => format!("{method}, {} chosen by the program", curve.chosen),
        (ClusterCount::Auto, None) => method.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_run::config::{Architecture, EncoderConfig, ImagesConfig};
    use sporeprint_run::tables::{Assignment, LogLine};

    fn of(config: RunConfig) -> ReportData {
        ReportData { config: Some(config), assignments: vec![Assignment::default()], ..ReportData::default() }
    }

    fn fact(data: &ReportData, wanted: &str) -> Option<String> {
        facts(data).into_iter().find(|(name, _)| *name == wanted).map(|(_, words)| words)
    }

    #[test]
    fn settings_become_words() {
        let mut config = RunConfig {
            seed: 7,
            images: ImagesConfig { paths: vec!["/a".into()], added: vec!["/b".into()], ..Default::default() },
            encoder: EncoderConfig { architecture: Architecture::Vgg16Bn, width: 0.25, ..Default::default() },
            weights: WeightsSource::File("/w/vgg16_bn.pth".into()),
            ..RunConfig::default()
        };
        config.cluster.n_clusters = ClusterCount::Fixed(12);
        let metrics =
            vec![LogLine::new("pretrain", 1.).number("loss", 1.), LogLine::new("pretrain", 2.).number("loss", 0.5)];
        let data = ReportData { metrics, ..of(config) };
        let expected = [
            ("Photographs", "/a, /b"),
            ("Network", "VGG-16 with 0.25 × the channels, 64 px, from the weights vgg16_bn.pth"),
            ("Training", "Auto-encoder 2 epochs"),
            ("Clusters", "k-means, 12 asked for"),
            ("Seed", "7"),
        ];
        assert_eq!(facts(&data), expected.map(|(name, words)| (name, words.to_owned())));
        assert_eq!(facts(&ReportData::default()), []);
    }

    /// The settings go through the file, as a run writes and reads them.
    #[test]
    fn every_frozen_encoder_is_called_by_its_name() {
        let cases = [
            ("pixels", "Bare pixels, 64 px, never trained"),
            ("simple", "Edges, colours and patches, 64 px, never trained"),
            ("dinov2", "DINOv2, 224 px, from net.safetensors, never trained"),
            ("clip", "CLIP, 224 px, from net.safetensors, never trained"),
            ("/models/Net.onnx", "ONNX model Net.onnx, 224 px, never trained"),
        ];
        for (name, expected) in cases {
            let frozen = FrozenConfig::by_name(name).expect("an encoder");
            let is_file = matches!(frozen, FrozenConfig::Dinov2(_) | FrozenConfig::Clip(_));
            let weights = if is_file { WeightsSource::File("/w/net.safetensors".into()) } else { WeightsSource::None };
            let config = RunConfig { frozen: Some(frozen), weights, ..RunConfig::default() };
            let text = toml::to_string_pretty(&config).expect("settings");
            let data = of(toml::from_str(&text).expect("settings"));
            assert_eq!(fact(&data, "Network").as_deref(), Some(expected));
            assert_eq!(fact(&data, "Training").as_deref(), Some("none, the codes are untouched"));
        }
    }

    #[test]
    fn no_network_and_no_training_is_told_of_codes_that_were_made_elsewhere() {
        let images = ImagesConfig { embeddings: Some("/c/codes.npy".into()), ..Default::default() };
        let data = of(RunConfig { images, ..RunConfig::default() });
        let names: Vec<&str> = facts(&data).iter().map(|fact| fact.0).collect();
        assert_eq!(names, ["Codes", "Clusters", "Seed"]);
        assert_eq!(fact(&data, "Codes").as_deref(), Some("/c/codes.npy"));
    }
}
