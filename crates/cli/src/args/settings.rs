//! Every flag that is a setting of a run, in the groups of the help.
//!
//! A new one is a line here, the field with its default and range in `sporeprint_run::config`, and whoever looks at it.

use std::path::Path;

use clap::Arg;
use sporeprint::config::{
    BankStart, CloseIn, ClusterCount, CodeKind, Geometry, HeadObjective, Labels, Merge, Method, NormStatistics,
    Objective, Refresh, RunConfig, Space, Stem, TokenCode, Variant,
};
use sporeprint::images::Factor;
use toml::{Table, Value};

use super::flag::{Flags, choice, flag, list, read_by, switch, unset};

/// Flags of `run`, `pretrain` and `bench`.
#[derive(Debug)]
pub(crate) struct RunFlags;

/// Flags of `aggregate`, over a run that is there.
#[derive(Debug)]
pub(crate) struct AggregateFlags;

/// Flags of `cluster`, over a run that is there or for codes.
#[derive(Debug)]
pub(crate) struct ClusterFlags;

impl Flags for RunFlags {
    fn flags() -> Vec<Arg> {
        let groups = [input(), clusters(), encoder(), training(), clusters_more(), encoder_more(), training_more()];
        let usual = [&RunConfig::default(), &RunConfig::from_scratch()].map(table);
        let mut flags: Vec<Arg> =
            groups.into_iter().flatten().chain(auto_encoder()).map(|flag| with_default(flag, &usual)).collect();
        flags.push(unset(&flags));
        flags
    }
}

impl Flags for AggregateFlags {
    fn flags() -> Vec<Arg> {
        let mut flags = [training(), training_more(), under("Training, in detail", vec![ignore()])].concat();
        flags.push(unset(&flags));
        flags
    }
}

impl Flags for ClusterFlags {
    fn flags() -> Vec<Arg> {
        let mut flags = [clusters(), clusters_more()].concat();
        flags.push(unset(&flags));
        flags
    }
}

fn under(heading: &'static str, flags: Vec<Arg>) -> Vec<Arg> {
    flags.into_iter().map(|flag| flag.help_heading(heading)).collect()
}

fn input() -> Vec<Arg> {
    under(
        "Input",
        vec![
            labels(
                "Labels that the clusters are compared with, never used to make them: from-dirs (the folders' names), or a \
                    CSV with the columns filename and label",
            ),
            flag::<u64>("seed", "seed", "N", "Source of every random choice: the same seed gives the same result"),
        ],
    )
}

fn ignore() -> Arg {
    list::<Factor>(
        "ignore",
        "ignore",
        "LIST",
        "What should not tell photographs apart: colour or rotation; and while training position, scale, background",
    )
}

/// The flag for labels, also of verbs that have no other settings.
pub(super) fn labels(help: &'static str) -> Arg {
    read_by("images.labels", "labels", "from-dirs|FILE.csv", help, |text| {
        let labels = match text.parse() {
            Ok(Labels::Table(path)) => Labels::Table(std::path::absolute(path).map_err(|error| error.to_string())?),
            Ok(other) => other,
        };
        Value::try_from(labels).map_err(|error| error.to_string())
    })
}

fn clusters() -> Vec<Arg> {
    under(
        "Clusters",
        vec![
            flag::<ClusterCount>(
                "cluster.n_clusters",
                "n-clusters",
                "N|auto",
                "Number of clusters; auto lets the program choose and show its reasons",
            )
            .short('k'),
            choice::<Method>("cluster.method", "method", None, "How codes become clusters"),
            choice::<Space>(
                "cluster.space",
                "space",
                None,
                "What the method sees of the codes [default: umap for kmeans of 100 to 100000 images and for hdbscan, else \
                 codes]; spectral clustering is `--space spectral`",
            ),
            choice::<Geometry>("cluster.metric", "metric", None, "When two codes are near"),
            choice::<CodeKind>(
                "aggregate.codes",
                "codes",
                None,
                "Which codes of the network are clustered [default: the program chooses, and says why]",
            ),
            flag::<usize>(
                "cluster.min_cluster_size",
                "min-cluster-size",
                "N",
                "hdbscan: fewest images of a cluster [default: a hundredth of all, 5 to 100]",
            ),
            list_of_files(
                "cluster.features",
                "features",
                "More codes of the same images (.npy, .parquet, .csv, .safetensors), looked at beside their own",
            ),
        ],
    )
}

fn list_of_files(setting: &'static str, long: &'static str, help: &'static str) -> Arg {
    let absolute = |text: &str| {
        let path = std::path::absolute(Path::new(text)).map_err(|error| error.to_string())?;
        Value::try_from(path).map_err(|error| error.to_string())
    };
    read_by(setting, long, "FILE", help, absolute).value_delimiter(',').action(clap::ArgAction::Append)
}

