//! Which codes a run is clustered by: the backbone's, the head's, or those of the encoder as it was before training.

use std::collections::BTreeMap;

use fs_err as fs;
use sporeprint_cluster::{CodesScore, CompareCodes, RowsView, Silent};

use super::adapt;
use super::codes::{CodeSource, concatenate, no_such_codes, origin};
use super::fusion::Fusion;
use super::{Images, StageError};
use crate::config::{ClusterCount, CodeKind};
use crate::progress::Observer;
use crate::run::tables::{Choice, LogLine, MetricsLog, read_choice, write_choice};
use crate::run::{RunDir, Session, Stage, Why, read_npy, write_npy};

/// File of a kind of codes among those that were compared.
pub(super) fn file_name(kind: CodeKind) -> String {
    format!("{}.npy", kind.name())
}

/// What `choice.json` says; nothing for a run that had no choice: its codes were given to it, or are still to be made.
pub(super) fn read(session: &Session) -> Result<Option<Choice>, StageError> {
    if session.config.images.embeddings.is_some() || !session.is_done(Stage::Embed) {
        return Ok(None);
    }
    Ok(Some(read_choice(&session.newest(RunDir::choice))?))
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
    let before = origin(session)?.before_training();
    // An adapted encoder that was not trained further is the backbone.
    let Some(kind) = before.filter(|kind| choice.compared.contains(kind)) else { return Ok(None) };
    if let Some(codes) = read_codes(session, images, kind)? {
        return Ok(Some(codes));
    }
    // Images were added since.
    let source = CodeSource::of_kind(session, kind)?;
    Ok(Some((source.unit_codes(session, images, observer)?, source.dim())))
}

/// Codes of a kind that was compared with others; nothing where it was not, images were added since, or somebody took the file
/// away.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn read_codes(
    session: &Session,
    images: &Images,
    kind: CodeKind,
) -> Result<Option<(Vec<f32>, usize)>, StageError> {
    let compared = read(session)?.is_some_and(|choice| choice.compared.len() > 1 && choice.compared.contains(&kind));
    let path = session.newest(RunDir::candidates).join(file_name(kind));
    if !compared || !path.is_file() {
        return Ok(None);
    }
    let codes = read_npy::<f32>(&path)?;
    let fits = codes.shape.len() == 2 && codes.shape[0] == images.len();
    Ok(fits.then(|| (codes.data, codes.shape[1])))
}

/// The kinds among which figures decide, the safe one first, and words where there is nothing to decide.
fn eligible(session: &Session) -> Result<(Vec<CodeKind>, String), StageError> {
    let (origin, config) = (origin(session)?, &session.config);
    let asked = config.aggregate.codes.unwrap_or(CodeKind::Backbone);
    let (kinds, why) = CodeKind::eligible(origin, config).ok_or_else(|| no_such_codes(session, asked))?;
    let words = match why {
        Why::Asked => asked_for(asked),
        Why::Adapted => adapt::reason(origin).unwrap_or_default(),
        Why::NoKnowledge => {
            "learnt codes are joined with edges, colours and patches, for the network began without knowledge"
                .to_owned()
        }
        Why::Figures | Why::Alone => String::new(),
    };
    Ok((kinds, words))
}

fn asked_for(kind: CodeKind) -> String {
    format!("{} codes are taken, as the settings say", kind.name())
}

/// Codes of a kind that lie among those of a comparison, and the choice of them with its evidence.
pub(super) struct Kept {
    pub(super) codes: Vec<f32>,
    pub(super) dim: usize,
    pub(super) choice: Choice,
}

/// Codes of a kind that were compared with those the run is clustered by; nothing where they must be computed anew.
///
/// # Errors
/// When the run cannot have such codes, or a file cannot be read.
pub(super) fn find_kept_codes(session: &Session, images: &Images, kind: CodeKind) -> Result<Option<Kept>, StageError> {
    eligible(session)?;
    let (Some(choice), Some((codes, dim))) = (read(session)?, read_codes(session, images, kind)?) else {
        return Ok(None);
    };
    Ok(Some(Kept { codes, dim, choice: Choice { chosen: kind, words: asked_for(kind), ..choice } }))
}

/// Writes `choice.json`, and its evidence into the log.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(session: &Session, choice: &Choice) -> Result<(), StageError> {
    if !choice.figures.is_empty() {
        let mut log = MetricsLog::cut_to(&session.out().metrics(), session.metrics_before(Stage::Embed))?;
        for (name, figures) in &choice.figures {
            let line = LogLine::new("choose-codes", 0.0).text("codes", name);
            log.append(&figures.iter().fold(line, |line, (name, figure)| line.number(name, *figure)))?;
        }
    }
    Ok(write_choice(&session.out().choice(), choice)?)
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
    let origin = origin(session)?;
    let kinds = CodeKind::available(origin, &session.config);
    let (eligible, mut words) = eligible(session)?;
    let mut codes: Vec<(Vec<f32>, usize)> = Vec::with_capacity(kinds.len());
    for &kind in &kinds {
        // Kinds made of others come after them.
        let known = |kind: CodeKind| kinds.iter().position(|&known| known == kind).and_then(|at| codes.get(at));
        let made = match (kind, known(CodeKind::Backbone)) {
            (CodeKind::Ensemble, Some((after, dim))) => {
                let before = origin.before_training().and_then(known);
                before.map(|(before, _)| (concatenate(before, after, *dim), 2 * dim))
            }
            (CodeKind::Fused, Some((learnt, dim))) => {
                observer.begin("learning a dictionary of patches", 0);
                let fusion = Fusion::fit(images, learnt, *dim, &session.config)?;
                fusion.save(&session.out().fusion())?;
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
        fs::create_dir_all(session.out().candidates())?;
        for (&kind, (rows, dim)) in kinds.iter().zip(&codes) {
            write_npy(&session.out().candidates().join(file_name(kind)), &[images.len(), *dim], rows)?;
        }
    }
    let scored = if kinds.len() > 1 { compare(session, images.len(), &kinds, &codes)? } else { Vec::new() };
    let mut chosen = eligible[0];
    let judged: Vec<(CodeKind, f64)> = (scored.iter().filter(|(kind, _)| eligible.contains(kind)))
        .filter_map(|(kind, score)| Some((*kind, score.modularity?)))
        .collect();
    if judged.len() > 1 {
        (chosen, words) = decide(&judged);
    }
    if !words.is_empty() {
        observer.note(&words);
    }
    write(session, &Choice { chosen, compared: kinds.clone(), figures: figures(&scored), words })?;
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

/// Label-free figures of every kind; none for folders too small to be resampled. The first kind is what
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
    let found = settings.compare(&rows, rows.first().copied(), &Silent)?;
    Ok(kinds.iter().copied().zip(found).collect())
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
