//! Each kind of work, timed.

use std::time::Instant;

use burn::tensor::Device;
use sporeprint_cluster::{Init, KMeans, Metric, Rng, RowsView, nearest};
use thiserror::Error;

use super::estimate::{CLUSTERS, clusters_measured};
use super::memory::{forget_peak, peak_bytes};
use super::{BenchConfig, Measurement, Work, pictures};
use crate::bank::MemoryBank;
use crate::batch::{self, Source};
use crate::config::AggregateConfig;
use crate::config::NetworkError;
use crate::encoder::BuildEncoder;
use crate::images::{CacheConfig, CacheError, CodeView, FoundImage, ImageCache};
use crate::progress::Silent;
use crate::rows::normalize;
use crate::train::{Aggregation, Learner, Position, Pretraining, Setup, TrainError};

/// Photographs that are drawn, unless a batch is larger.
const FEWEST_PICTURES: usize = 64;
/// Too small to move a network within a benchmark, so that every step does the same work.
const LEARNING_RATE: f64 = 1e-6;

/// Why a benchmark could not be made.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum BenchError {
    #[error(transparent)]
    Config(#[from] NetworkError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Cluster(#[from] sporeprint_cluster::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("cannot draw a photograph to decode: {source}")]
    Draw { source: image::ImageError },
    #[error("{found} images, expected at least {least}\nhint: neighbours are searched among that many codes")]
    Images { found: usize, least: usize },
}

/// Measures `works` one after another, each on drawn photographs or random codes. A work that the network cannot do
/// (the auto-encoder of a ResNet) is left out.
///
/// # Errors
/// - a network that cannot be built, a scratch directory that cannot be written
pub fn measure(config: &BenchConfig<'_>, works: &[Work]) -> Result<Vec<Measurement>, BenchError> {
    let least = 4;
    if config.n_images < least {
        return Err(BenchError::Images { found: config.n_images, least });
    }
    let bench = Bench::new(config)?;
    let mut found = Vec::new();
    for &work in works {
        forget_peak();
        let timed = match work {
            Work::Decode => Some(bench.decode()?),
            Work::Encode => Some(bench.encode()?),
            Work::AutoEncoder => bench.auto_encoder()?,
            Work::Aggregate => Some(bench.aggregate()?),
            Work::KMeans => Some(bench.k_means()?),
            Work::Neighbors => Some(bench.neighbors()?),
        };
        found.extend(timed.map(|Timed { items, seconds, flops }| Measurement {
            work,
            items,
            seconds,
            per_second: items as f64 / seconds,
            gflops: flops.map(|flops| flops / seconds / 1e9),
            peak_bytes: peak_bytes(),
        }));
    }
    Ok(found)
}

/// One kind of work: items and operations of a go, and its median time.
struct Timed {
    items: usize,
    seconds: f64,
    flops: Option<f64>,
}

struct Bench<'a> {
    config: &'a BenchConfig<'a>,
    found: Vec<FoundImage>,
    cache: ImageCache,
}

impl<'a> Bench<'a> {
    fn new(config: &'a BenchConfig<'a>) -> Result<Self, BenchError> {
        let run = config.run;
        let count = FEWEST_PICTURES.max(run.pretrain.batch_size).max(run.aggregate.batch_size);
        let found = pictures::draw(&config.scratch.join("photographs"), count)?;
        let cache = CacheConfig::new(run.encoder.image_size);
        let cache = ImageCache::build(&config.scratch.join("cache"), &found, &cache, &|_| ())?.cache;
        Ok(Self { config, found, cache })
    }

