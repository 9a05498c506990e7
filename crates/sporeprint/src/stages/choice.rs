//! Which codes a run is clustered by: the backbone's, the head's, or those of the encoder as it was before training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fs_err as fs;
use sporeprint_cluster::{CodesScore, CompareCodes, RowsView};

use super::adapt;
use super::codes::{CodeSource, before_training, beside, weights};
use super::fusion::Fusion;
use super::{Images, StageError};
use crate::config::WeightsSource;
use crate::config::{ClusterCount, CodeKind};
use crate::progress::Observer;
use crate::run::tables::{Choice, Metric, MetricsLog, read_choice, write_choice};
use crate::run::{RunDir, Session, Stage, read_npy, write_npy};

/// File of the codes that a kind has in this run.
pub(super) fn file(dir: &RunDir, kind: CodeKind) -> PathBuf {
    dir.candidates().join(format!("{}.npy", kind.name()))
}

/// What `choice.json` says; nothing for a run that had no choice.
pub(super) fn read(session: &Session) -> Result<Option<Choice>, StageError> {
    let path = session.dir.choice();
    Ok(if path.exists() { Some(read_choice(&path)?) } else { None })
}

/// The kind of codes that the run is clustered by.
fn kind(session: &Session) -> Result<CodeKind, StageError> {
    Ok(read(session)?.map_or(CodeKind::Backbone, |choice| choice.chosen))
}

/// The encoder that the run's stages left behind, asked for the codes that the run is clustered by.
///
/// # Errors
/// When the choice or the weights cannot be read.
pub(super) fn source(session: &Session) -> Result<CodeSource, StageError> {
    CodeSource::of_kind(session, kind(session)?)
}

/// Codes of the network as it was before Local Aggregation, where the run's are of after it; nothing where that is not so, or
/// the network knew nothing before.
///
/// The number of clusters is chosen by these: aggregation draws near images together and with that splits kinds, so that
/// neighbours among trained codes ask for up to twice as many clusters.
///
/// # Errors
/// When files of the run cannot be read.
pub(super) fn codes_before_training(
    session: &Session,
    images: &Images,
    observer: &dyn Observer,
) -> Result<Option<(Vec<f32>, usize)>, StageError> {
    let Some(choice) = read(session)? else { return Ok(None) };
    if matches!(choice.chosen, CodeKind::Untouched | CodeKind::Adapted) {
        return Ok(None);
    }
    let kind = before_training(&session.dir);
    // An adapted encoder that was not trained further is the backbone.
    if !choice.compared.contains(&kind) {
        return Ok(None);
    }
    if let Some(codes) = kept(session, images, kind)? {
        return Ok(Some(codes));
    }
    // Images were added since.
    let source = CodeSource::of_kind(session, kind)?;
    Ok(Some((source.unit_codes(session, images, observer)?, source.dim())))
}

/// Codes of a kind that lie under `candidates/`; nothing where there are none, or images were added since.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn kept(
    session: &Session,
    images: &Images,
    kind: CodeKind,
) -> Result<Option<(Vec<f32>, usize)>, StageError> {
    let path = file(&session.dir, kind);
    if !path.exists() {
        return Ok(None);
    }
    let codes = read_npy::<f32>(&path)?;
    let fits = codes.shape.len() == 2 && codes.shape[0] == images.len();
    Ok(fits.then(|| (codes.data, codes.shape[1])))
}

/// Whether the run's encoder is another than it began as: Local Aggregation may have been left out.
fn is_trained(session: &Session) -> Result<bool, StageError> {
    let start = weights(&session.dir, before_training(&session.dir));
    if session.config.aggregate.epochs == 0 || !start.exists() {
        return Ok(session.config.aggregate.epochs > 0);
    }
    Ok(fs::read(start)? != fs::read(session.dir.encoder())?)
}

/// Codes of every kind that the run has.
fn kinds(session: &Session) -> Result<Vec<CodeKind>, StageError> {
    if session.config.frozen.is_some() {
        return Ok(vec![CodeKind::Backbone]);
    }
    let config = &session.config;
    let is_adapted = session.dir.adapted().exists();
    let trained = is_trained(session)?;
    let mut kinds = Vec::new();
    // Without training the backbone is what it started as.
    if session.dir.untouched().exists() && (trained || is_adapted) {
        kinds.push(CodeKind::Untouched);
    }
    if is_adapted && trained {
        kinds.push(CodeKind::Adapted);
    }
    kinds.push(CodeKind::Backbone);
    // Without knowledge there is nothing to stand beside what was learnt.
    if trained && kinds.contains(&CodeKind::Untouched) {
        kinds.push(CodeKind::Ensemble);
    }
    if trained && config.encoder.head_dim.is_some() {
        kinds.push(CodeKind::Head);
    }
    // Codes that know photographs are taken as they are, unless others are asked for.
    if trained || config.weights == WeightsSource::None || config.aggregate.codes == Some(CodeKind::Fused) {
        kinds.push(CodeKind::Fused);
    }
    Ok(kinds)
}

