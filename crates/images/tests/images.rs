//! Images from files to cache, on pictures made here.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sporeprint_cluster::Rng;
use sporeprint_images::{
    CacheConfig, CacheError, Filter, FoundImage, ImageCache, RgbImage, RgbView, ViewConfig, find_images, render,
    resize, resize_and_crop, save_png,
};

fn picture(width: usize, height: usize, seed: u64) -> RgbImage {
    let mut rng = Rng::new(seed);
    let coarse = RgbImage::new(7, 5, (0..7 * 5 * 3).map(|_| rng.next_u64() as u8).collect());
    resize(coarse.view(), width, height, Filter::Bilinear)
}

/// Folder of `n` pictures of different shapes and one file that is none.
fn photographs(n: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for i in 0..n {
        let kind = dir.path().join(["amanita", "boletus"][i % 2]);
        std::fs::create_dir_all(&kind).expect("a folder");
        save_png(&kind.join(format!("{i:03}.png")), &picture(40 + i, 90 - i, i as u64)).expect("a picture");
    }
    std::fs::write(dir.path().join("broken.jpg"), "<html>").expect("a file");
    dir
}

fn found(dir: &Path) -> Vec<FoundImage> {
    find_images(&[dir.to_path_buf()]).expect("images")
}

fn quiet(_: sporeprint_images::BuildStep) {}

fn bytes_of(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.strip_prefix(dir).expect("below").to_path_buf(), std::fs::read(&path).expect("a file")))
        .collect();
    files.sort();
    files
}

/// The fixtures were made by Pillow: `Image.fromarray(src).resize((ow, oh), filter)`.
#[test]
fn resizing_equals_pillow_bit_for_bit() {
    #[derive(serde::Deserialize)]
    struct Case {
        h: usize,
        w: usize,
        oh: usize,
        ow: usize,
        src: Vec<Vec<[u8; 3]>>,
        dst: Vec<Vec<[u8; 3]>>,
    }
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        let name = format!("pil_{}.json", filter.name());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/fixtures").join(&name);
        let text = std::fs::read_to_string(path).expect("the fixture of Pillow's resize");
        let cases: Vec<Case> = serde_json::from_str(&text).expect("a list of cases");
        assert!(!cases.is_empty());
        for case in cases {
            let source = case.src.concat().concat();
            let got = resize(RgbView::new(case.w, case.h, &source), case.ow, case.oh, filter);
            let shape = format!("{name}: {} x {} to {} x {}", case.w, case.h, case.ow, case.oh);
            assert_eq!(got.data, case.dst.concat().concat(), "{shape}");
        }
    }
}

#[test]
fn a_cache_holds_what_decoding_gives_and_names_what_it_skips() {
    let photos = photographs(9);
    let dir = photos.path().join(".cache");
    let images = found(photos.path());
    let last = Cell::new((0, 0, 0));
    let config = CacheConfig::new(16);
    let built =
        ImageCache::build(&dir, &images, &config, &|p| last.set((p.done, p.total, p.skipped))).expect("a cache");
    assert_eq!(last.get(), (10, 10, 1));
    assert_eq!(built.cache.n_images(), 9);
    assert_eq!(built.skipped.len(), 1);
    assert_eq!(built.skipped[0].name, "broken.jpg");
    assert_eq!(built.skipped[0].reason, "the contents are not an image that is known here");
    for (i, entry) in built.entries.iter().enumerate() {
        let number: usize = entry.name[entry.name.len() - 7..entry.name.len() - 4].parse().expect("a number");
        let original = picture(40 + number, 90 - number, number as u64);
        assert_eq!((entry.width, entry.height), (original.width, original.height));
        assert_eq!(entry.label.as_deref(), Some(["amanita", "boletus"][number % 2]));
        let kept = built.cache.picture(i);
        assert_eq!(kept.width.min(kept.height), 32);
        assert_eq!(kept, resize(original.view(), kept.width, kept.height, Filter::Bilinear));
        assert_eq!(built.cache.eval(i), resize_and_crop(kept.view(), 16, Filter::Bilinear));
    }
}

#[test]
fn any_number_of_threads_makes_the_same_bytes() {
    let photos = photographs(12);
    let images = found(photos.path());
    let outcomes: Vec<_> = [1, 2, 3]
        .map(|n_threads| {
            let dir = tempfile::tempdir().expect("a folder");
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads");
            let built = pool
                .install(|| ImageCache::build(dir.path(), &images, &CacheConfig::new(16), &|_| {}))
                .expect("a cache");
            let view = |&image: &usize| {
                render(built.cache.picture(image).view(), 16, &ViewConfig::paper(), &mut Rng::for_view(7, 2, image, 0))
                    .data
            };
            let views: Vec<Vec<u8>> = pool.install(|| [3, 1, 11, 3].par_iter().map(view).collect());
            (bytes_of(dir.path()), views)
        })
        .into_iter()
        .collect();
    assert_eq!(outcomes[0].0.len(), 2, "pictures and index, nothing else");
    assert!(outcomes[0] == outcomes[1] && outcomes[1] == outcomes[2]);
    let views = &outcomes[0].1;
    assert!(views[0] == views[3] && views[0] != views[1], "a view follows from its image and number");
}

