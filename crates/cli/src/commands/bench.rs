//! `bench`: how fast this machine does each kind of work, and how long a run would take on it.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Result, bail};
use sporeprint::bench::{BenchConfig, Estimate, Measurement, PlannedRun, Work, measure};
use sporeprint::config::RunConfig;
use sporeprint::progress::Observer;

use crate::Outcome;
use crate::args::BenchVerb;
use crate::progress::Talk;
use crate::settings;

/// Codes to cluster and to search in when no number of images is given.
const DEFAULT_IMAGES: usize = 10_000;

pub(crate) fn bench(args: &BenchVerb, json: bool, talk: &Talk) -> Result<Outcome> {
    let run = resolve(args, talk)?;
    let works = works(&args.only)?;
    if !(args.seconds >= 0.0 && args.seconds.is_finite()) {
        bail!("--seconds {}: expected 0 or more", args.seconds);
    }
    if args.images.is_some() && works.len() < Work::ALL.len() {
        bail!("--images with --only: an estimate needs every kind of work\nhint: leave out --only");
    }
    let scratch = tempfile::tempdir()?;
    let n_images = args.images.unwrap_or(DEFAULT_IMAGES);
    talk.note(&format!(
        "{} of width {} at {} px, {} images a step of the auto-encoder, {} of the aggregation, {} threads",
        run.encoder.architecture,
        run.encoder.width,
        run.encoder.image_size,
        run.pretrain.batch_size,
        run.aggregate.batch_size,
        rayon::current_num_threads()
    ));
    let config = BenchConfig { run: &run, n_images, seconds: args.seconds, scratch: scratch.path() };
    let measured = measure(&config, &works)?;
    for left_out in works.iter().filter(|work| !measured.iter().any(|m| m.work == **work)) {
        talk.note(&format!("{} is left out: a {} cannot do it", left_out.name(), run.encoder.architecture));
    }
    let estimate = args.images.map(|n_images| Estimate::new(PlannedRun { run: &run, n_images }, &measured));
    let mut out = std::io::stdout().lock();
    if json {
        let summary = serde_json::json!({
            "encoder": run.encoder.architecture.to_string(),
            "width": run.encoder.width,
            "image_size": run.encoder.image_size,
            "pretrain_batch_size": run.pretrain.batch_size,
            "batch_size": run.aggregate.batch_size,
            "threads": rayon::current_num_threads(),
            "works": measured,
            "n_images": args.images,
            "estimate": estimate,
        });
        writeln!(out, "{summary:#}")?;
    } else {
        write!(out, "{}", table(&measured))?;
        if let Some(estimate) = estimate {
            write!(out, "\n{}", forecast(&run, n_images, &estimate))?;
        }
    }
    Ok(Outcome::Done)
}

/// Settings as of `run`, without photographs.
fn resolve(args: &BenchVerb, observer: &dyn Observer) -> Result<RunConfig> {
    let config = settings::resolve(settings::read(args.config.as_deref())?, args.settings.settings(), observer)?;
    if let Some(frozen) = &config.frozen {
        bail!(
            "`encoder.architecture = {}`: bench measures encoders that are trained\nhint: take \
             `encoder.architecture = vgg16-bn` or resnet18",
            frozen.name()
        );
    }
    Ok(config)
}

fn works(only: &[String]) -> Result<Vec<Work>> {
    if only.is_empty() {
        return Ok(Work::ALL.to_vec());
    }
    only.iter()
        .map(|name| match Work::ALL.into_iter().find(|work| work.name() == name) {
            Some(work) => Ok(work),
            None => {
                bail!("--only {name}: unknown work, expected some of {}", Work::ALL.map(Work::name).join(", "))
            }
        })
        .collect()
}

fn table(measured: &[Measurement]) -> String {
    let mut text = format!("{:<14}{:>12}{:>14}{:>12}{:>10}\n", "work", "items/s", "ms a go", "GFLOP/s", "peak MB");
    for m in measured {
        let gflops = m.gflops.map_or_else(|| "-".to_owned(), |gflops| format!("{gflops:.0}"));
        let peak = m.peak_bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1e6));
        let go = format!("{:.1} ({})", 1e3 * m.seconds, m.items);
        let _ = writeln!(text, "{:<14}{:>12.1}{go:>14}{gflops:>12}{peak:>10}", m.work.name(), m.per_second);
    }
    text
}

fn forecast(run: &RunConfig, n_images: usize, estimate: &Estimate) -> String {
    let parts = [
        ("read the images".to_owned(), estimate.decode),
        (format!("auto-encoder, {} epochs", run.pretrain.epochs), estimate.pretrain),
        (format!("aggregation, {} epochs", run.aggregate.epochs), estimate.aggregate),
        ("codes".to_owned(), estimate.encode),
        ("clusters".to_owned(), estimate.cluster),
        (format!("a run over {n_images} images"), estimate.total),
    ];
    parts.iter().fold(String::new(), |mut text, (what, seconds)| {
        let _ = writeln!(text, "{what:<30}{:>14}", duration(*seconds));
        text
    })
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.1} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_unit_that_fits() {
        assert_eq!([12.34, 90.0, 5400.0].map(duration), ["12.3 s", "1.5 minutes", "1.5 hours"]);
    }

    #[test]
    fn unknown_work_is_named_with_what_is_known() {
        let error = works(&["dance".to_owned()]).expect_err("nobody dances").to_string();
        assert!(error.contains("--only dance") && error.contains("auto-encoder"), "{error}");
        assert_eq!(works(&["encode".to_owned()]).expect("known"), [Work::Encode]);
    }
}
