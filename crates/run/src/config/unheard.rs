//! Which settings decide nothing because of others: one table.

use toml::Value;

use super::names::is_setting;
use super::overlay::get;
use super::{
    CodeKind, Family, FrozenConfig, Geometry, Method, NormStatistics, Objective, Overlay, RunConfig, Space, Unheard,
    WeightsSource,
};
use sporeprint_images::Factor;

/// Settings that are all silenced by the same, with what does it and what to do instead.
struct Rule {
    /// Paths; a table stands for all of its settings.
    settings: &'static [&'static str],
    /// Of those, which are heard all the same.
    but: &'static [&'static str],
    silenced_by: fn(&RunConfig) -> Option<String>,
    remedy: &'static str,
}

const fn rule(
    settings: &'static [&'static str],
    silenced_by: fn(&RunConfig) -> Option<String>,
    remedy: &'static str,
) -> Rule {
    Rule { settings, but: &[], silenced_by, remedy }
}

/// What a run of codes made elsewhere, and an encoder that is never trained, do not look at; then stage by stage.
const RULES: &[Rule] = &[
    rule(
        &["encoder", "frozen", "weights", "pretrain", "aggregate", "views", "code_views", "ignore"],
        |config| {
            config.images.embeddings.as_ref().map(|_| "the codes come from elsewhere (`images.embeddings`)".to_owned())
        },
        "give the photographs themselves",
    ),
    Rule {
        settings: &["encoder", "pretrain", "aggregate", "views"],
        but: &["aggregate.codes"],
        silenced_by: |config| {
            let frozen = config.frozen.as_ref()?;
            Some(format!("`encoder.architecture = {}` is never trained", frozen.name()))
        },
        remedy: "name a network that is trained, such as `encoder.architecture = resnet18`",
    },
    rule(
        &["weights"],
        |config| match config.frozen.as_ref()? {
            FrozenConfig::Dinov2(_) | FrozenConfig::Clip(_) => None,
            frozen => Some(format!("`encoder.architecture = {}` takes no weights beside itself", frozen.name())),
        },
        "name an encoder that does, such as `encoder.architecture = dinov2`",
    ),
    rule(
        &["encoder.stem"],
        |config| match config.encoder.architecture.family() {
            Family::ResNet(_) => None,
            Family::Vgg(_) | Family::EfficientNet(_) => {
                Some(format!("{} has no choice of it", config.encoder.architecture))
            }
        },
        "name a ResNet, such as `encoder.architecture = resnet18`",
    ),
    rule(
        &["pretrain"],
        |config| {
            let name = config.encoder.architecture;
            (!name.has_decoder()).then(|| format!("an auto-encoder needs pooling indices, which {name} has not"))
        },
        "name a VGG, such as `encoder.architecture = vgg16-bn`; `weights = none` without a name takes a small one",
    ),
    Rule {
        settings: &["pretrain"],
        but: &["pretrain.epochs"],
        silenced_by: |config| {
            (config.pretrain.epochs == 0).then(|| "`pretrain.epochs` is 0: no auto-encoder is trained".to_owned())
        },
        remedy: "give `pretrain.epochs`",
    },
    Rule {
        settings: &["aggregate", "encoder.head_dim"],
        but: &["aggregate.epochs", "aggregate.codes", "aggregate.batch_size", "aggregate.norm"],
        silenced_by: |config| {
            (config.aggregate.epochs == 0)
                .then(|| "`aggregate.epochs` is 0: nothing is trained over the bank".to_owned())
        },
        remedy: "give `aggregate.epochs`",
    },
    rule(
        &["aggregate.warmup_epochs"],
        |config| match config.aggregate.objective {
            Objective::LocalAggregation => None,
            other => Some(format!("`aggregate.objective` is {} from the first epoch", word(&other))),
        },
        "take `aggregate.objective = local-aggregation`",
    ),
    rule(
        &["aggregate.decorrelation", "aggregate.noise"],
        |config| (!config.aggregate.has_instance_epochs()).then(|| "no epoch has the instance objective".to_owned()),
        "give `aggregate.warmup_epochs`, or take `aggregate.objective = instance`",
    ),
    rule(
        &[
            "aggregate.background_neighbors",
            "aggregate.close_in",
            "aggregate.overlap",
            "aggregate.centroids",
            "aggregate.clusterings",
            "aggregate.clustering_rounds",
            "aggregate.fewest_close",
            "aggregate.largest_close",
            "aggregate.guard",
        ],
        |config| (!config.aggregate.has_local_epochs()).then(|| "no epoch has Local Aggregation".to_owned()),
        "take `aggregate.objective = local-aggregation`, and fewer `aggregate.warmup_epochs` than epochs",
    ),
    rule(
        &[
            "aggregate.temperature",
            "aggregate.mixing_rate",
            "aggregate.variant",
            "aggregate.bank",
            "aggregate.small_crops",
        ],
        |config| {
            let hardness = config.aggregate.objective == Objective::ClusterHardness;
            hardness.then(|| "`aggregate.objective` is cluster-hardness, which has no memory bank".to_owned())
        },
        "take another `aggregate.objective`",
    ),
    rule(
        &["aggregate.refresh"],
        |config| {
            let hardness = config.aggregate.objective == Objective::ClusterHardness;
            let made = hardness || config.aggregate.has_local_epochs();
            (!made).then(|| "no epoch has clusterings".to_owned())
        },
        "take `aggregate.objective = local-aggregation`, and fewer `aggregate.warmup_epochs` than epochs",
    ),
    rule(
        &["aggregate.half_size", "aggregate.small_crops"],
        |config| config.aggregate.no_views.then(|| "`aggregate.no_views` trains on whole images".to_owned()),
        "leave `aggregate.no_views` out",
    ),
    rule(
        &["aggregate.head"],
        |config| config.encoder.head_dim.is_none().then(|| "the network has no head".to_owned()),
        "give `encoder.head_dim`",
    ),
    rule(
        &["views"],
        |config| (!config.sees_views()).then(|| "nothing is trained on views".to_owned()),
        "train on them: give `aggregate.epochs`, leave `aggregate.no_views` out",
    ),
    rule(
        &["ignore"],
        |config| {
            let in_training = [Factor::Position, Factor::Scale, Factor::Background];
            let silent: Vec<String> = config.ignore.iter().filter(|f| in_training.contains(f)).map(word).collect();
            let words = || format!("{} counts in training alone, and nothing is trained on views", silent.join(", "));
            (!silent.is_empty() && !config.sees_views()).then(words)
        },
        "ignore colour or rotation, which codes can do without",
    ),
    rule(
        &["cluster.n_clusters"],
        |config| {
            let method = &config.cluster.method;
            let trained_for = config.aggregate.epochs > 0 && config.aggregate.objective == Objective::ClusterHardness;
            (*method == Method::Hdbscan && !trained_for)
                .then(|| "`cluster.method = hdbscan` finds the number itself".to_owned())
        },
        "`cluster.min_cluster_size` makes clusters fewer and larger",
    ),
    rule(
        &["cluster.n_init"],
        |config| {
            let with = [Method::Kmeans, Method::Spherical, Method::Hierarchical, Method::Balanced, Method::Consensus];
            other_method(config, &with)
        },
        "`cluster.method` kmeans, spherical, hierarchical, balanced and consensus hear it",
    ),
    rule(
        &["cluster.max_iter"],
        |config| {
            let with = [Method::Kmeans, Method::Spherical, Method::Minibatch, Method::Balanced, Method::Consensus];
            other_method(config, &with)
        },
        "`cluster.method` kmeans, spherical, minibatch, balanced and consensus hear it",
    ),
    rule(
        &["cluster.mini_batch_above"],
        |config| other_method(config, &[Method::Kmeans]),
        "take `cluster.method = kmeans`",
    ),
    rule(&["cluster.slack"], |config| other_method(config, &[Method::Balanced]), "take `cluster.method = balanced`"),
    rule(
        &["cluster.n_partitions"],
        |config| other_method(config, &[Method::Consensus]),
        "take `cluster.method = consensus`",
    ),
    rule(
        &["cluster.min_cluster_size"],
        |config| other_method(config, &[Method::Hdbscan]),
        "take `cluster.method = hdbscan`",
    ),
    rule(
        &["cluster.diffusion_rounds", "cluster.diffusion_strength"],
        |config| {
            let diffused = config.cluster.space == Some(Space::Diffusion);
            (!diffused).then(|| "`cluster.space` is not diffusion".to_owned())
        },
        "take `cluster.space = diffusion`",
    ),
    rule(
        &["cluster.components"],
        |config| match config.cluster.only_space()? {
            space @ (Space::Codes | Space::Diffusion) => {
                Some(format!("`cluster.space` is {}, which keeps the columns of the codes", word(&space)))
            }
            Space::Pca | Space::Spectral | Space::Umap => None,
        },
        "take `cluster.space` pca, spectral or umap",
    ),
    rule(
        &["cluster.graph_neighbors"],
        |config| {
            let cluster = &config.cluster;
            let elsewhere = cluster.method == Method::Consensus || cluster.head.is_some();
            match cluster.only_space()? {
                space @ (Space::Codes | Space::Pca) if !elsewhere => {
                    Some(format!("`cluster.space` is {}, which is made without a graph", word(&space)))
                }
                _ => None,
            }
        },
        "take `cluster.space` diffusion, spectral or umap, or `cluster.method = consensus`",
    ),
    rule(
        &["cluster.head_layers"],
        |config| config.cluster.head.is_none().then(|| "no head is trained on the codes".to_owned()),
        "give `cluster.head`",
    ),
    rule(
        &["cluster.center"],
        |config| {
            let euclidean = config.cluster.metric == Geometry::Euclidean;
            euclidean.then(|| "`cluster.metric` is euclidean, which takes codes as they are".to_owned())
        },
        "take `cluster.metric = cosine`",
    ),
];

