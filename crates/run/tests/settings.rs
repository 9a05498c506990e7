//! A run's settings from file and flags: which start they have, and that what was written out comes back.

use sporeprint_run::config::{
    AggregateConfig, Architecture, ClusterConfig, ClusterCount, CodeKind, ConfigError, Decay, EncoderConfig,
    FrozenConfig, HeadObjective, NormStatistics, Overlay, PretrainConfig, RunConfig, Space, WeightsSource,
    setting_names,
};

fn file(text: &str) -> Overlay {
    Overlay::from_toml(text).expect("TOML")
}

fn resolved(file_text: &str, flags: &str) -> Result<RunConfig, ConfigError> {
    RunConfig::resolve(&file(file_text), &file(flags))
}

fn settings(file_text: &str, flags: &str) -> RunConfig {
    resolved(file_text, flags).unwrap_or_else(|e| panic!("{file_text} {flags}: {e}"))
}

fn written_out(config: &RunConfig) -> String {
    toml::to_string(config).expect("settings serialise")
}

#[test]
fn without_anything_given_a_run_is_the_default() {
    assert_eq!(settings("", ""), RunConfig::default());
    assert_eq!(settings("weights = \"builtin\"", ""), RunConfig::default());
    assert_eq!(RunConfig::default().aggregate, AggregateConfig { epochs: 0, ..AggregateConfig::default() });
    // Whoever names a setting of training wants it.
    let trained = settings("", "aggregate.sgd.learning_rate = 0.02").aggregate;
    assert_eq!((trained.epochs, trained.sgd.learning_rate), (AggregateConfig::default().epochs, 0.02));
    assert_eq!(settings("", "aggregate.norm = \"adapted\"").aggregate.epochs, 0);
    assert_eq!(RunConfig::default().weights, WeightsSource::BuiltIn);
}

#[test]
fn the_start_follows_from_file_and_flags_together() {
    let scratch = settings("", "weights = \"none\"");
    assert_eq!(scratch, RunConfig::from_scratch());
    assert_eq!(settings("seed = 3", "weights = \"none\""), RunConfig { seed: 3, ..scratch.clone() });
    assert_eq!(settings("weights = \"none\"", "seed = 3"), RunConfig { seed: 3, ..scratch.clone() });
    // A file that a run wrote decides only what differs from that run's own start.
    let mut run = RunConfig { seed: 3, ..RunConfig::default() };
    run.cluster.n_init = 4;
    let again = settings(&written_out(&run), "weights = \"none\"");
    assert_eq!((&again.aggregate, again.cluster.n_init, again.seed), (&scratch.aggregate, 4, 3));
    assert_eq!(settings(&written_out(&scratch), "weights = \"builtin\""), RunConfig::default());
    // One written by hand keeps its every word.
    let kept = settings("[aggregate]\nepochs = 12", "weights = \"none\"");
    assert_eq!((kept.aggregate.epochs, kept.aggregate.norm), (12, NormStatistics::Batch));
    let tuned = settings("[aggregate]\nbatch_size = 8", "weights = \"net.safetensors\"");
    assert_eq!(tuned.aggregate, AggregateConfig { batch_size: 8, ..AggregateConfig::fine_tuning() });
    assert_eq!(tuned.weights, WeightsSource::File("net.safetensors".into()));
}

#[test]
fn a_named_architecture_is_as_published_and_a_vgg_has_its_auto_encoder_first() {
    let vgg = settings("", "encoder.architecture = \"vgg16-bn\"");
    assert_eq!((&vgg.encoder, &vgg.pretrain), (&EncoderConfig::default(), &PretrainConfig::default()));
    assert_eq!(vgg.aggregate, AggregateConfig::from_scratch());
    let resnet = settings("", "encoder.architecture = \"resnet18\"");
    let expected = EncoderConfig { architecture: Architecture::ResNet18, ..EncoderConfig::default() };
    assert_eq!((resnet.encoder, resnet.pretrain.epochs), (expected, 0));
    // Another one by a flag takes nothing of the file's but the size of pictures.
    let in_file = "[encoder]\narchitecture = \"vgg11-bn\"\nwidth = 0.5\nimage_size = 96\nhead_dim = 7";
    let other = settings(in_file, "encoder.architecture = \"resnet34\"");
    let expected = EncoderConfig { architecture: Architecture::ResNet34, image_size: 96, ..EncoderConfig::default() };
    assert_eq!(other.encoder, expected);
    let error = resolved("", "encoder.architecture = \"resnet19\"").expect_err("unknown").to_string();
    assert!(error.contains("resnet19") && error.contains("dinov2"), "{error}");
}

#[test]
fn the_built_in_network_by_its_name_is_the_default() {
    assert_eq!(settings("", "encoder.architecture = \"efficientnet-lite0\""), RunConfig::default());
    let from_seed = settings("", "weights = \"none\"\nencoder.architecture = \"efficientnet-lite0\"");
    assert_eq!((from_seed.weights, from_seed.aggregate), (WeightsSource::None, AggregateConfig::from_scratch()));
    let other = settings("", "encoder.architecture = \"efficientnet-lite2\"");
    assert_eq!((other.weights, other.encoder.image_size), (WeightsSource::None, 260));
}