fn encoder() -> Vec<Arg> {
    under(
        "Encoder: what turns a photograph into numbers",
        vec![
            flag::<String>(
                "encoder.architecture",
                "encoder",
                "NAME",
                "Network: efficientnet-lite0 to 4, vgg11-bn, vgg13-bn, vgg16-bn, vgg19-bn, resnet18, resnet34, resnet50; never \
                 trained: pixels, simple, dinov2, clip, or a file MODEL.onnx [default: efficientnet-lite0, as it comes with \
                 the program]",
            ),
            flag::<String>(
                "weights",
                "weights",
                "WEIGHTS",
                "What the network knows at first: builtin, none (it learns from these photographs alone), a .safetensors, \
                 .pth or .pt file, or hf:OWNER/REPO[/FILE] to download once [default: builtin, or none with another network]",
            ),
            flag::<usize>(
                "encoder.image_size",
                "image-size",
                "PIXELS",
                "Side that photographs are brought to, in pixels",
            ),
            ignore(),
        ],
    )
}

fn training() -> Vec<Arg> {
    under(
        "Training on the photographs",
        vec![
            flag::<usize>("aggregate.epochs", "aggregate-epochs", "N", "Passes over all photographs; 0 trains nothing"),
            flag::<usize>("aggregate.batch_size", "batch-size", "N", "Photographs in each step of training"),
            flag::<f64>("aggregate.sgd.learning_rate", "learning-rate", "RATE", "Size of the first steps of training"),
            switch(
                "aggregate.guard",
                "no-guard",
                false,
                "Train even where what can be measured says that it will do harm",
            ),
        ],
    )
}

fn clusters_more() -> Vec<Arg> {
    under(
        "Clusters, in detail",
        vec![
            flag::<usize>("cluster.n_init", "n-init", "N", "Attempts of k-means, of which the best is kept"),
            flag::<usize>(
                "cluster.components",
                "components",
                "N",
                "Numbers for each image in --space pca, spectral or umap [default: 32, as many as clusters, 10]",
            ),
            flag::<usize>(
                "cluster.graph_neighbors",
                "graph-neighbors",
                "K",
                "Neighbours of each image in the graphs of diffusion, spectral, umap and consensus",
            ),
            flag::<usize>("cluster.diffusion_rounds", "diffusion-rounds", "N", "Rounds of --space diffusion"),
            flag::<f64>(
                "cluster.diffusion_strength",
                "diffusion-strength",
                "0..1",
                "Weight of the neighbours in each of these rounds",
            ),
            flag::<f64>("cluster.slack", "slack", "SHARE", "--method balanced: room above an even share of the images"),
            flag::<usize>(
                "cluster.n_partitions",
                "partitions",
                "N",
                "--method consensus: groupings that are agreed upon",
            ),
            choice::<HeadObjective>(
                "cluster.head",
                "head",
                Some("Train none"),
                "Train a small network on the finished codes, in seconds; kept where neighbours are then together more often",
            ),
            flag::<usize>("cluster.head_layers", "head-layers", "1..2", "Layers of that network"),
            flag::<usize>(
                "cluster.mini_batch_above",
                "mini-batch-above",
                "N",
                "Images above which k-means looks at samples of them",
            ),
            flag::<usize>(
                "cluster.approximate_above",
                "approximate-above",
                "N",
                "Images above which neighbours are searched approximately; how many are found is said [default: never]",
            ),
        ],
    )
}

fn encoder_more() -> Vec<Arg> {
    under(
        "Encoder, in detail",
        vec![
            flag::<f64>(
                "encoder.width",
                "width",
                "FACTOR",
                "Channels of the network, as a share of the published one's",
            ),
            choice::<Stem>("encoder.stem", "stem", None, "First layers of a ResNet"),
            choice::<Merge>("encoder.merge", "merge", None, "How the network's last map becomes a code"),
            flag::<usize>(
                "encoder.head_dim",
                "head-dim",
                "DIM",
                "Dimensions of a linear layer after that, for training (the paper: 128)",
            ),
            flag::<usize>(
                "code_views",
                "code-views",
                "1..3",
                "Views of each photograph whose codes are averaged: 1 its centre, 2 the mirror image too, 3 its middle too",
            ),
            choice::<TokenCode>("frozen.tokens", "tokens", None, "dinov2 and ONNX: which tokens make the code"),
            read_by(
                "frozen.mean",
                "pixel-mean",
                "R,G,B",
                "ONNX: what is taken off pixels of 0 to 1 [default: as the file beside the model says, else ImageNet's]",
                three,
            ),
            read_by("frozen.deviation", "pixel-deviation", "R,G,B", "ONNX: what they are divided by then", three),
        ],
    )
}

fn three(text: &str) -> Result<Value, String> {
    let numbers: Vec<f64> = text
        .split(',')
        .map(|number| number.trim().parse().map_err(|_| format!("{number:?} is no number")))
        .collect::<Result<_, _>>()?;
    if numbers.len() != 3 {
        return Err(format!("{} numbers, expected 3: red, green, blue, for instance 0.5,0.5,0.5", numbers.len()));
    }
    Ok(numbers.into())
}

