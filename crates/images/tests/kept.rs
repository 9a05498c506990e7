//! What the cache keeps of a picture: how large it is, how near to the original, and what becomes of damage.

use std::path::Path;

use sporeprint_cluster::Rng;
use sporeprint_images::{
    CacheConfig, CacheError, CodeView, Filter, ImageCache, RgbImage, find_images, resize, save_png,
};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

fn noise(width: usize, height: usize) -> RgbImage {
    let mut rng = Rng::new((width * 10_000 + height) as u64);
    RgbImage::new(width, height, (0..width * height * 3).map(|_| rng.next_u64() as u8).collect())
}

/// As uneven as a photograph: shapes of several sizes, little noise.
fn photograph(width: usize, height: usize) -> RgbImage {
    let part = |side: usize| resize(noise(side, side + 1).view(), width, height, Filter::Bicubic).data;
    let (coarse, middle, fine) = (part(5), part(24), noise(width, height).data);
    let mixed = |i: usize| {
        let sum = 0.6 * f32::from(coarse[i]) + 0.37 * f32::from(middle[i]) + 0.03 * f32::from(fine[i]);
        sum.round() as u8
    };
    RgbImage::new(width, height, (0..fine.len()).map(mixed).collect())
}

fn cache_of(dir: &Path, pictures: &[RgbImage], config: &CacheConfig) -> ImageCache {
    std::fs::create_dir_all(dir.join("photographs")).expect("a folder");
    for (i, picture) in pictures.iter().enumerate() {
        save_png(&dir.join(format!("photographs/{i:02}.png")), picture).expect("a picture");
    }
    let found = find_images(&[dir.join("photographs")]).expect("images");
    ImageCache::build(&dir.join("cache"), &found, config, &|_| {}).expect("a cache").cache
}

fn bytes_of(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("cache/pictures.bin")).expect("the pictures")
}

#[test]
fn no_picture_takes_more_than_30_kb_not_even_noise() {
    for (width, height) in [(256, 256), (256, 341), (1200, 256), (256, 3000)] {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = cache_of(dir.path(), &[noise(width, height)], &CacheConfig::new(224));
        let kept = cache.picture(0);
        assert_eq!((kept.width, kept.height), (width.min(1024), height.min(1024)));
        let found = bytes_of(dir.path()).len();
        assert!(found <= 30_000, "{width} x {height}: {found} bytes");
        assert!(kept.data.len() > 30_000);
    }
}

#[test]
fn pictures_of_few_bytes_are_kept_exactly() {
    for (image_size, width, height) in [(32, 64, 85), (64, 96, 96), (224, 100, 100), (224, 40, 160)] {
        let dir = tempfile::tempdir().expect("a folder");
        let picture = noise(width, height);
        let cache = cache_of(dir.path(), std::slice::from_ref(&picture), &CacheConfig::new(image_size));
        assert_eq!(cache.picture(0), picture, "{width} x {height}");
        assert_eq!(bytes_of(dir.path()), picture.data);
    }
}

#[test]
fn a_photograph_comes_back_within_a_few_levels() {
    let dir = tempfile::tempdir().expect("a folder");
    let pictures = [photograph(256, 341), photograph(700, 300)];
    let cache = cache_of(dir.path(), &pictures, &CacheConfig::new(224));
    for (i, original) in pictures.iter().enumerate() {
        let kept = cache.picture(i);
        let expected = resize(original.view(), kept.width, kept.height, Filter::Bilinear);
        let differences = kept.data.iter().zip(&expected.data).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = differences.sum::<f64>() / kept.data.len() as f64;
        assert!(mean > 0.0 && mean <= 4.0, "mean difference {mean}");
    }
}

#[test]
fn pictures_grow_with_the_working_size() {
    let sizes = [16, 32, 64, 96, 128, 160, 224, 518].map(|size| CacheConfig::new(size).view_size);
    assert_eq!(sizes, [32, 64, 128, 192, 256, 256, 256, 592]);
    // Where pictures are larger so is the bound.
    let dir = tempfile::tempdir().expect("a folder");
    cache_of(dir.path(), &[noise(592, 592)], &CacheConfig::new(518));
    let found = bytes_of(dir.path()).len();
    assert!(found > 30_000 && found <= 160_432, "{found} bytes");
}