/// The kinds among which figures decide, the safe one first, and words where there is nothing to decide.
///
/// Heads are only reported: their codes were worse than the backbone's in every trial. So are fused codes where the network
/// knew photographs before; from the seed and on a folder, edges, colours and patches know more than it learns in an hour.
fn eligible(session: &Session, kinds: &[CodeKind]) -> Result<(Vec<CodeKind>, String), StageError> {
    if let Some(kind) = session.config.aggregate.codes {
        if !kinds.contains(&kind) {
            return Err(StageError::NoSuchCodes { kind: kind.name() });
        }
        return Ok((vec![kind], asked_for(kind)));
    }
    if let (Some(words), false) = (adapt::reason(session)?, kinds.contains(&CodeKind::Adapted)) {
        return Ok((vec![CodeKind::Backbone], words));
    }
    let eligible = [CodeKind::Untouched, CodeKind::Adapted, CodeKind::Backbone, CodeKind::Ensemble];
    Ok(if kinds.contains(&CodeKind::Untouched) {
        (eligible.into_iter().filter(|kind| kinds.contains(kind)).collect(), String::new())
    } else if kinds.contains(&CodeKind::Fused) && session.config.weights == WeightsSource::None {
        let words = "learnt codes are joined with edges, colours and patches, for the network began without knowledge";
        (vec![CodeKind::Fused], words.to_owned())
    } else {
        (vec![CodeKind::Backbone], String::new())
    })
}

fn asked_for(kind: CodeKind) -> String {
    format!("{} codes are taken, as the settings say", kind.name())
}

/// Codes of a kind that were compared with those the run is clustered by; nothing where they must be computed anew.
///
/// # Errors
/// When the run cannot have such codes, or the file cannot be read.
pub(super) fn take_kept(
    session: &Session,
    images: &Images,
    kind: CodeKind,
) -> Result<Option<(Vec<f32>, usize)>, StageError> {
    let compared = read(session)?.is_some_and(|choice| choice.compared.len() > 1 && choice.compared.contains(&kind));
    if compared && session.is_done(Stage::Embed) {
        return kept(session, images, kind);
    }
    eligible(session, &kinds(session)?)?;
    Ok(None)
}

/// Writes into `choice.json` that a kind is clustered because the settings say so; the evidence stays.
///
/// # Errors
/// When the file cannot be read or written.
pub(super) fn write_asked_for(session: &Session, kind: CodeKind) -> Result<(), StageError> {
    match read(session)? {
        Some(choice) => {
            let choice = Choice { chosen: kind, words: asked_for(kind), ..choice };
            Ok(write_choice(&session.dir.choice(), &choice)?)
        }
        None => Ok(()),
    }
}

/// Computes every kind of codes of the run, keeps them under `candidates/`, chooses one and says why in `choice.json`.
/// Gives the chosen unit codes and their dimension.
///
/// # Errors
/// When weights cannot be read, the codes cannot be compared, or the disk is full.
pub(super) fn choose(
    session: &Session,
    images: &Images,
    observer: &dyn Observer,
) -> Result<(Vec<f32>, usize), StageError> {
    let kinds = kinds(session)?;
    let (eligible, words) = eligible(session, &kinds)?;
    let mut codes: Vec<(Vec<f32>, usize)> = Vec::with_capacity(kinds.len());
    for &kind in &kinds {
        // Kinds made of others come after them.
        let known = |kind: CodeKind| kinds.iter().position(|&known| known == kind).and_then(|at| codes.get(at));
        let made = match (kind, known(CodeKind::Backbone)) {
            (CodeKind::Ensemble, Some((after, dim))) => {
                known(before_training(&session.dir)).map(|(before, _)| (beside(before, after, *dim), 2 * dim))
            }
            (CodeKind::Fused, Some((learnt, dim))) => {
                observer.begin("learning a dictionary of patches", 0);
                let fusion = Fusion::fit(images, learnt, *dim, &session.config)?;
                fusion.save(&session.dir.fusion())?;
                observer.end();
                Some((fusion.join(learnt, images, &session.config, observer)?, fusion.dim()))
            }
            _ => None,
        };
        codes.push(match made {
            Some(made) => made,
            None => {
                let source = CodeSource::of_kind(session, kind)?;
                (source.unit_codes(session, images, observer)?, source.dim())
            }
        });
    }
    if kinds.len() > 1 {
        fs::create_dir_all(session.dir.candidates())?;
        for (&kind, (rows, dim)) in kinds.iter().zip(&codes) {
            write_npy(&file(&session.dir, kind), &[images.len(), *dim], rows)?;
        }
    }
    let scored = if kinds.len() > 1 { compare(session, images.len(), &kinds, &codes)? } else { Vec::new() };
    let mut chosen = eligible[0];
    let mut words = words;
    let judged: Vec<(CodeKind, f64)> = (scored.iter().filter(|(kind, _)| eligible.contains(kind)))
        .filter_map(|(kind, score)| Some((*kind, score.modularity?)))
        .collect();
    if judged.len() > 1 {
        (chosen, words) = decide(&judged);
    }
    if !words.is_empty() {
        observer.note(&words);
    }
    let choice = Choice { chosen, compared: kinds.clone(), figures: figures(&scored), words };
    write_choice(&session.dir.choice(), &choice)?;
    let at = kinds.iter().position(|&kind| kind == chosen).unwrap_or(0);
    Ok(codes.swap_remove(at))
}

