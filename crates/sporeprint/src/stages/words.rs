//! Names of clusters that no network of words is needed for: suggestions of the encoder's classifier, and those that people give.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use burn::tensor::Device;

use super::images::root;
use super::{Images, StageError};
use crate::batch;
use crate::config::EncoderConfig;
use crate::encoder::{BuildEncoder, built_in_classifier, values};
use crate::images::{Filter, resize_and_crop};
use crate::progress::Observer;
use crate::run::tables::{ClusterRow, NameRow, TableError, read_clusters, read_names, write_names};
use crate::run::{Session, Stage};
use crate::words::{Classifier, Tally, Vocabulary};

/// Images of a cluster that are looked at, by rising index at equal steps: what is common among them is common in the cluster.
const SAMPLE: usize = 32;
/// Images that are looked at in all, so that hundreds of clusters take seconds, and the fewest of a cluster, which stay however many
/// clusters there are.
const MOST: usize = 2000;
const FEWEST: usize = 4;
/// Pictures in a batch of the network.
const BATCH: usize = 16;

/// Suggests a word for each cluster by [`Tally::suggest`] and writes them into `names.csv`, where names that people gave, and words found by
/// CLIP, stay.
///
/// They are what the built-in encoder and its classifier see in pictures of each cluster, whatever codes were clustered: a run of another
/// encoder, or of a trained one, has words too. Nothing is suggested for a run without pictures.
///
/// # Errors
/// When the table cannot be read or written.
pub(super) fn suggest_names(
    session: &Session,
    images: &Images,
    labels: &[i32],
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let sizes = sizes(labels);
    let sample = sample(&sizes, labels, |image| images.place(image));
    if sample.is_empty() {
        return Ok(());
    }
    let config = EncoderConfig::built_in();
    let device = Device::flex();
    let encoder = config.init(&device, 0)?.with_built_in_weights()?.0.prepare();
    let classifier =
        built_in_classifier(encoder.dim(), &device)?.expect("the weights in the program have a classifier");
    let mut codes = Vec::with_capacity(sample.len() * encoder.dim());
    observer.begin("words for the clusters", sample.len() as u64);
    for batch in sample.chunks(BATCH) {
        let places: Vec<u32> = batch.iter().map(|&(_, place)| place as u32).collect();
        let pixels = batch::of_pictures(&places, config.image_size, config.normalization(), &device, |place| {
            resize_and_crop(images.cache.picture(place).view(), config.image_size, Filter::Bilinear).data
        });
        codes.extend(values(encoder.codes(pixels)));
        observer.advance((codes.len() / encoder.dim()) as u64, "");
    }
    observer.end();
    let of_sample: Vec<i32> = sample.iter().map(|&(image, _)| labels[image]).collect();
    let classifier = Classifier::new(values(classifier.weight.val()), values(classifier.bias.val()));
    suggest(&session.out().names(), &sizes, &of_sample, &codes, &classifier).map(drop)
}