    /// Median time of a go: one untimed, then at least three and as many as fit the time.
    fn median(&self, mut go: impl FnMut() -> Result<(), BenchError>) -> Result<f64, BenchError> {
        go()?;
        let (started, mut times) = (Instant::now(), Vec::new());
        while times.len() < 3 || started.elapsed().as_secs_f64() < self.config.seconds {
            let began = Instant::now();
            go()?;
            times.push(began.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }

    fn decode(&self) -> Result<Timed, BenchError> {
        let settings = *self.cache.config();
        let dir = self.config.scratch.join("again");
        let seconds = self.median(|| Ok(ImageCache::build(&dir, &self.found, &settings, &|_| ()).map(drop)?))?;
        Ok(Timed { items: self.found.len(), seconds, flops: None })
    }

    fn encode(&self) -> Result<Timed, BenchError> {
        let run = self.config.run;
        let encoder = run.encoder.init(&Device::flex(), run.seed)?;
        let (prepared, items) = (encoder.prepare(), run.aggregate.batch_size);
        let images: Vec<u32> = (0..items as u32).collect();
        let seconds = self.median(|| {
            let whole = Source::Fixed(CodeView::WHOLE);
            let pixels = batch::load(&self.cache, &images, whole, run.encoder.normalization(), &Device::flex());
            drop(prepared.codes(pixels).into_data());
            Ok(())
        })?;
        Ok(Timed { items, seconds, flops: Some(encoder.flops() * items as f64) })
    }

    fn auto_encoder(&self) -> Result<Option<Timed>, BenchError> {
        let run = self.config.run;
        let device = Device::flex().autodiff();
        let network = match run.encoder.init_auto_encoder(&device, run.seed) {
            Err(NetworkError::NoDecoder { .. }) => return Ok(None),
            network => network?,
        };
        let items = run.pretrain.batch_size;
        let flops = 6.0 * network.encoder.flops() * items as f64;
        let views = run.pretrain.views.then(|| run.training_views());
        let sgd = run.pretrain.sgd.optimiser();
        let freeze = run.pretrain.freeze_encoder;
        let mut learner = Pretraining::new(network, sgd, &self.cache, views.as_ref(), freeze, run.seed, device);
        let seconds = self.steps(&mut learner, items, 0)?;
        Ok(Some(Timed { items, seconds, flops: Some(flops) }))
    }

    fn aggregate(&self) -> Result<Timed, BenchError> {
        let run = self.config.run;
        let device = Device::flex().autodiff();
        let encoder = run.encoder.init(&device, run.seed)?;
        let items = run.aggregate.batch_size;
        let flops = 3.0 * encoder.flops() * items as f64;
        // As in the last epoch, when the warm-up is over.
        let config = AggregateConfig { warmup_epochs: 0, ..run.aggregate.clone() };
        let views = run.training_views();
        let setup = Setup {
            config: &config,
            views: &views,
            cache: &self.cache,
            n_clusters: CLUSTERS.min(self.cache.n_images()),
            seed: run.seed,
            device,
        };
        let mut learner = Aggregation::new(encoder, setup, &Silent);
        let seconds = self.steps(&mut learner, items, 0)?;
        Ok(Timed { items, seconds, flops: Some(flops) })
    }

    /// Steps of a learner, the clusterings' refresh left to the first, untimed one.
    fn steps(&self, learner: &mut impl Learner, items: usize, epoch: usize) -> Result<f64, BenchError> {
        let images: Vec<u32> = (0..items as u32).collect();
        let mut at = Position { epoch, batch: 0, step: 0 };
        learner.begin_epoch(epoch)?;
        self.median(|| {
            learner.step(&images, at, LEARNING_RATE)?;
            (at.batch, at.step) = (at.batch + 1, at.step + 1);
            Ok(())
        })
    }

    /// Unit rows around a few centres, as codes of photographs are.
    fn codes(&self) -> Vec<f32> {
        let (dim, mut rng) = (self.config.run.encoder.dim(), Rng::new(1));
        let mut normals = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.normal() as f32).collect() };
        let centres = normals(CLUSTERS * dim);
        let mut rows = normals(self.config.n_images * dim);
        for (row, values) in rows.chunks_exact_mut(dim).enumerate() {
            let centre = &centres[row % CLUSTERS * dim..][..dim];
            values.iter_mut().zip(centre).for_each(|(value, centre)| *value += centre);
            normalize(values);
        }
        rows
    }

    fn k_means(&self) -> Result<Timed, BenchError> {
        let (codes, dim) = (self.codes(), self.config.run.encoder.dim());
        let rows = RowsView::new(&codes, dim)?;
        let n_clusters = clusters_measured(self.config.run, rows.len());
        let k_means = KMeans { init: Init::Random, tol: 0.0, ..KMeans::new(n_clusters) };
        let mut rounds = 1;
        let whole = self.median(|| {
            rounds = k_means.fit(rows, &sporeprint_cluster::Silent)?.n_iter.max(1);
            Ok(())
        })?;
        let flops = 2.0 * (rows.len() * n_clusters * dim) as f64;
        Ok(Timed { items: rows.len(), seconds: whole / rounds as f64, flops: Some(flops) })
    }

    fn neighbors(&self) -> Result<Timed, BenchError> {
        let run = self.config.run;
        let (bank, dim) = (MemoryBank::primed(self.codes(), run.encoder.dim()), run.encoder.dim());
        let rows = RowsView::new(bank.rows(), dim)?;
        let items = run.aggregate.batch_size.min(rows.len());
        let queries = RowsView::new(&bank.rows()[..items * dim], dim)?;
        let k = run.aggregate.background_neighbors(rows.len());
        let seconds = self.median(|| Ok(nearest(queries, rows, k, Metric::Dot).map(drop)?))?;
        Ok(Timed { items, seconds, flops: Some(2.0 * (items * rows.len() * dim) as f64) })
    }
}