#[test]
fn any_number_of_threads_keeps_and_gives_back_the_same_bytes() {
    let pictures: Vec<RgbImage> = (0..5).map(|i| photograph(250 + 9 * i, 300)).collect();
    let outcomes = [1, 3].map(|n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads");
        let dir = tempfile::tempdir().expect("a folder");
        let cache = pool.install(|| cache_of(dir.path(), &pictures, &CacheConfig::new(224)));
        let kept: Vec<RgbImage> = (0..5).map(|i| cache.picture(i)).collect();
        (bytes_of(dir.path()), kept)
    });
    assert!(outcomes[0] == outcomes[1]);
}

/// The decoder has vector instructions for some processors: they must not show in what comes out.
#[test]
fn pictures_do_not_depend_on_vector_instructions() {
    let dir = tempfile::tempdir().expect("a folder");
    for (i, picture) in [photograph(256, 341), noise(300, 256), photograph(391, 256)].into_iter().enumerate() {
        let place = dir.path().join(i.to_string());
        let cache = cache_of(&place, &[picture], &CacheConfig::new(224));
        let jpeg = bytes_of(&place);
        let plain = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB).set_use_unsafe(false);
        let decoded = JpegDecoder::new_with_options(ZCursor::new(&jpeg[..]), plain).decode().expect("a JPEG");
        assert!(decoded == cache.picture(0).data, "picture {i}");
    }
}

#[test]
fn a_damaged_picture_is_named_when_the_cache_is_opened() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = CacheConfig::new(224);
    let cache = cache_of(dir.path(), &[photograph(256, 256), noise(80, 80), photograph(300, 256)], &config);
    drop(cache);
    let (path, whole) = (dir.path().join("cache/pictures.bin"), bytes_of(dir.path()));
    for at in [0, whole.len() / 4, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 16;
        std::fs::write(&path, &damaged).expect("written");
        let error = ImageCache::load(&dir.path().join("cache")).expect_err("damage");
        assert!(matches!(error, CacheError::Damaged { .. }), "{error}");
        let text = error.to_string();
        let name = if at == whole.len() - 1 { "'02.png'" } else { "'00.png'" };
        assert!(text.contains(name) && text.contains("checksum") && text.contains("delete the cache"), "{text}");
    }
    std::fs::write(&path, &whole).expect("written");
    assert_eq!(ImageCache::load(&dir.path().join("cache")).expect("whole again").cache.n_images(), 3);
}

#[test]
fn lengths_that_the_index_cannot_mean_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(cache_of(dir.path(), &[noise(20, 20)], &CacheConfig::new(32)));
    let path = dir.path().join("cache/index.json");
    let index = std::fs::read_to_string(&path).expect("the index");
    let shorter = index.replace("\"stored\":[[1200,", "\"stored\":[[1199,");
    assert_ne!(shorter, index);
    for (text, expected) in [
        (shorter, "1199 bytes for the picture of '00.png', expected 1200"),
        (index.replace("\"format\":2", "\"format\":1"), "format is 1 in the cache, expected 2"),
    ] {
        std::fs::write(&path, text).expect("written");
        let error = ImageCache::load(&dir.path().join("cache")).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn views_of_an_image_are_the_same_asked_for_alone_or_together() {
    let dir = tempfile::tempdir().expect("a folder");
    let cache = cache_of(dir.path(), &[photograph(300, 256)], &CacheConfig::new(64));
    let views = CodeView::averaged(3, &[]);
    let together = CodeView::all_of(&views, &cache, 0);
    assert_eq!(together, views.iter().map(|view| view.of(&cache, 0)).collect::<Vec<_>>());
    assert_eq!(together[0], cache.eval(0).data);
    assert!(together[0] != together[1] && together[0] != together[2]);
}

#[test]
fn pictures_left_out_at_either_end_leave_the_others_in_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let pictures: Vec<RgbImage> = (0..4).map(|i| photograph(256 + i, 256)).collect();
    let mut cache = cache_of(dir.path(), &pictures, &CacheConfig::new(224));
    let (second, third) = (cache.picture(1), cache.picture(2));
    cache.leave_out(1);
    cache.truncate(2);
    assert_eq!(cache.n_images(), 2);
    assert!(cache.picture(0) == second && cache.picture(1) == third);
}