/// The clusters with their sizes, by id; ids have gaps where clusters were retired.
fn sizes(labels: &[i32]) -> Vec<(i32, u32)> {
    let mut ids: Vec<i32> = labels.iter().copied().filter(|id| *id >= 0).collect();
    ids.sort_unstable();
    ids.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

/// Images that stand for their clusters, by rising index, with their places in the cache.
fn sample(sizes: &[(i32, u32)], labels: &[i32], place: impl Fn(usize) -> Option<usize>) -> Vec<(usize, usize)> {
    let each = (MOST / sizes.len().max(1)).clamp(FEWEST, SAMPLE);
    let mut members: Vec<Vec<(usize, usize)>> = vec![Vec::new(); sizes.len()];
    for (image, label) in labels.iter().enumerate() {
        if let (Ok(cluster), Some(place)) = (sizes.binary_search_by_key(label, |(id, _)| *id), place(image)) {
            members[cluster].push((image, place));
        }
    }
    let spread = |members: Vec<(usize, usize)>| {
        let step = members.len().div_ceil(each).max(1);
        members.into_iter().step_by(step)
    };
    let mut sample: Vec<(usize, usize)> = members.into_iter().flat_map(spread).collect();
    sample.sort_unstable();
    sample
}

/// Writes the words for clusters of these sizes that the codes of some images ask for.
///
/// # Shapes
/// - codes: `[labels.len(), classifier.dim()]`, the encoder's mean maps, neither centered nor of unit length
fn suggest(
    path: &Path,
    sizes: &[(i32, u32)],
    labels: &[i32],
    codes: &[f32],
    classifier: &Classifier,
) -> Result<Vec<NameRow>, StageError> {
    let mut tally = Tally::new(sizes.len(), Vocabulary::imagenet());
    let rows = classifier.probabilities(codes);
    for (label, row) in labels.iter().zip(rows.chunks_exact(classifier.n_classes())) {
        let place = sizes.binary_search_by_key(label, |(id, _)| *id).map_or(-1, |place| place as i32);
        tally.add(place, row);
    }
    let mut rows = read(path)?;
    for (&(cluster, size), suggestion) in sizes.iter().zip(tally.suggest()) {
        let row = rows.entry(cluster).or_insert_with(|| NameRow::unnamed(cluster, size));
        row.size = size;
        row.suggestion_share = suggestion.as_ref().map(|suggestion| suggestion.share);
        row.suggestion = suggestion.map(|suggestion| suggestion.word);
    }
    settle(path, rows)
}

/// Calls a cluster by a person's name, which wins over words and suggestions and stays with the cluster's id when it is clustered anew; an
/// empty one takes the name back. Gives what the cluster is called then.
///
/// # Errors
/// When the run has no clusters or not this one, the name has a line break or the like in it, or a table cannot be read or written.
pub fn rename(session: &Session, cluster: i32, name: &str) -> Result<Option<NameRow>, StageError> {
    if !session.is_done(Stage::Cluster) {
        return Err(StageError::NotYet { run: root(&session.dir), missing: "clusters", verb: "cluster RUN" });
    }
    let name = name.trim();
    if name.chars().any(char::is_control) {
        return Err(StageError::ClusterName { found: name.to_owned() });
    }
    let clusters = read_clusters(&session.dir.clusters_csv())?;
    let Some(known) = clusters.iter().find(|row| row.cluster == cluster) else {
        let ids = clusters.iter().map(|row| row.cluster);
        return Err(StageError::NoCluster {
            run: root(&session.dir),
            found: cluster,
            n: clusters.len(),
            last: ids.max().unwrap_or(-1),
        });
    };
    let path = session.dir.names();
    let mut rows = read(&path)?;
    let row = rows.remove(&cluster).unwrap_or_else(|| NameRow::unnamed(cluster, known.size));
    let called = row.called((!name.is_empty()).then(|| name.to_owned()));
    let mut rows = settled(rows);
    rows.extend(called.clone());
    rows.sort_by_key(|row| row.cluster);
    save(&path, &rows)?;
    Ok(called)
}

/// Takes names that people gave over into a new clustering, by the ids that stayed, and says which are gone with their clusters.
pub(super) fn keep_given_names(
    session: &Session,
    clusters: &[ClusterRow],
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let mut kept = Vec::new();
    for row in read(&session.dir.names())?.values() {
        let Some(name) = row.given() else { continue };
        match clusters.iter().find(|cluster| cluster.cluster == row.cluster) {
            Some(cluster) => kept.extend(NameRow::unnamed(row.cluster, cluster.size).called(Some(name.to_owned()))),
            None => observer.note(&format!("the name {name:?} is gone with cluster {}", row.cluster)),
        }
    }
    save(&session.out().names(), &kept)
}

/// Puts words found by CLIP into `names.csv`; given names win over them, suggestions stay beside them.
pub(super) fn set_words(path: &Path, found: Vec<NameRow>) -> Result<Vec<NameRow>, StageError> {
    let mut rows = read(path)?;
    for row in found {
        let old = rows.remove(&row.cluster).unwrap_or_else(|| row.clone());
        let given = old.given().map(str::to_owned);
        let (suggestion, suggestion_share) = (old.suggestion, old.suggestion_share);
        rows.extend(NameRow { suggestion, suggestion_share, ..row }.called(given).map(|row| (row.cluster, row)));
    }
    settle(path, rows)
}

/// The rows by cluster, none where there is no table.
fn read(path: &Path) -> Result<BTreeMap<i32, NameRow>, TableError> {
    let rows = if path.exists() { read_names(path)? } else { Vec::new() };
    Ok(rows.into_iter().map(|row| (row.cluster, row)).collect())
}

/// Each row under the name that wins.
fn settled(rows: BTreeMap<i32, NameRow>) -> Vec<NameRow> {
    rows.into_values()
        .filter_map(|row| {
            let given = row.given().map(str::to_owned);
            row.called(given)
        })
        .collect()
}

fn settle(path: &Path, rows: BTreeMap<i32, NameRow>) -> Result<Vec<NameRow>, StageError> {
    let rows = settled(rows);
    save(path, &rows)?;
    Ok(rows)
}

/// A run without names has no table of them.
fn save(path: &Path, rows: &[NameRow]) -> Result<(), StageError> {
    if !rows.is_empty() {
        return Ok(write_names(path, rows)?);
    }
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::config::RunConfig;
    use crate::run::tables::{NameOrigin, write_clusters};
    use crate::run::{Existing, RunDir};

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Observer for Notes {
        fn begin(&self, _what: &str, _total: u64) {}
        fn advance(&self, _done: u64, _detail: &str) {}
        fn end(&self) {}
        fn note(&self, text: &str) {
            self.0.lock().expect("one thread").push(text.to_owned());
        }
        fn interrupted(&self) -> bool {
            false
        }
    }

    fn cluster_row(cluster: i32, size: u32) -> ClusterRow {
        ClusterRow { cluster, size, spread: 0.5, medoid: 0, nearest: Vec::new() }
    }

    /// A run with the clusters 0 (three images) and 4 (two).
    fn clustered(dir: &Path) -> Session {
        let mut session = Session::start(RunDir::new(dir), RunConfig::default(), Existing::Refuse).expect("empty");
        write_clusters(&session.dir.clusters_csv(), &[cluster_row(0, 3), cluster_row(4, 2)]).expect("written");
        session.mark_done(Stage::Cluster).expect("marked");
        session
    }

    /// Codes of three numbers: a banana, a pug, nothing.
    fn classifier() -> Classifier {
        let n_classes = Vocabulary::imagenet().n_classes();
        let mut weight = vec![0.0; n_classes * 3];
        (weight[954 * 3], weight[254 * 3 + 1]) = (1.0, 1.0);
        Classifier::new(weight, vec![0.0; n_classes])
    }

    fn called(rows: &[NameRow]) -> Vec<(i32, &str, NameOrigin)> {
        rows.iter().map(|row| (row.cluster, &*row.name, row.origin)).collect()
    }

    #[test]
    fn suggestions_are_taken_from_the_codes_and_never_replace_what_people_said() {
        use NameOrigin::{Given, Suggested, Words};
        let dir = tempfile::tempdir().expect("a temporary folder");
        let session = clustered(dir.path());
        let codes = [[12.0, 0.0, 0.0], [0.0, 12.0, 0.0], [12.0, 0.0, 0.0], [0.0, 0.0, 12.0], [0.0, 12.0, 0.0]];
        let labels = [0, 4, 0, -1, 4];
        let suggest = || {
            let rows = suggest(&session.dir.names(), &sizes(&labels), &labels, &codes.concat(), &classifier());
            rows.expect("suggested")
        };
        assert_eq!(called(&suggest()), [(0, "banana", Suggested), (4, "pug", Suggested)]);
        rename(&session, 4, "Rex").expect("renamed");
        let word = NameRow { word: Some("fruit bowl".to_owned()), ..NameRow::unnamed(0, 2) };
        let other = NameRow { word: Some("hound".to_owned()), ..NameRow::unnamed(4, 2) };
        let found = set_words(&session.dir.names(), vec![word, other]).expect("written");
        assert_eq!(called(&found), [(0, "fruit bowl", Words), (4, "Rex", Given)]);
        assert_eq!(called(&suggest()), called(&found));
        let hound = rename(&session, 4, "").expect("taken back").expect("a name");
        assert_eq!((&*hound.name, hound.origin, hound.suggestion.as_deref()), ("hound", Words, Some("pug")));
    }

    #[test]
    fn a_sample_is_spread_over_each_cluster_and_leaves_out_what_has_no_picture() {
        let labels: Vec<i32> =
            (0..1000).map(|image| if image % 10 == 0 { 7 } else { i32::from(image % 2 == 1) }).collect();
        let found = sample(&sizes(&labels), &labels, |image| (image >= 500).then_some(image - 500));
        let count = |cluster| found.iter().filter(|&&(image, _)| labels[image] == cluster).count();
        assert!([0, 1, 7].iter().all(|&cluster| (16..=SAMPLE).contains(&count(cluster))), "{found:?}");
        assert!(found.is_sorted() && found.iter().all(|&(image, place)| image == place + 500));
        assert_eq!(sample(&[], &[-1, -1], Some), []);
    }

    #[test]
    fn a_name_is_refused_for_a_cluster_that_is_not_there_and_taken_back_without_a_trace() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let session = clustered(dir.path());
        let said = |cluster, name| rename(&session, cluster, name).expect_err("refused").to_string();
        assert!(said(3, "milk").contains("found no cluster 3") && said(-1, "odd").contains("up to 4"));
        assert!(said(0, "two\nlines").contains("line breaks"));
        assert!(!session.dir.names().exists());
        let row = rename(&session, 0, " milk ").expect("renamed").expect("a name");
        assert_eq!((&*row.name, row.size, row.origin), ("milk", 3, NameOrigin::Given));
        assert_eq!(rename(&session, 0, "").expect("taken back"), None);
        assert!(!session.dir.names().exists());
    }

    #[test]
    fn given_names_stay_with_the_ids_of_a_new_clustering() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut session = clustered(dir.path());
        let word = NameRow { word: Some("thing".to_owned()), ..NameRow::unnamed(0, 3) };
        set_words(&session.dir.names(), vec![word]).expect("written");
        rename(&session, 0, "milk").expect("renamed");
        rename(&session, 4, "juice").expect("renamed");
        let notes = Notes::default();
        let anew = session.anew(Stage::Cluster, |session| {
            session.outdate(&[RunDir::names]);
            keep_given_names(session, &[cluster_row(0, 5), cluster_row(7, 1)], &notes)
        });
        anew.expect("clustered");
        let rows = read_names(&session.dir.names()).expect("a table");
        assert_eq!(rows, [NameRow::unnamed(0, 5).called(Some("milk".to_owned())).expect("a name")]);
        assert_eq!(*notes.0.lock().expect("one thread"), ["the name \"juice\" is gone with cluster 4"]);
    }
}
