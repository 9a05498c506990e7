//! What was run, in words: from the settings as they stand in the file and the figures of training.

use std::path::Path;

use toml::{Table, Value};

use super::ReportData;
use super::words::{capital, count, network, stage};

/// Facts about the run, each with its name. What the settings do not say is left out.
pub(super) fn facts(data: &ReportData) -> Vec<(&'static str, String)> {
    let settings: Table = data.settings.parse().unwrap_or_default();
    let mut facts = Vec::new();
    let mut put = |name, words: Option<String>| facts.extend(words.map(|words| (name, words)));
    put("Photographs", photographs(&settings));
    put("Network", encoder(&settings));
    put("Training", training(data));
    put("Clusters", clusters(&settings, data));
    put("Seed", at(&settings, "seed").map(Value::to_string));
    facts
}

fn at<'a>(settings: &'a Table, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = settings.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

fn photographs(settings: &Table) -> Option<String> {
    let paths = at(settings, "images.paths")?.as_array()?;
    let shown: Vec<&str> = paths.iter().filter_map(Value::as_str).take(3).collect();
    let more = if paths.len() > 3 { format!(" and {} more", paths.len() - 3) } else { String::new() };
    (!shown.is_empty()).then(|| shown.join(", ") + &more)
}

fn encoder(settings: &Table) -> Option<String> {
    if let Some((name, own)) = at(settings, "frozen").and_then(Value::as_table).and_then(|table| table.iter().next()) {
        let size =
            own.get("image_size").and_then(Value::as_integer).map_or_else(String::new, |px| format!(", {px} px"));
        return Some(format!("{}{size}, never trained", network(name)));
    }
    let name = at(settings, "encoder.architecture")?.as_str()?;
    let mut words = network(name);
    if let Some(width) = at(settings, "encoder.width").and_then(Value::as_float).filter(|&width| width != 1.) {
        words += &format!(" with {width} × the channels");
    }
    if let Some(size) = at(settings, "encoder.image_size").and_then(Value::as_integer) {
        words += &format!(", {size} px");
    }
    words += &match at(settings, "weights").and_then(Value::as_str) {
        None | Some("none") => ", from random weights".to_owned(),
        Some("builtin") => ", from the built-in weights".to_owned(),
        Some(path) => {
            let file = Path::new(path).file_name().map_or_else(|| path.into(), |name| name.to_string_lossy());
            format!(", from the weights {file}")
        }
    };
    Some(words)
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
        return (!data.assignments.is_empty()).then(|| "none, the codes are untouched".to_owned());
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

fn clusters(settings: &Table, data: &ReportData) -> Option<String> {
    let method = match at(settings, "cluster.method").and_then(Value::as_str) {
        None | Some("kmeans") => "k-means",
        Some("hdbscan") => "HDBSCAN",
        Some(other) => other,
    };
    let asked = at(settings, "cluster.n_clusters")?;
    if let Some(k) = asked.get("fixed").and_then(Value::as_integer) {
        return Some(format!("{method}, {k} asked for"));
    }
    let chosen = data.k_curve.as_ref().map(|curve| format!(", {} chosen by the program", curve.chosen));
    Some(method.to_owned() + &chosen.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sporeprint_run::tables::Metric;

    #[test]
    fn settings_become_words_and_nonsense_is_left_out() {
        let mut data = ReportData {
            settings: "seed = 7\nweights = \"/w/vgg16_bn.pth\"\n[images]\npaths = [\"/a\"]\n[encoder]\narchitecture = \
                       \"vgg16-bn\"\nwidth = 0.25\nimage_size = 64\n[cluster.n_clusters]\nfixed = 12\n"
                .to_owned(),
            metrics: vec![
                Metric::new("pretrain", 1.).number("loss", 1.),
                Metric::new("pretrain", 2.).number("loss", 0.5),
            ],
            ..ReportData::default()
        };
        let expected = [
            ("Photographs", "/a"),
            ("Network", "VGG-16 with 0.25 × the channels, 64 px, from the weights vgg16_bn.pth"),
            ("Training", "Auto-encoder 2 epochs"),
            ("Clusters", "k-means, 12 asked for"),
            ("Seed", "7"),
        ];
        assert_eq!(facts(&data), expected.map(|(name, words)| (name, words.to_owned())));
        data.settings = "[frozen.dinov2]\nimage_size = 224\n[encoder]\narchitecture = \"vgg16-bn\"".to_owned();
        assert_eq!(facts(&data)[0], ("Network", "dinov2, 224 px, never trained".to_owned()));
        data.settings = "seed = = 7".to_owned();
        assert_eq!(facts(&data).len(), 1);
    }
}
