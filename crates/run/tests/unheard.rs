//! Settings that say nothing because of others: tables over encoders, methods, spaces, heads and objectives.
//!
//! In every table 1 stands for heard, 0 for refused by name; every value differs from the one that stands without being given.

use sporeprint_run::config::{ConfigError, Overlay, RunConfig};

fn file(text: &str) -> Overlay {
    Overlay::from_toml(text).expect("TOML")
}

/// The settings that are refused because they say nothing.
fn unheard(in_file: &str, flags: &str) -> Vec<String> {
    match RunConfig::resolve(&file(in_file), &file(flags)) {
        Err(ConfigError::Unheard(list)) => list.into_iter().map(|unheard| unheard.setting).collect(),
        Err(error) => panic!("{in_file} {flags}: {error}"),
        Ok(_) => Vec::new(),
    }
}

/// Each setting beside each of `others` is refused, alone and by its path, where the table has a 0; by flag and in a file.
fn check<const N: usize>(others: [&str; N], table: &[(&str, [u8; N])]) {
    for (setting, heard) in table {
        let path = setting.split(" = ").next().expect("a path").to_owned();
        for (other, heard) in others.iter().zip(heard) {
            let expected = if *heard == 1 { vec![] } else { vec![path.clone()] };
            let given = format!("{other}\n{setting}");
            assert_eq!(unheard("", &given), expected, "by flags: {given}");
            assert_eq!(unheard(&given, ""), expected, "in a file: {given}");
        }
    }
}

#[test]
fn settings_are_heard_by_their_encoders_and_refused_elsewhere() {
    check(
        [
            "encoder.architecture = \"vgg16-bn\"",
            "encoder.architecture = \"resnet18\"",
            "encoder.architecture = \"pixels\"",
            "encoder.architecture = \"simple\"",
            "encoder.architecture = \"dinov2\"",
            "encoder.architecture = \"clip\"",
            "encoder.architecture = \"model.onnx\"",
            "",
        ],
        &[
            ("encoder.width = 0.5", [1, 1, 0, 0, 0, 0, 0, 1]),
            // Alone it asks for the small VGG from scratch, which has none.
            ("encoder.stem = \"small\"", [0, 1, 0, 0, 0, 0, 0, 0]),
            ("encoder.merge = \"flatten\"", [1, 1, 0, 0, 0, 0, 0, 1]),
            // The default trains nothing, so that nothing hears of a head or of views.
            ("encoder.head_dim = 16", [1, 1, 0, 0, 0, 0, 0, 0]),
            ("encoder.image_size = 96", [1, 1, 1, 1, 1, 1, 1, 1]),
            ("frozen.tokens = \"both\"", [0, 0, 0, 0, 1, 0, 1, 0]),
            ("frozen.mean = [0.5, 0.5, 0.5]", [0, 0, 0, 0, 0, 0, 1, 0]),
            ("frozen.deviation = [0.5, 0.5, 0.5]", [0, 0, 0, 0, 0, 0, 1, 0]),
            ("frozen.side = 16", [0, 0, 1, 0, 0, 0, 0, 0]),
            ("weights = \"net.pth\"", [1, 1, 0, 0, 1, 1, 0, 1]),
            ("pretrain.epochs = 3", [1, 0, 0, 0, 0, 0, 0, 0]),
            ("pretrain.batch_size = 8", [1, 0, 0, 0, 0, 0, 0, 0]),
            ("pretrain.freeze_encoder = true", [1, 0, 0, 0, 0, 0, 0, 0]),
            ("aggregate.epochs = 5", [1, 1, 0, 0, 0, 0, 0, 1]),
            ("aggregate.average = 3.0", [1, 1, 0, 0, 0, 0, 0, 1]),
            ("aggregate.small_crops = 3", [1, 1, 0, 0, 0, 0, 0, 1]),
            ("aggregate.decorrelation = 2.0", [1, 1, 0, 0, 0, 0, 0, 0]),
            ("aggregate.sgd.momentum = 0.8", [1, 1, 0, 0, 0, 0, 0, 1]),
            ("views.hue = 0.2", [1, 1, 0, 0, 0, 0, 0, 0]),
            ("code_views = 2", [1, 1, 1, 1, 1, 1, 1, 1]),
            ("ignore = [\"colour\"]", [1, 1, 1, 1, 1, 1, 1, 1]),
            ("ignore = [\"scale\"]", [1, 1, 0, 0, 0, 0, 0, 0]),
            ("cluster.n_init = 3", [1, 1, 1, 1, 1, 1, 1, 1]),
            ("seed = 5", [1, 1, 1, 1, 1, 1, 1, 1]),
        ],
    );
    // What reshapes the statistics of a network that is never trained.
    let many = "encoder.architecture = \"pixels\"\naggregate.norm = \"frozen\"\naggregate.small_crops = 3\n\
                aggregate.epochs = 5\naggregate.decorrelation = 2.0";
    let expected = ["aggregate.decorrelation", "aggregate.epochs", "aggregate.norm", "aggregate.small_crops"];
    assert_eq!(unheard("", many), expected);
}