fn training_more() -> Vec<Arg> {
    under(
        "Training, in detail",
        vec![
            choice::<Objective>("aggregate.objective", "objective", None, "What training minimises"),
            flag::<usize>(
                "aggregate.warmup_epochs",
                "warmup-epochs",
                "N",
                "Passes at the start that tell single photographs apart (the paper: 10 of 200)",
            ),
            flag::<f64>(
                "aggregate.temperature",
                "temperature",
                "T",
                "Temperature (the paper's tau: 0.07) [default: 0.5 to tell photographs apart, 0.2 for Local Aggregation]",
            ),
            flag::<f64>(
                "aggregate.mixing_rate",
                "mixing-rate",
                "RATE",
                "Weight of a new code in the memory of all codes (the paper: 0.5)",
            ),
            flag::<usize>(
                "aggregate.background_neighbors",
                "background-neighbors",
                "K",
                "Background neighbours (the paper's k) [default: a quarter of the images, 64 to 4096]",
            ),
            choice::<CloseIn>(
                "aggregate.close_in",
                "close-in",
                None,
                "Where photographs that belong together are looked for",
            ),
            flag::<f64>(
                "aggregate.overlap",
                "overlap",
                "SHARE",
                "Share of the background neighbours that should be close ones",
            ),
            flag::<usize>(
                "aggregate.centroids",
                "centroids",
                "M",
                "Centroids of each clustering (the paper's m) [default: measured]",
            ),
            flag::<usize>("aggregate.clusterings", "clusterings", "H", "Clusterings (the paper's H)"),
            flag::<Refresh>(
                "aggregate.refresh",
                "refresh",
                "N|N-steps",
                "Make the clusterings anew every N passes, or steps, as in 10-steps",
            ),
            choice::<Variant>(
                "aggregate.variant",
                "variant",
                None,
                "Which published program to follow where they differ",
            ),
            choice::<BankStart>("aggregate.bank", "bank", None, "How the memory of all codes starts"),
            flag::<f64>(
                "aggregate.decorrelation",
                "decorrelation",
                "WEIGHT",
                "Weight on codes whose numbers say different things, while photographs are told apart",
            ),
            flag::<usize>(
                "aggregate.small_crops",
                "small-crops",
                "N",
                "Views of half the side beside each whole one, at a quarter of its price",
            ),
            flag::<f64>(
                "aggregate.half_size",
                "half-size",
                "SHARE",
                "Share of the passes, at the start, that see photographs of half the side",
            ),
            flag::<f64>(
                "aggregate.average",
                "average",
                "EPOCHS",
                "Passes that the average of the weights looks back; 0 takes the last weights",
            ),
            choice::<NormStatistics>(
                "aggregate.norm",
                "norm",
                None,
                "Means and variances that batch norm takes [default: frozen for the network that comes with the program, choose \
                 for other weights, batch for none]",
            ),
            switch(
                "aggregate.no_views",
                "no-views",
                true,
                "Train on whole photographs instead of random views of them",
            ),
        ],
    )
}

fn auto_encoder() -> Vec<Arg> {
    under(
        "Auto-encoder: a VGG that draws photographs from their codes, before the training above",
        vec![
            flag::<usize>(
                "pretrain.epochs",
                "pretrain-epochs",
                "N",
                "Passes over all photographs; 0 leaves it out [default: 10 where --encoder names a VGG, and for `pretrain`; \
                 else 0]",
            ),
            flag::<usize>("pretrain.batch_size", "pretrain-batch-size", "N", "Photographs in each step"),
            flag::<f64>("pretrain.sgd.learning_rate", "pretrain-learning-rate", "RATE", "Size of the first steps"),
            switch("pretrain.freeze_encoder", "freeze-encoder", true, "Train only what draws, not the encoder"),
        ],
    )
}

fn table(settings: &RunConfig) -> Table {
    Table::try_from(settings).unwrap_or_default()
}

/// The flag with its default said, as the settings have it, and that from scratch where it is another.
fn with_default(flag: Arg, [usual, scratch]: &[Table; 2]) -> Arg {
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let is_switch = flag.get_num_args().is_some_and(|n| n.max_values() == 0);
    let default = |table: &Table| default_of(table, flag.get_id().as_str());
    let Some(word) = default(usual).filter(|_| !is_switch && !help.contains("[default:")) else { return flag };
    let from_scratch = default(scratch).filter(|other| *other != word);
    let from_scratch = from_scratch.map(|other| format!("; {other} from scratch")).unwrap_or_default();
    flag.help(format!("{help} [default: {word}{from_scratch}]"))
}

fn default_of(table: &Table, setting: &str) -> Option<String> {
    let overlay = sporeprint::config::Overlay::from_table(table.clone()).ok()?;
    Some(match overlay.get(setting)? {
        Value::String(word) => word.clone(),
        Value::Array(list) if list.is_empty() => return None,
        // A variant with its number.
        Value::Table(variant) => variant.values().next()?.to_string(),
        other => other.to_string(),
    })
}