impl RunConfig {
    /// Whether anything looks at random views of the images.
    fn sees_views(&self) -> bool {
        let trains = self.aggregate.epochs > 0 && !self.aggregate.no_views;
        let draws = self.pretrain.epochs > 0 && self.pretrain.views && self.encoder.architecture.has_decoder();
        let norm = matches!(self.aggregate.norm, NormStatistics::Adapted | NormStatistics::Choose);
        let adapts = norm && self.weights != WeightsSource::None;
        self.frozen.is_none() && (trains || draws || adapts)
    }

    /// Why a run of these settings can have no codes of a kind; nothing where it may have them.
    pub(super) fn without_codes(&self, kind: CodeKind) -> Option<&'static str> {
        let trained = self.aggregate.epochs > 0;
        let knows = self.weights != WeightsSource::None;
        let adapts = knows && matches!(self.aggregate.norm, NormStatistics::Adapted | NormStatistics::Choose);
        if self.frozen.is_some() {
            return (kind != CodeKind::Backbone).then_some("backbone: the encoder is never trained and has no others");
        }
        match kind {
            CodeKind::Backbone | CodeKind::Fused => None,
            CodeKind::Untouched if knows && (trained || adapts) => None,
            CodeKind::Untouched if knows => Some("backbone: without training it is the untouched encoder"),
            CodeKind::Adapted if adapts && trained => None,
            CodeKind::Adapted if adapts => Some("backbone: without training it is the adapted encoder"),
            CodeKind::Adapted => Some(
                "another kind: only weights to start from and `aggregate.norm` adapted or choose give adapted codes",
            ),
            CodeKind::Ensemble if knows && trained => None,
            CodeKind::Untouched | CodeKind::Ensemble => {
                Some("another kind: these need weights to start from, and training after them")
            }
            CodeKind::Head if trained && self.encoder.head_dim.is_some() => None,
            CodeKind::Head => {
                Some("another kind: these need `encoder.head_dim`, and `aggregate.epochs` to train the head")
            }
        }
    }
}

