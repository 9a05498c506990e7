//! From the bytes of a file to an upright RGB picture.

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};

use super::rgb::RgbImage;
use super::signature::{Signature, weak_name};

/// Colour that transparent pixels are laid upon: white, as on paper and on most pages.
pub const BACKGROUND: [u8; 3] = [255, 255, 255];

/// What a single image may cost; checked against its header before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DecodeLimits {
    /// Largest number of pixels.
    pub max_pixels: u64,
    /// Largest allocation while decoding, in bytes.
    pub max_alloc_bytes: u64,
    /// Largest file, in bytes.
    pub max_file_bytes: u64,
}

impl Default for DecodeLimits {
    /// 100 megapixels (the largest sensors sold), 1 GiB to decode, 512 MiB of file.
    fn default() -> Self {
        Self { max_pixels: 100_000_000, max_alloc_bytes: 1 << 30, max_file_bytes: 512 << 20 }
    }
}

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The first frame, upright.
    pub image: RgbImage,
    /// EXIF orientation that was undone, 1 (upright as stored) to 8.
    pub orientation: u8,
}

/// Why an image cannot be used, as a short sentence for `skipped.csv`.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[source] std::io::Error),
    /// The file is a pipe, a device or a folder.
    #[error("is not a plain file")]
    NotAFile,
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The bytes are no image known here.
    #[error("the contents are not an image that is known here")]
    Unknown,
    /// An image of a format that is not read.
    #[error("unsupported format: {0}")]
    Format(&'static str),
    /// The file is over the limit.
    #[error("the file has {found} bytes, over the limit of {limit}")]
    FileTooLarge {
        /// Size of the file, in bytes.
        found: u64,
        /// [`DecodeLimits::max_file_bytes`].
        limit: u64,
    },
    /// The picture is over the limit.
    #[error("declares {width} x {height} pixels, over the limit of {limit} pixels")]
    TooManyPixels {
        /// Declared columns.
        width: u32,
        /// Declared rows.
        height: u32,
        /// [`DecodeLimits::max_pixels`].
        limit: u64,
    },
    /// Decoding would need more memory than allowed.
    #[error("needs more than the limit of {0} bytes to decode")]
    TooMuchMemory(u64),
    /// A side of no pixels.
    #[error("declares {width} x {height} pixels")]
    NoPixels {
        /// Declared columns.
        width: u32,
        /// Declared rows.
        height: u32,
    },
    /// The file ends before the picture does.
    #[error("the file is cut off before the end of the picture")]
    CutOff,
    /// The data are damaged or use a feature that the decoder lacks.
    #[error("cannot be decoded: {0}")]
    Damaged(String),
    /// The decoder itself failed.
    #[error("the decoder failed on it: {0}")]
    Panicked(String),
}

/// Reads and decodes one file; see [`decode`].
///
/// # Errors
/// - a file that cannot be read, is empty, is over the limits, or holds no image that is read here
pub fn decode_file(path: &Path, limits: &DecodeLimits) -> Result<(Vec<u8>, Decoded), DecodeError> {
    let metadata = std::fs::metadata(path).map_err(DecodeError::Read)?;
    if !metadata.is_file() {
        return Err(DecodeError::NotAFile);
    }
    let too_large = |found| DecodeError::FileTooLarge { found, limit: limits.max_file_bytes };
    if metadata.len() > limits.max_file_bytes {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    let mut file = std::fs::File::open(path).map_err(DecodeError::Read)?.take(limits.max_file_bytes + 1);
    file.read_to_end(&mut bytes).map_err(DecodeError::Read)?;
    if bytes.len() as u64 > limits.max_file_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    let decoded = decode(&bytes, limits)?;
    Ok((bytes, decoded))
}

/// Decodes JPEG, PNG, WebP, GIF, BMP or TIFF, told by content, to 8-bit RGB.
///
/// The first frame or page is taken and turned upright by its EXIF orientation. Grey is spread over the three
/// channels, palettes and CMYK are resolved, 16 bits become 8 by `round(v / 257)`, transparency is laid on
/// [`BACKGROUND`] (so colours hidden under full transparency do not matter). Colour profiles are ignored.
///
/// Pictures of more than 16 megapixels are decoded one at a time, whatever the number of threads, to bound memory.
///
/// # Errors
/// - see [`DecodeError`]; a panic of a decoder is caught and reported as one
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, DecodeError> {
    let format = match Signature::of(bytes) {
        Some(Signature::Readable(format)) => format,
        Some(Signature::Unreadable(name)) => return Err(DecodeError::Format(name)),
        None if bytes.is_empty() => return Err(DecodeError::Empty),
        None => return Err(weak_name(bytes).map_or(DecodeError::Unknown, DecodeError::Format)),
    };
    if format == image::ImageFormat::Jpeg && jpeg_is_cut_off(bytes) {
        return Err(DecodeError::CutOff);
    }
    catch_unwind(AssertUnwindSafe(|| decode_as(bytes, format, limits)))
        .unwrap_or_else(|panic| Err(DecodeError::Panicked(panic_text(panic.as_ref()))))
}

fn decode_as(bytes: &[u8], format: image::ImageFormat, limits: &DecodeLimits) -> Result<Decoded, DecodeError> {
    static LARGE: Mutex<()> = Mutex::new(());
    const LARGE_PIXELS: u64 = 16_000_000;

    let failed = |error: ImageError| reason(&error, limits);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(limits.max_alloc_bytes);
    reader.limits(allowed.clone());
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return Err(DecodeError::TooManyPixels { width, height, limit: limits.max_pixels });
    }
    if pixels == 0 {
        return Err(DecodeError::NoPixels { width, height });
    }
    let budget = limits.max_alloc_bytes.checked_sub(decoder.total_bytes());
    allowed.max_alloc = Some(budget.ok_or(DecodeError::TooMuchMemory(limits.max_alloc_bytes))?);
    decoder.set_limits(allowed).map_err(failed)?;
    // A poisoned lock only says that another decoder failed; nothing is kept under it.
    let _turn = (pixels > LARGE_PIXELS).then(|| LARGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let orientation = orientation(&mut decoder);
    let mut upright = DynamicImage::ImageRgb8(to_rgb8(DynamicImage::from_decoder(decoder).map_err(failed)?));
    upright.apply_orientation(orientation);
    let upright = upright.into_rgb8();
    let (width, height) = (upright.width() as usize, upright.height() as usize);
    Ok(Decoded { image: RgbImage::new(width, height, upright.into_raw()), orientation: orientation.to_exif() })
}

/// Orientation of the EXIF block, also where the block keeps the prefix that belongs in JPEG only, as many WebP files do.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    let prefixed = decoder.exif_metadata().ok().flatten();
    let bare =
        prefixed.as_deref().and_then(|exif| exif.strip_prefix(b"Exif\0\0")).and_then(Orientation::from_exif_chunk);
    bare.or_else(|| decoder.orientation().ok()).unwrap_or(Orientation::NoTransforms)
}

