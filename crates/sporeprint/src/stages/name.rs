//! Names for clusters: of the words that somebody gives, those whose CLIP codes lie nearest.

use std::path::{Path, PathBuf};

use super::images::{decode_images, root};
use super::words::set_words;
use super::{Images, StageError};
use crate::config::FrozenConfig;
use crate::encoder::OpenFrozen;
use crate::encoder::TextEncoder;
use crate::images::{FoundImage, ImageEntry};
use crate::progress::Observer;
use crate::rows::normalize;
use crate::run::tables::{NameOrigin, NameRow, read_assignments};
use crate::run::{Session, Stage, read_npy};
use crate::train::frozen_codes_of_all;

/// Words listed after the name.
const OTHERS: usize = 4;

/// What to name clusters by.
#[derive(Clone, Debug)]
pub struct Words {
    /// One word or phrase each.
    pub words: Vec<String>,
    /// The sentence that CLIP reads, with `{}` where the word goes.
    pub template: String,
}

impl Words {
    /// The lines of a file; empty ones and those that begin with `#` do not count.
    ///
    /// # Errors
    /// When the file cannot be read, holds no word, or the template has no place for one.
    pub fn read(file: &Path, template: &str) -> Result<Self, StageError> {
        if !template.contains("{}") {
            return Err(StageError::Template { found: template.to_owned() });
        }
        let text = fs_err::read_to_string(file)?;
        let mut words: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if !words.iter().any(|word| word == line) {
                words.push(line.to_owned());
            }
        }
        if words.is_empty() {
            return Err(StageError::NoWords { path: file.to_owned() });
        }
        Ok(Self { words, template: template.to_owned() })
    }
}

/// Names every cluster and writes `names.csv`, in which names that people gave win and suggestions stay.
///
/// A cluster's code is the mean of its images' unit codes; its name the word of the largest cosine. `share` is the part of
/// its images whose own nearest word is that name: a low one says that the name fits the middle and few members.
/// `distinctive` is the word that stands out most against the other clusters, for folders in which all clusters are near
/// to the same word.
///
/// A run of `--encoder clip` has the codes already; for another one the photographs are read again, and `weights` is a
/// CLIP's.
///
/// # Errors
/// When the run has no clusters yet, there is no CLIP, or photographs are gone.
pub fn name_clusters(
    session: &Session,
    images: &Images,
    words: &Words,
    weights: Option<&Path>,
    scratch: &Path,
    observer: &dyn Observer,
) -> Result<Vec<NameRow>, StageError> {
    if !session.is_done(Stage::Cluster) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "clusters", verb: "cluster RUN" });
    }
    let own = matches!(session.config.frozen, Some(FrozenConfig::Clip(_)));
    let weights = match (weights, own) {
        (Some(weights), _) => weights.to_owned(),
        (None, true) => session.config.weights.file().ok_or(StageError::NoClip)?.to_owned(),
        (None, false) => return Err(StageError::NoClip),
    };
    let texts = TextEncoder::open(&weights)?;
    let dim = texts.dim();
    let sentences: Vec<String> = words.words.iter().map(|word| words.template.replace("{}", word)).collect();
    let mut word_codes = texts.codes(&sentences);
    word_codes.chunks_exact_mut(dim).for_each(|row| {
        normalize(row);
    });
    let codes = if own && session.config.weights.file() == Some(weights.as_path()) {
        read_npy::<f32>(&session.dir.embeddings())?.data
    } else {
        picture_codes(session, images, &weights, scratch, observer)?
    };
    let labels: Vec<i32> = read_assignments(&session.dir.assignments())?.iter().map(|a| a.cluster).collect();
    set_words(&session.dir.names(), named(&codes, dim, &labels, &word_codes, &words.words))
}

/// CLIP codes of the run's images in index order, from the photographs at CLIP's size.
fn picture_codes(
    session: &Session,
    images: &Images,
    weights: &Path,
    scratch: &Path,
    observer: &dyn Observer,
) -> Result<Vec<f32>, StageError> {
    let mut config = FrozenConfig::by_name("clip").ok_or(StageError::NoClip)?;
    config.bind(Some(weights))?;
    let encoder = config.open(Some(weights), &session.dir.encoder())?;
    // Where the run read each image, also those that were added to it since.
    let file = |entry: &ImageEntry| FoundImage { path: entry.path.clone(), name: entry.name.clone(), label: None };
    let found: Vec<FoundImage> = images.entries.iter().map(file).collect();
    let built = decode_images(scratch, &found, &config.cache(), observer)?;
    if let Some(gone) = built.skipped.into_iter().next() {
        // A row of codes made elsewhere may have a name alone.
        let path = if gone.path.as_os_str().is_empty() { PathBuf::from(gone.name) } else { gone.path };
        return Err(StageError::Gone { path });
    }
    let mut codes = frozen_codes_of_all(encoder.as_ref(), &built.cache, observer)?;
    codes.chunks_exact_mut(encoder.dim()).for_each(|row| {
        normalize(row);
    });
    Ok(codes)
}

