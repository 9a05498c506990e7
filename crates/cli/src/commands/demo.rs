//! `demo`: draw labelled mushrooms, run everything on them, say how well it went.

use std::time::Duration;

use anyhow::{Context, Result};
use sporeprint::config::EncoderConfig;
use sporeprint::config::{AggregateConfig, ClusterCount, CodeKind, Labels, RunConfig, Space};
use sporeprint::demo::{KINDS, write_demo};
use sporeprint::progress::Observer;
use sporeprint::run::{Existing, RunDir, Session};
use sporeprint::stages;

use super::run::{finish, open_in_browser, outcome};
use super::summary;
use crate::Outcome;
use crate::args::DemoVerb;
use crate::progress::Talk;

pub(crate) fn demo(args: &DemoVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let photos = args.out.join("photos");
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let photos = std::path::absolute(&photos).with_context(|| format!("--out {}", args.out.display()))?;
    let config = settings(args, photos.clone());
    let mut session = Session::start(RunDir::new(args.out.join("run")), config, existing)?;
    write_demo(&photos, args.images, args.seed).with_context(|| format!("cannot draw into {}", photos.display()))?;
    talk.note(&format!("drew {} mushrooms of {} kinds in {}", args.images, KINDS.len(), photos.display()));
    let images = stages::scan(&mut session, talk)?;
    talk.note(&stages::estimate(&session.config, &images)?);
    let interval = Duration::from_secs(120);
    stages::make_codes(&mut session, &images, interval, talk)?;
    finish(&mut session, &images, None, talk)?;
    summary::print(&session, &images, json)?;
    if !args.no_open {
        open_in_browser(&session.dir.report_index(), talk);
    }
    Ok(outcome(&images))
}

/// A quarter of VGG-16's channels at 64 pixels: small enough for minutes on two cores.
fn settings(args: &DemoVerb, photos: std::path::PathBuf) -> RunConfig {
    let mut config = RunConfig { seed: args.seed, ..RunConfig::default() };
    config.images.paths = vec![photos];
    config.images.labels = Labels::FromDirs;
    config.encoder = EncoderConfig { width: 0.25, ..EncoderConfig::default() };
    config.pretrain.epochs = 6;
    // A folder this small has a dozen steps in an epoch.
    config.aggregate = AggregateConfig {
        epochs: 60,
        warmup_epochs: 45,
        batch_size: 32,
        temperature: Some(0.1),
        decorrelation: 0.0,
        // The demo shows what the network learns, so it trains on where `run` would stop, and its own codes are clustered.
        guard: false,
        codes: Some(CodeKind::Backbone),
        ..AggregateConfig::from_scratch()
    };
    config.cluster.n_clusters = ClusterCount::Fixed(KINDS.len());
    // All codes by the same means.
    config.cluster.space = Some(Space::Codes);
    config
}