/// Whether a JPEG has no end-of-image marker after its first scan begins; the decoder would fill the rest with grey.
///
/// Within a scan FF is always followed by 0 or a restart marker, so FF D9 there is the end. Files whose segments cannot
/// be walked are left to the decoder.
fn jpeg_is_cut_off(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == 0xda {
            return !bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    false
}

fn to_rgb8(image: DynamicImage) -> image::RgbImage {
    let (width, height) = (image.width(), image.height());
    let data = match image {
        DynamicImage::ImageRgb8(rgb) => return rgb,
        DynamicImage::ImageLuma8(grey) => grey.as_raw().iter().flat_map(|&v| [v; 3]).collect(),
        DynamicImage::ImageLuma16(grey) => grey.as_raw().iter().flat_map(|&v| [to_8_bits(v); 3]).collect(),
        DynamicImage::ImageRgb16(rgb) => rgb.as_raw().iter().map(|&v| to_8_bits(v)).collect(),
        DynamicImage::ImageLumaA8(grey) => grey.pixels().flat_map(|p| over([p.0[0]; 3], p.0[1])).collect(),
        DynamicImage::ImageRgba8(rgba) => rgba.pixels().flat_map(|p| over([p.0[0], p.0[1], p.0[2]], p.0[3])).collect(),
        DynamicImage::ImageLumaA16(grey) => {
            grey.pixels().flat_map(|p| over([to_8_bits(p.0[0]); 3], to_8_bits(p.0[1]))).collect()
        }
        DynamicImage::ImageRgba16(rgba) => {
            rgba.pixels().flat_map(|p| over([p.0[0], p.0[1], p.0[2]].map(to_8_bits), to_8_bits(p.0[3]))).collect()
        }
        other => return DynamicImage::ImageRgba8(other.into_rgba8()).into_rgb8(),
    };
    // The buffer has as many pixels as the one it was made from.
    image::RgbImage::from_raw(width, height, data).unwrap_or_default()
}

/// `round(v / 257)`: full scale stays full scale.
fn to_8_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// Colour with opacity `alpha` on [`BACKGROUND`], rounded to nearest.
fn over(color: [u8; 3], alpha: u8) -> [u8; 3] {
    let (alpha, rest) = (u32::from(alpha), u32::from(255 - alpha));
    std::array::from_fn(|c| ((u32::from(color[c]) * alpha + u32::from(BACKGROUND[c]) * rest + 127) / 255) as u8)
}

fn reason(error: &ImageError, limits: &DecodeLimits) -> DecodeError {
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            DecodeError::TooMuchMemory(limits.max_alloc_bytes)
        }
        other => DecodeError::Damaged(one_line(&other.to_string())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).map_or_else(|| "panic".into(), |text| one_line(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, ImageFormat, Luma, Rgba};

    fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn decoded(bytes: &[u8]) -> RgbImage {
        decode(bytes, &DecodeLimits::default()).unwrap().image
    }

    #[test]
    fn colors_under_full_transparency_do_not_matter() {
        let make = |hidden: [u8; 3]| {
            let [r, g, b] = hidden;
            let picture =
                ImageBuffer::from_fn(3, 2, |x, _| if x == 0 { Rgba([r, g, b, 0]) } else { Rgba([9, 8, 7, 255]) });
            decoded(&encode(picture, ImageFormat::Png))
        };
        let picture = make([255, 0, 0]);
        assert_eq!(picture, make([0, 0, 255]));
        assert_eq!(picture.data[..6], [255, 255, 255, 9, 8, 7]);
    }

    #[test]
    fn sixteen_bits_are_scaled_and_rounded() {
        let values = [0u16, 128, 129, 257, 385, 386, 32_768, 65_407, 65_535];
        let picture: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(9, 1, values.to_vec()).unwrap();
        let got: Vec<u8> = decoded(&encode(picture, ImageFormat::Png)).data.iter().copied().step_by(3).collect();
        assert_eq!(got, values.map(|v| (f64::from(v) / 257.0).round() as u8));
    }

    #[test]
    fn every_format_is_known_by_content() {
        let picture = ImageBuffer::from_pixel(4, 3, image::Rgb([200u8, 200, 200]));
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::WebP,
            ImageFormat::Gif,
            ImageFormat::Bmp,
            ImageFormat::Tiff,
        ] {
            let got = decoded(&encode(picture.clone(), format));
            assert_eq!((got.width, got.height), (4, 3), "{format:?}");
            assert!(got.data.iter().all(|v| v.abs_diff(200) <= 2), "{format:?} {:?}", &got.data[..3]);
        }
    }

    #[test]
    fn pictures_over_the_limits_are_refused_from_their_header() {
        let bytes = encode(ImageBuffer::from_pixel(100, 50, image::Rgb([1u8, 2, 3])), ImageFormat::Png);
        let limits = DecodeLimits { max_pixels: 4_999, ..DecodeLimits::default() };
        let error = decode(&bytes, &limits).unwrap_err().to_string();
        assert_eq!(error, "declares 100 x 50 pixels, over the limit of 4999 pixels");
        let limits = DecodeLimits { max_alloc_bytes: 1_000, ..DecodeLimits::default() };
        assert!(matches!(decode(&bytes, &limits), Err(DecodeError::TooMuchMemory(1_000))));
    }

    #[test]
    fn cut_and_scrambled_files_are_errors_and_never_panics() {
        let picture = ImageBuffer::from_fn(40, 30, |x, y| image::Rgb([(x * 6) as u8, (y * 8) as u8, (x * y) as u8]));
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::WebP,
            ImageFormat::Gif,
            ImageFormat::Bmp,
            ImageFormat::Tiff,
        ] {
            let bytes = encode(picture.clone(), format);
            let mut rng = sporeprint_cluster::Rng::new(5);
            for cut in [0, 1, 8, 20, bytes.len() / 2] {
                assert!(!matches!(decode(&bytes[..cut], &DecodeLimits::default()), Err(DecodeError::Panicked(_))));
            }
            for _ in 0..50 {
                let mut scrambled = bytes.clone();
                for _ in 0..4 {
                    let at = rng.below(scrambled.len());
                    scrambled[at] = rng.next_u64() as u8;
                }
                let result = decode(&scrambled, &DecodeLimits::default());
                assert!(!matches!(result, Err(DecodeError::Panicked(_))), "{format:?} {result:?}");
            }
        }
        assert!(matches!(decode(b"", &DecodeLimits::default()), Err(DecodeError::Empty)));
        assert!(matches!(decode(b"<html>not here</html>", &DecodeLimits::default()), Err(DecodeError::Unknown)));
    }

    #[test]
    fn a_jpeg_that_is_cut_off_is_refused() {
        let picture = ImageBuffer::from_fn(64, 64, |x, y| image::Rgb([(x * y) as u8, (x * 4) as u8, (y * 4) as u8]));
        let bytes = encode(picture, ImageFormat::Jpeg);
        let cut = &bytes[..bytes.len() - 200];
        assert!(matches!(decode(cut, &DecodeLimits::default()), Err(DecodeError::CutOff)));
    }

    /// A JPEG with an EXIF block of one entry, the orientation, spliced in after its first marker.
    #[test]
    fn exif_orientation_is_undone() {
        let picture =
            ImageBuffer::from_fn(
                16,
                8,
                |x, _| if x < 8 { image::Rgb([250u8, 250, 250]) } else { image::Rgb([5, 5, 5]) },
            );
        let plain = encode(picture, ImageFormat::Jpeg);
        for (orientation, size, top_left_is_light) in
            [(1u8, (16, 8), true), (3, (16, 8), false), (6, (8, 16), true), (8, (8, 16), false)]
        {
            let mut exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
            let bytes = [&plain[..2], &exif, &plain[2..]].concat();
            let got = decode(&bytes, &DecodeLimits::default()).unwrap();
            assert_eq!(got.orientation, orientation);
            assert_eq!((got.image.width, got.image.height), size, "orientation {orientation}");
            assert_eq!(got.image.data[0] > 128, top_left_is_light, "orientation {orientation}");
        }
    }
}