/// The kind whose clusters keep together most of what was near before training, the earlier of equals, and why.
///
/// Stability under resampling cannot decide: Local Aggregation draws near images together and with that raises it by itself,
/// also where kinds are mixed by it. Neighbours among the codes before training know nothing of it.
fn decide(modularities: &[(CodeKind, f64)]) -> (CodeKind, String) {
    let best = modularities.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best });
    let chosen = best.map_or(CodeKind::Untouched, |best| best.0);
    let figures: Vec<String> =
        modularities.iter().map(|(kind, modularity)| format!("{} {modularity:.3}", kind.name())).collect();
    let verdict = match chosen {
        CodeKind::Untouched => {
            "the untouched codes are kept: training on the folder did not help as far as can be told without labels"
        }
        CodeKind::Adapted => {
            "codes with batch norm's statistics of this folder are clustered: the best as far as can be told without labels"
        }
        CodeKind::Ensemble => {
            "codes before and after training on the folder are clustered beside each other: the best as far as can be told without \
             labels"
        }
        CodeKind::Backbone | CodeKind::Head | CodeKind::Fused => {
            "training on the folder helped as far as can be told without labels"
        }
    };
    (
        chosen,
        format!(
            "{verdict} (trial groupings keep together what was near before, beyond chance: {})",
            figures.join(", ")
        ),
    )
}

/// Label-free figures of every kind, also in the log; none for folders too small to be resampled. The first kind is what
/// modularity is judged by.
fn compare(
    session: &Session,
    n_images: usize,
    kinds: &[CodeKind],
    codes: &[(Vec<f32>, usize)],
) -> Result<Vec<(CodeKind, CodesScore)>, StageError> {
    let n_clusters = expected_clusters(session, n_images);
    if n_images < 4 || !(2..n_images).contains(&n_clusters) {
        return Ok(Vec::new());
    }
    let rows = codes.iter().map(|(rows, dim)| RowsView::new(rows, *dim)).collect::<Result<Vec<_>, _>>()?;
    let settings = CompareCodes { seed: session.config.seed, ..CompareCodes::new(n_clusters) };
    let scores: Vec<_> = kinds.iter().copied().zip(settings.run(&rows, rows.first().copied())?).collect();
    let mut log = MetricsLog::open(&session.dir.metrics(), session.metrics_before(Stage::Embed))?;
    for (name, figures) in figures(&scores) {
        let line = Metric::new("choose-codes", 0.0).text("codes", &name);
        log.append(&figures.iter().fold(line, |line, (name, figure)| line.number(name, *figure)))?;
    }
    Ok(scores)
}

/// The figures of each kind by name.
fn figures(scores: &[(CodeKind, CodesScore)]) -> BTreeMap<String, BTreeMap<String, f64>> {
    scores.iter().map(|(kind, score)| (kind.name().to_owned(), by_name(score))).collect()
}

/// Label-free figures by the name that tables give them; the groupings behind them are trials and not those that a run ends
/// with.
pub(super) fn by_name(score: &CodesScore) -> BTreeMap<String, f64> {
    let CodesScore { silhouette, stability, support, modularity } = *score;
    let always = [("silhouette", silhouette), ("stability", stability), ("support", support)];
    always
        .into_iter()
        .chain(modularity.map(|m| ("trial_modularity", m)))
        .map(|(name, x)| (name.to_owned(), x))
        .collect()
}

/// The number of clusters asked for, or a usual one to compare codes by when it is still to be chosen.
fn expected_clusters(session: &Session, n_images: usize) -> usize {
    match session.config.cluster.n_clusters {
        ClusterCount::Fixed(k) => k,
        ClusterCount::Auto => ((n_images as f64 / 2.0).sqrt() as usize).clamp(2, 30),
    }
}