/// The rows of the table, by cluster id; noise has no name.
fn named(codes: &[f32], dim: usize, labels: &[i32], word_codes: &[f32], words: &[String]) -> Vec<NameRow> {
    let n_words = words.len();
    let similarities = |code: &[f32]| -> Vec<f32> {
        word_codes.chunks_exact(dim).map(|word| word.iter().zip(code).map(|(a, b)| a * b).sum()).collect()
    };
    let nearest_word: Vec<usize> = codes.chunks_exact(dim).map(|code| ranked(&similarities(code))[0]).collect();
    let mut ids: Vec<i32> = labels.iter().copied().filter(|id| *id >= 0).collect();
    ids.sort_unstable();
    ids.dedup();
    let members = |id: i32| (0..labels.len()).filter(move |&i| labels[i] == id);
    let tables: Vec<Vec<f32>> = ids
        .iter()
        .map(|&id| {
            let mut mean = vec![0.0; dim];
            for image in members(id) {
                mean.iter_mut().zip(&codes[image * dim..]).for_each(|(sum, x)| *sum += x);
            }
            normalize(&mut mean);
            similarities(&mean)
        })
        .collect();
    let usual: Vec<f32> =
        (0..n_words).map(|word| tables.iter().map(|table| table[word]).sum::<f32>() / tables.len() as f32).collect();
    ids.iter()
        .zip(&tables)
        .map(|(&cluster, table)| {
            let order = ranked(table);
            let lift: Vec<f32> = table.iter().zip(&usual).map(|(own, usual)| own - usual).collect();
            let size = members(cluster).count();
            let agreeing = members(cluster).filter(|&image| nearest_word[image] == order[0]).count();
            let others = order[1..].iter().take(OTHERS).map(|&word| words[word].clone());
            NameRow {
                cluster,
                size: size as u32,
                name: words[order[0]].clone(),
                origin: NameOrigin::Words,
                word: Some(words[order[0]].clone()),
                similarity: Some(table[order[0]]),
                share: Some(agreeing as f32 / size as f32),
                distinctive: Some(words[ranked(&lift)[0]].clone()),
                others: Some(others.collect::<Vec<_>>().join("; ")),
                suggestion: None,
                suggestion_share: None,
            }
        })
        .collect()
}

/// Places by falling value, ties by place.
fn ranked(values: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_get_the_nearest_word_and_the_one_that_sets_them_apart() {
        // The third direction is common to all images and to the word "thing".
        let codes = [[0.6, 0.0, 0.8], [0.5, 0.0, 0.8], [0.0, 0.6, 0.8], [0.0, 0.6, 0.8], [9.0, 9.0, 9.0]].concat();
        let labels = [0, 0, 1, 1, -1];
        let words = ["cap", "gill", "thing"].map(str::to_owned);
        let word_codes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].concat();
        let rows = named(&codes, 3, &labels, &word_codes, &words);
        assert_eq!(rows.len(), 2);
        let said = |row: &NameRow| {
            [Some(row.name.clone()), row.distinctive.clone(), row.others.clone()].map(Option::unwrap_or_default)
        };
        assert_eq!(said(&rows[0]), ["thing", "cap", "cap; gill"]);
        assert_eq!(said(&rows[1])[..2], ["thing", "gill"]);
        assert!((rows[0].share.expect("a share") - 1.0).abs() <= 1e-6 && rows[0].size == 2);
    }

    #[test]
    fn words_are_read_once_each_and_a_file_without_any_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("words.txt");
        fs_err::write(&file, "# kinds\nfly agaric\n\n chanterelle \nfly agaric\n").expect("written");
        assert_eq!(Words::read(&file, "a {}").expect("words").words, ["fly agaric", "chanterelle"]);
        assert!(Words::read(&file, "a photo").expect_err("no place").to_string().contains("`template`"));
        fs_err::write(&file, "# kinds\n").expect("written");
        assert!(Words::read(&file, "a {}").expect_err("no words").to_string().contains("words.txt"));
    }
}