#[test]
fn a_width_starts_from_scratch_and_a_size_of_pictures_does_not() {
    assert_eq!(settings("", "encoder.width = 0.5").weights, WeightsSource::None);
    let larger = settings("[encoder]\nimage_size = 96", "");
    assert_eq!((&larger.weights, larger.encoder.image_size), (&WeightsSource::BuiltIn, 96));
    for shape in ["encoder.architecture = \"vgg16-bn\"", "encoder.width = 0.25"] {
        let error = resolved("", &format!("weights = \"builtin\"\n{shape}")).expect_err("another network").to_string();
        assert!(error.contains("built-in") && error.contains("hint: leave"), "{error}");
    }
}

#[test]
fn weights_that_describe_their_network_need_nothing_else_and_what_is_given_wins() {
    let network = EncoderConfig { architecture: Architecture::ResNet34, width: 0.5, ..EncoderConfig::default() };
    let mut flags = file("weights = \"net.safetensors\"\nencoder.image_size = 32");
    flags.describe(network.clone());
    let in_file = file("[encoder]\narchitecture = \"vgg16-bn\"\n[pretrain]\nepochs = 0");
    let config = RunConfig::resolve(&in_file, &flags).expect("settings");
    assert_eq!(config.encoder, EncoderConfig { image_size: 32, ..network });
}

#[test]
fn an_encoder_that_is_never_trained_is_named_like_any_other() {
    let pixels = settings("", "encoder.architecture = \"pixels\"\nencoder.image_size = 40");
    assert_eq!(pixels.frozen.as_ref().map(FrozenConfig::image_size), Some(40));
    let trained = settings(&written_out(&pixels), "encoder.architecture = \"resnet18\"");
    assert_eq!((trained.frozen, trained.encoder.architecture), (None, Architecture::ResNet18));
    let both = settings("[frozen]\nkind = \"dinov2\"\nimage_size = 56", "frozen.tokens = \"both\"");
    assert!(written_out(&both).contains("tokens = \"both\"") && both.image_size() == 56);
    let other = settings("[frozen]\nkind = \"dinov2\"\ntokens = \"both\"", "encoder.architecture = \"clip\"");
    assert_eq!(other.frozen, FrozenConfig::by_name("clip"));
}

/// Settings that reach every corner: starts, encoders, values that are unset, variants of enums.
fn corners() -> Vec<RunConfig> {
    let starts = ["", "weights = \"none\"", "weights = \"net.pth\"", "encoder.width = 0.5"];
    let encoders = ["vgg11-bn", "vgg16-bn", "resnet18", "pixels", "simple", "dinov2", "clip", "model.onnx"];
    let mut all: Vec<RunConfig> = starts.iter().map(|flags| settings("", flags)).collect();
    all.extend(encoders.iter().map(|name| settings("", &format!("encoder.architecture = \"{name}\""))));
    for at in 0..all.len() {
        let mut other = all[at].clone();
        other.encoder.head_dim = other.encoder.head_dim.map_or(Some(9), |_| None);
        other.aggregate.temperature = Some(0.3);
        other.aggregate.sgd.decay = Decay::Step { every: 2.0, factor: 0.5 };
        other.cluster.n_clusters = ClusterCount::Fixed(7);
        other.cluster.space = Some(Space::Pca);
        // Left behind by an earlier grouping.
        other.cluster.slack = 0.5;
        other.images.paths = vec!["/photos".into()];
        all.push(other);
    }
    all
}

#[test]
fn every_settings_file_that_a_run_writes_comes_back_as_it_was() {
    for config in corners() {
        let text = written_out(&config);
        assert_eq!(settings(&text, ""), config, "{text}");
        assert_eq!(settings(&text, &format!("seed = {}", config.seed)), config, "{text}");
    }
}

#[test]
fn unknown_settings_and_other_types_are_refused_by_name() {
    for text in
        ["[aggregate]\nno_such = 1", "[aggregate]\nepochs = \"many\"", "[frozen]\nkind = \"pixels\"\nno_such = 1"]
    {
        assert!(matches!(resolved(text, ""), Err(ConfigError::Toml(_))), "{text}");
    }
    let error = Overlay::from_toml("unset = [\"cluster.componentz\"]").expect_err("no such setting").to_string();
    assert!(error.contains("`cluster.componentz`"), "{error}");
    let step = settings("[aggregate.sgd]\ndecay = { step = { every = 2.0, factor = 0.1 } }", "");
    assert_eq!(step.aggregate.sgd.decay, Decay::Step { every: 2.0, factor: 0.1 });
    assert!((step.aggregate.sgd.momentum - 0.9).abs() <= 1e-12, "the rest of the table stays");
}