#[test]
fn thin_pictures_are_cut_and_small_ones_never_enlarged() {
    let photos = tempfile::tempdir().expect("a folder");
    for (name, width, height) in
        [("wide.png", 20_000, 2), ("tall.png", 1, 8_000), ("one.png", 1, 1), ("small.png", 20, 30)]
    {
        save_png(&photos.path().join(name), &RgbImage::filled(width, height, [9, 99, 199])).expect("a picture");
    }
    let built = ImageCache::build(&photos.path().join("cache"), &found(photos.path()), &CacheConfig::new(32), &quiet)
        .expect("a cache");
    let shapes: Vec<_> = (0..4).map(|i| built.cache.picture(i)).map(|kept| (kept.width, kept.height)).collect();
    assert_eq!(shapes, [(1, 1), (20, 30), (1, 4), (8, 2)]);
    assert!((0..4).all(|i| built.cache.eval(i).data.chunks(3).all(|rgb| rgb == [9, 99, 199])));
}

#[test]
fn a_cache_that_does_not_fit_says_what_differs() {
    let photos = photographs(4);
    let dir = photos.path().join(".cache");
    let images = found(photos.path());
    let config = CacheConfig::new(16);
    assert!(matches!(ImageCache::open(&dir, &images, &config), Err(CacheError::Missing { .. })));
    let built = ImageCache::build(&dir, &images, &config, &quiet).expect("a cache");
    let again = ImageCache::open(&dir, &images, &config).expect("the same cache");
    assert_eq!(built.entries, again.entries);
    assert_eq!(built.cache.fingerprint(), again.cache.fingerprint());

    let message = |images: &[FoundImage], config: &CacheConfig| {
        ImageCache::open(&dir, images, config).expect_err("a difference").to_string()
    };
    let text = message(&images, &CacheConfig::new(24));
    assert!(text.contains("image size is 16 in the cache, expected 24"), "{text}");
    let text = message(&images[1..], &config);
    assert!(text.contains("'amanita/000.png' is in the cache only (made from 5 files, expected 4)"), "{text}");
    save_png(&photos.path().join("amanita/001x.png"), &picture(9, 9, 1)).expect("a picture");
    let text = message(&found(photos.path()), &config);
    assert!(text.contains("'amanita/001x.png' is not in the cache"), "{text}");
    save_png(&images[0].path, &picture(30, 30, 77)).expect("a picture");
    let text = message(&images, &config);
    assert!(text.contains("'amanita/000.png' changed since"), "{text}");
}

#[test]
fn an_unfinished_or_cut_cache_is_never_taken_for_one() {
    let photos = photographs(3);
    let dir = photos.path().join(".cache");
    let images = found(photos.path());
    let config = CacheConfig::new(16);
    ImageCache::build(&dir, &images, &config, &quiet).expect("a cache");
    // What is there while the pictures of a second build are written.
    let during = Cell::new(false);
    ImageCache::build(&dir, &images, &config, &|_| during.set(!dir.join("index.json").exists())).expect("a cache");
    assert!(during.get());
    let pictures = std::fs::OpenOptions::new().write(true).open(dir.join("pictures.bin")).expect("the pictures");
    let whole = pictures.metadata().expect("a file").len();
    pictures.set_len(100).expect("a shorter file");
    let error = ImageCache::open(&dir, &images, &config).expect_err("damage").to_string();
    assert!(error.contains(&format!("pictures.bin: 100 bytes, expected {whole}")), "{error}");
    std::fs::write(dir.join("index.json"), "{").expect("half an index");
    assert!(matches!(ImageCache::open(&dir, &images, &config), Err(CacheError::Damaged { .. })));
}

#[test]
fn images_added_to_a_cache_stand_behind_the_others_and_a_killed_addition_leaves_it_whole() {
    let photos = photographs(9);
    let images = found(photos.path());
    let config = CacheConfig::new(16);
    let at_once = tempfile::tempdir().expect("a folder");
    ImageCache::build(at_once.path(), &images, &config, &quiet).expect("a cache");
    let dir = tempfile::tempdir().expect("a folder");
    let (first, second) = images.split_at(5);
    let before = ImageCache::build(dir.path(), first, &config, &quiet).expect("a cache");
    // What a killed addition leaves: bytes behind those that the index names.
    let read = |dir: &Path| std::fs::read(dir.join("pictures.bin")).expect("the pictures");
    let longer = [read(dir.path()), vec![7; 1000]].concat();
    std::fs::write(dir.path().join("pictures.bin"), longer).expect("a longer file");
    let n = before.entries.len();
    assert_eq!(ImageCache::load(dir.path()).expect("still whole").cache.n_images(), n);
    for _ in 0..2 {
        // The second time everything behind the first images is made again.
        let added = ImageCache::append(dir.path(), n, second, &quiet).expect("added");
        assert_eq!(added.entries.len() + added.skipped.len(), 10);
        assert!(read(dir.path()) == read(at_once.path()));
        ImageCache::open(dir.path(), &images, &config).expect("as if built at once");
    }
}

#[test]
fn no_images_make_an_empty_cache() {
    let dir = tempfile::tempdir().expect("a folder");
    let built = ImageCache::build(dir.path(), &[], &CacheConfig::new(16), &quiet).expect("a cache");
    assert_eq!((built.cache.n_images(), built.entries.len()), (0, 0));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let error = ImageCache::build(&file.join("cache"), &[], &CacheConfig::new(16), &quiet).expect_err("no folder");
    let text = error.to_string();
    assert!(
        text.contains("cannot write image cache") && text.contains("file/cache") && text.contains("hint:"),
        "{text}"
    );
}