/// A value as settings files and flags write it.
fn word<T: serde::Serialize>(value: &T) -> String {
    Value::try_from(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn other_method(config: &RunConfig, hear: &[Method]) -> Option<String> {
    let method = config.cluster.method;
    (!hear.contains(&method)).then(|| format!("`cluster.method` is {}", word(&method)))
}

/// Of the settings given, those that decide nothing in `config`. A value that stands without being given, or that leaves the matter
/// out, is no trouble.
pub(super) fn refuse_unheard(given: &Overlay, config: &RunConfig, base: &RunConfig) -> Vec<Unheard> {
    let table = |config: &RunConfig| toml::Table::try_from(config).unwrap_or_default();
    let (resolved, usual) = (table(config), table(base));
    let mut found = Vec::new();
    for (path, value) in given.leaves() {
        if let Some(unheard) = of_a_frozen_encoder(&path, config) {
            found.push(unheard);
            continue;
        }
        // The word that names an encoder, and its size of pictures, go to `frozen`.
        let moved = config.frozen.is_some() && ["encoder.architecture", "encoder.image_size"].contains(&path.as_str());
        let stands = get(&resolved, &path).is_some() && get(&resolved, &path) == get(&usual, &path);
        if moved || stands || is_off(&path, value) {
            continue;
        }
        let is_of =
            |table: &&str| path.strip_prefix(*table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let silent = |rule: &&Rule| rule.settings.iter().any(is_of) && !rule.but.iter().any(is_of);
        let because = RULES.iter().filter(silent).find_map(|rule| Some(((rule.silenced_by)(config)?, rule.remedy)));
        if let Some((because, remedy)) = because {
            found.push(Unheard { setting: path, because, remedy });
        }
    }
    found.sort_by(|a, b| a.setting.cmp(&b.setting));
    found
}

/// Settings that leave a matter out by being 0 say so wherever they stand.
fn is_off(path: &str, value: &Value) -> bool {
    let zero = value.as_integer() == Some(0) || value.as_float() == Some(0.0);
    let off = [
        "pretrain.epochs",
        "aggregate.epochs",
        "aggregate.warmup_epochs",
        "aggregate.decorrelation",
        "aggregate.small_crops",
        "aggregate.half_size",
        "aggregate.average",
    ];
    zero && off.contains(&path) || path == "weights" && value.as_str() == Some("none")
}

/// A setting of one kind of encoder that is never trained, given to another or to a network that is.
fn of_a_frozen_encoder(path: &str, config: &RunConfig) -> Option<Unheard> {
    let name = path.strip_prefix("frozen.").filter(|name| *name != "kind" && is_setting(path))?;
    let because = match &config.frozen {
        Some(frozen) if FrozenConfig::settings_of(frozen.kind()).contains(&name) => return None,
        Some(frozen) => format!("`encoder.architecture = {}` has no use for it", frozen.name()),
        None => format!("a {} has no use for it", config.encoder.architecture),
    };
    let remedy = match name {
        "tokens" => "name an encoder of tokens: `encoder.architecture` dinov2 or MODEL.onnx",
        "side" => "take `encoder.architecture = pixels`",
        "image_size" | "digest" => "name an encoder that is never trained, such as `encoder.architecture = dinov2`",
        _ => "name a model: `encoder.architecture = MODEL.onnx`",
    };
    Some(Unheard { setting: path.to_owned(), because, remedy })
}