#[test]
fn every_setting_can_be_put_back() {
    // Everything that may be without a value has one here.
    let aggregate = AggregateConfig {
        temperature: Some(0.3),
        background_neighbors: Some(9),
        centroids: Some(9),
        noise: Some(9),
        codes: Some(CodeKind::Backbone),
        epochs: 5,
        ..AggregateConfig::default()
    };
    let cluster = ClusterConfig {
        space: Some(Space::Umap),
        components: Some(3),
        head: Some(HeadObjective::Scan),
        min_cluster_size: Some(7),
        approximate_above: Some(8),
        features: vec!["more.npy".into()],
        n_init: 3,
        ..ClusterConfig::default()
    };
    let given = RunConfig { aggregate, cluster, ..RunConfig::default() };
    let may_be_without = [
        "encoder.head_dim",
        "aggregate.temperature",
        "aggregate.background_neighbors",
        "aggregate.centroids",
        "aggregate.noise",
        "aggregate.codes",
        "cluster.space",
        "cluster.components",
        "cluster.head",
        "cluster.min_cluster_size",
        "cluster.approximate_above",
        "cluster.features",
    ];
    let value = |config: &RunConfig, path: &str| file(&written_out(config)).get(path).cloned();
    for path in may_be_without {
        assert!(value(&given, path).is_some(), "{path} has no value to take away");
    }
    for path in setting_names().filter(|path| !path.starts_with("frozen.") && *path != "images") {
        let mut flags = Overlay::default();
        flags.unset(path).expect("a setting");
        let found = given.with(&flags).unwrap_or_else(|e| panic!("{path}: {e}"));
        let expected = if may_be_without.contains(&path) { None } else { value(&RunConfig::default(), path) };
        assert_eq!(value(&found, path), expected, "{path}");
    }
    // A file can say it too.
    assert_eq!(settings("unset = [\"encoder.head_dim\"]", "").encoder.head_dim, None);
    let pixels = settings("", "encoder.architecture = \"pixels\"");
    assert_eq!(settings(&written_out(&pixels), "unset = [\"frozen\"]").frozen, None);
}

#[test]
fn codes_that_a_run_cannot_have_are_refused_before_any_work() {
    let starts = [
        "aggregate.epochs = 5",
        "weights = \"none\"",
        "aggregate.epochs = 5\naggregate.norm = \"choose\"",
        "",
        "unset = [\"encoder.head_dim\"]\naggregate.epochs = 5",
        "encoder.architecture = \"pixels\"",
        "aggregate.norm = \"adapted\"",
    ];
    let table: [(&str, [u8; 7]); 6] = [
        ("untouched", [1, 0, 1, 0, 1, 0, 1]),
        ("adapted", [0, 0, 1, 0, 0, 0, 0]),
        ("backbone", [1, 1, 1, 1, 1, 1, 1]),
        ("ensemble", [1, 0, 1, 0, 1, 0, 0]),
        ("head", [1, 1, 1, 0, 0, 0, 0]),
        ("fused", [1, 1, 1, 1, 1, 0, 1]),
    ];
    for (kind, fine) in table {
        for (start, fine) in starts.iter().zip(fine) {
            let found = resolved("", &format!("{start}\naggregate.codes = \"{kind}\""));
            assert_eq!(found.is_ok(), fine == 1, "{kind} of {start}: {found:?}");
            if let Err(error) = found {
                assert!(error.to_string().starts_with(&format!("`aggregate.codes` is {kind}, expected")), "{error}");
            }
        }
    }
}

#[test]
fn values_out_of_range_are_named_with_their_setting() {
    let cases = [
        ("aggregate.sgd.momentum = 1.5", "aggregate.sgd.momentum"),
        ("aggregate.sgd.weight_decay = -1.0", "aggregate.sgd.weight_decay"),
        ("weights = \"none\"\naggregate.norm = \"adapted\"", "aggregate.norm"),
        ("encoder.image_size = 0", "encoder.image_size"),
        ("encoder.width = -1.0", "encoder.width"),
        ("code_views = 4", "code_views"),
        ("aggregate.epochs = 5\nviews.hue = 0.7", "views"),
        ("cluster.n_init = 0", "cluster.n_init"),
        ("cluster.head = \"scan\"\ncluster.method = \"hdbscan\"", "cluster.head"),
        ("cluster.space = \"codes\"\ncluster.features = [\"a.npy\"]", "cluster.features"),
    ];
    for (flags, setting) in cases {
        let error = resolved("", flags).expect_err(flags).to_string();
        assert!(error.contains(&format!("`{setting}`")) && error.contains("hint:"), "{error}");
    }
}

#[test]
fn a_table_of_labels_that_is_not_there_is_said_as_such() {
    let config = settings("", "images.labels = { table = \"/no/such.csv\" }");
    let error = config.check_files().expect_err("no file").to_string();
    assert!(error.contains("`images.labels`: there is no file /no/such.csv"), "{error}");
}