#[test]
fn settings_are_heard_by_their_methods_and_refused_elsewhere() {
    check(
        [
            "cluster.method = \"kmeans\"",
            "cluster.method = \"spherical\"",
            "cluster.method = \"minibatch\"",
            "cluster.method = \"hierarchical\"",
            "cluster.method = \"balanced\"",
            "cluster.method = \"ward\"",
            "cluster.method = \"average\"",
            "cluster.method = \"hdbscan\"",
            "cluster.method = \"consensus\"",
        ],
        &[
            ("cluster.n_clusters = { fixed = 4 }", [1, 1, 1, 1, 1, 1, 1, 0, 1]),
            ("cluster.n_init = 3", [1, 1, 0, 1, 1, 0, 0, 0, 1]),
            ("cluster.max_iter = 30", [1, 1, 1, 0, 1, 0, 0, 0, 1]),
            ("cluster.mini_batch_above = 9", [1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("cluster.slack = 0.5", [0, 0, 0, 0, 1, 0, 0, 0, 0]),
            ("cluster.n_partitions = 7", [0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ("cluster.min_cluster_size = 9", [0, 0, 0, 0, 0, 0, 0, 1, 0]),
            ("cluster.approximate_above = 9", [1; 9]),
        ],
    );
}

#[test]
fn settings_are_heard_in_their_spaces_and_refused_elsewhere() {
    check(
        [
            "cluster.space = \"codes\"",
            "cluster.space = \"pca\"",
            "cluster.space = \"diffusion\"",
            "cluster.space = \"spectral\"",
            "cluster.space = \"umap\"",
            // The number of images decides.
            "cluster.method = \"kmeans\"",
            "cluster.method = \"ward\"",
            "cluster.method = \"ward\"\ncluster.features = [\"more.npy\"]",
        ],
        &[
            ("cluster.components = 5", [0, 1, 0, 1, 1, 1, 0, 1]),
            ("cluster.graph_neighbors = 9", [0, 0, 1, 1, 1, 1, 0, 1]),
            ("cluster.diffusion_rounds = 4", [0, 0, 1, 0, 0, 0, 0, 0]),
            ("cluster.diffusion_strength = 0.25", [0, 0, 1, 0, 0, 0, 0, 0]),
            ("cluster.metric = \"euclidean\"", [1; 8]),
        ],
    );
    assert_eq!(unheard("", "cluster.metric = \"euclidean\"\ncluster.center = false"), ["cluster.center"]);
}

#[test]
fn settings_are_heard_by_their_heads_and_refused_elsewhere() {
    check(
        [
            "cluster.space = \"codes\"",
            "cluster.space = \"codes\"\ncluster.head = \"scan\"",
            "cluster.space = \"codes\"\ncluster.head = \"temi\"",
            "cluster.space = \"codes\"\ncluster.head = \"local-aggregation\"",
            "cluster.space = \"codes\"\ncluster.method = \"consensus\"",
        ],
        &[("cluster.head_layers = 2", [0, 1, 1, 1, 0]), ("cluster.graph_neighbors = 9", [0, 1, 1, 1, 1])],
    );
}

#[test]
fn settings_are_heard_by_their_objectives_and_refused_elsewhere() {
    check(
        [
            "weights = \"none\"\naggregate.epochs = 4\naggregate.warmup_epochs = 0",
            "weights = \"none\"\naggregate.epochs = 4\naggregate.warmup_epochs = 2",
            "weights = \"none\"\naggregate.objective = \"instance\"",
            "weights = \"none\"\naggregate.objective = \"cluster-hardness\"",
            "weights = \"none\"\naggregate.epochs = 0",
        ],
        &[
            ("aggregate.decorrelation = 2.0", [0, 1, 1, 0, 0]),
            ("aggregate.noise = 9", [0, 1, 1, 0, 0]),
            ("aggregate.centroids = 9", [1, 1, 0, 0, 0]),
            ("aggregate.background_neighbors = 9", [1, 1, 0, 0, 0]),
            ("aggregate.clusterings = 9", [1, 1, 0, 0, 0]),
            ("aggregate.guard = false", [1, 1, 0, 0, 0]),
            ("aggregate.temperature = 0.3", [1, 1, 1, 0, 0]),
            ("aggregate.mixing_rate = 0.3", [1, 1, 1, 0, 0]),
            ("aggregate.variant = \"article\"", [1, 1, 1, 0, 0]),
            ("aggregate.bank = \"random\"", [1, 1, 1, 0, 0]),
            ("aggregate.refresh = { steps = 3 }", [1, 1, 0, 1, 0]),
            ("aggregate.average = 3.0", [1, 1, 1, 1, 0]),
            ("aggregate.batch_size = 9", [1; 5]),
            ("aggregate.no_views = true", [1, 1, 1, 1, 0]),
            ("encoder.head_dim = 16", [1, 1, 1, 1, 0]),
            ("views.hue = 0.2", [1, 1, 1, 1, 0]),
            ("ignore = [\"colour\", \"position\"]", [1, 1, 1, 1, 0]),
        ],
    );
    let whole = "aggregate.no_views = true\naggregate.small_crops = 2\naggregate.half_size = 0.5\nviews.hue = 0.1";
    assert_eq!(unheard("", whole), ["aggregate.half_size", "aggregate.small_crops", "views.hue"]);
    let headless = "encoder.architecture = \"resnet18\"\naggregate.head = \"random\"";
    assert_eq!(unheard("", headless), ["aggregate.head"]);
    let instance = "aggregate.objective = \"instance\"\naggregate.warmup_epochs = 3";
    assert_eq!(unheard("", instance), ["aggregate.warmup_epochs"]);
}

#[test]
fn all_that_says_nothing_is_said_at_once_with_what_silences_it() {
    let flags = "cluster.method = \"ward\"\ncluster.n_init = 3\ncluster.slack = 0.5\ncluster.n_partitions = 7\n\
                 cluster.min_cluster_size = 9\ncluster.diffusion_rounds = 4\ncluster.head_layers = 2";
    let error = RunConfig::resolve(&Overlay::default(), &file(flags)).expect_err("six say nothing").to_string();
    for word in [
        "6 settings",
        "`cluster.n_init`",
        "`cluster.slack`",
        "`cluster.n_partitions`",
        "`cluster.min_cluster_size`",
        "`cluster.diffusion_rounds`",
        "`cluster.head_layers`",
        "`cluster.method` is ward",
        "hint:",
    ] {
        assert!(error.contains(word), "{word} is not in {error}");
    }
    let flags = "encoder.architecture = \"pixels\"\nencoder.width = 0.5";
    let one = RunConfig::resolve(&Overlay::default(), &file(flags)).expect_err("never trained").to_string();
    assert!(one.contains("`encoder.width` says nothing") && one.contains("or leave it out"), "{one}");
}

#[test]
fn codes_from_elsewhere_hear_settings_of_the_clusters_alone() {
    let flags = "images.embeddings = \"codes.npy\"\n";
    let heard = "cluster.n_init = 3\nseed = 4\nimages.labels = \"from-dirs\"";
    assert_eq!(unheard("", &format!("{flags}{heard}")), [""; 0]);
    let silent = "aggregate.epochs = 3\ncode_views = 1\nencoder.head_dim = 3";
    assert_eq!(unheard("", &format!("{flags}{silent}")), ["aggregate.epochs", "code_views", "encoder.head_dim"]);
}

#[test]
fn what_a_flag_silences_in_a_file_or_a_run_is_left_in_peace() {
    let balanced = file("[cluster]\nmethod = \"balanced\"\nslack = 0.5");
    let ward = file("cluster.method = \"ward\"");
    assert!((RunConfig::resolve(&balanced, &ward).expect("left alone").cluster.slack - 0.5).abs() <= 1e-12);
    let run = RunConfig::resolve(&balanced, &Overlay::default()).expect("heard");
    assert!((run.with(&ward).expect("regrouped").cluster.slack - 0.5).abs() <= 1e-12);
    // And what only a flag lets speak is no fault of the file's.
    assert_eq!(unheard("[pretrain]\nbatch_size = 8", "encoder.architecture = \"vgg16-bn\""), [""; 0]);
    let hdbscan = RunConfig::resolve(&Overlay::default(), &file("cluster.method = \"hdbscan\"")).expect("heard");
    let error = hdbscan.with(&file("cluster.n_clusters = { fixed = 4 }")).expect_err("finds its own").to_string();
    assert!(error.contains("hdbscan") && error.contains("`cluster.min_cluster_size`"), "{error}");
    assert!(hdbscan.with(&file("cluster.n_clusters = \"auto\"")).is_ok());
}
