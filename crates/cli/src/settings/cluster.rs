//! Flags of the clusters over settings that are there already.

use anyhow::{Result, bail};
use sporeprint::config::HeadObjective;
use sporeprint::config::{ClusterCount, Geometry, Method, RunConfig, Space};

use super::{absolute, set};
use crate::args::{ClusterArgs, HeadArg, MethodArg, MetricArg, SpaceArg};

/// Flags of the cluster stage over settings that are there already.
pub(crate) fn cluster(config: &mut RunConfig, args: &ClusterArgs) -> Result<()> {
    let cluster = &mut config.cluster;
    if let Some(text) = &args.n_clusters {
        cluster.n_clusters = match (text.as_str(), text.parse()) {
            ("auto", _) => ClusterCount::Auto,
            (_, Ok(k)) => ClusterCount::Fixed(k),
            _ => bail!("--n-clusters is {text:?}, expected a number or auto"),
        };
    }
    if let Some(name) = args.method {
        cluster.method = method(name);
    }
    if cluster.method == Method::Hdbscan && args.n_clusters.as_deref().is_some_and(|text| text != "auto") {
        bail!(
            "--n-clusters is {}, expected none with --method hdbscan, which finds the number itself\nhint: \
             --min-cluster-size makes clusters fewer and larger",
            args.n_clusters.as_deref().unwrap_or_default()
        );
    }
    if let Some(name) = args.space {
        cluster.space = Some(space(name));
    }
    if let Some(name) = args.metric {
        cluster.metric = match name {
            MetricArg::Cosine => Geometry::Cosine,
            MetricArg::Euclidean => Geometry::Euclidean,
        };
    }
    set(&mut cluster.n_init, args.n_init);
    cluster.components = args.components.or(cluster.components);
    if let Some(name) = args.head {
        cluster.head = head(name);
    }
    set(&mut cluster.head_layers, args.head_layers);
    set(&mut cluster.graph_neighbors, args.graph_neighbors);
    set(&mut cluster.diffusion_rounds, args.diffusion_rounds);
    set(&mut cluster.diffusion_strength, args.diffusion_strength);
    cluster.min_cluster_size = args.min_cluster_size.or(cluster.min_cluster_size);
    set(&mut cluster.slack, args.slack);
    set(&mut cluster.n_partitions, args.partitions);
    set(&mut cluster.mini_batch_above, args.mini_batch_above);
    cluster.approximate_above = args.approximate_above.or(cluster.approximate_above);
    if !args.features.is_empty() {
        cluster.features = args.features.iter().map(|path| absolute(path)).collect::<Result<_>>()?;
    }
    Ok(())
}

fn head(name: HeadArg) -> Option<HeadObjective> {
    match name {
        HeadArg::None => None,
        HeadArg::Scan => Some(HeadObjective::Scan),
        HeadArg::Temi => Some(HeadObjective::Temi),
        HeadArg::LocalAggregation => Some(HeadObjective::LocalAggregation),
    }
}

fn method(name: MethodArg) -> Method {
    match name {
        MethodArg::Kmeans => Method::Kmeans,
        MethodArg::Spherical => Method::Spherical,
        MethodArg::Minibatch => Method::Minibatch,
        MethodArg::Hierarchical => Method::Hierarchical,
        MethodArg::Balanced => Method::Balanced,
        MethodArg::Ward => Method::Ward,
        MethodArg::Average => Method::Average,
        MethodArg::Hdbscan => Method::Hdbscan,
        MethodArg::Consensus => Method::Consensus,
    }
}

fn space(name: SpaceArg) -> Space {
    match name {
        SpaceArg::Codes => Space::Codes,
        SpaceArg::Pca => Space::Pca,
        SpaceArg::Diffusion => Space::Diffusion,
        SpaceArg::Spectral => Space::Spectral,
        SpaceArg::Umap => Space::Umap,
    }
}
