//! `demo`: draw labelled mushrooms, run everything on them, say how well it went.

use std::time::Duration;

use anyhow::{Context, Result};
use sporeprint::config::{ClusterCount, Overlay, RunConfig};
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
    let config = settings(args, &photos)?;
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

/// Settings that are small enough for minutes on two cores.
fn settings(args: &DemoVerb, photos: &std::path::Path) -> Result<RunConfig> {
    let file = Overlay::from_toml(include_str!("demo.toml"))?;
    let mut flags = Overlay::default();
    flags.set("seed", i64::try_from(args.seed)?);
    flags.set("images.paths", vec![photos.display().to_string()]);
    flags.set("cluster.n_clusters", toml::Value::try_from(ClusterCount::Fixed(KINDS.len()))?);
    Ok(RunConfig::resolve(&file, &flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_groups_its_kinds_by_what_a_quarter_of_the_vgg_learns() {
        let args = DemoVerb { out: "demo".into(), images: 9, seed: 3, overwrite: false, no_open: true };
        let config = settings(&args, std::path::Path::new("/photos")).expect("settings that work");
        assert_eq!((config.seed, config.cluster.n_clusters), (3, ClusterCount::Fixed(KINDS.len())));
        assert_eq!((config.pretrain.epochs, config.aggregate.epochs, config.encoder.head_dim), (6, 60, None));
    }
}
