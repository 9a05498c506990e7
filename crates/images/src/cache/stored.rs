//! One picture as the cache keeps it: its RGB bytes where these are few, else a JPEG of bounded size.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::jpeg::JpegDecoder;
use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};

use super::CacheConfig;
use crate::rgb::{RgbImage, RgbView};

/// Most bytes of a picture whose short side is [`USUAL_PX`] or less.
const USUAL_BYTES: usize = 30_000;
/// Short side up to which [`USUAL_BYTES`] are enough; beyond it the bound grows with the area.
const USUAL_PX: usize = 256;

/// Quality that is tried first, on the scale of the Independent JPEG Group's library.
const BEST_QUALITY: u8 = 92;

/// Most bytes that one picture of a cache takes: 30 000 for pictures of up to 256 pixels, `30 000 (view_size / 256)^2` for
/// larger ones, which is 3.7 bits a pixel of a square.
pub(super) fn most_bytes(config: &CacheConfig) -> usize {
    let larger = config.view_size.max(USUAL_PX);
    USUAL_BYTES * larger * larger / (USUAL_PX * USUAL_PX)
}

/// Whether a picture of that many pixels is kept as it is.
pub(super) fn is_raw(width: usize, height: usize, most: usize) -> bool {
    width * height * 3 <= most
}

/// The bytes that are kept of a picture: at most `most`, unless even the lowest quality needs more.
///
/// The quality falls from [`BEST_QUALITY`] until the bytes fit. What it falls to is guessed from how far they are off: a
/// photograph's bytes go about with the two-thirds power of the inverse step of quantisation. Colours keep their resolution:
/// as many bytes with halved colours (4:2:0) and a higher quality change a network's codes more.
pub(super) fn encode(picture: RgbView<'_>, most: usize) -> Result<Vec<u8>, EncodingError> {
    if is_raw(picture.width, picture.height, most) {
        return Ok(picture.data.to_vec());
    }
    let mut quality = BEST_QUALITY;
    loop {
        let bytes = jpeg(picture, quality)?;
        if bytes.len() <= most || quality == 1 {
            return Ok(bytes);
        }
        let over = bytes.len() as f64 / most as f64;
        // Square roots and products are rounded alike on every machine; powers are not.
        quality = quality_of(step_of(quality) * over * over.sqrt()).clamp(1, quality - 1);
    }
}

/// The factor, in percent, by which a quality multiplies the standard's tables of quantisation.
fn step_of(quality: u8) -> f64 {
    let quality = f64::from(quality);
    if quality < 50.0 { 5_000.0 / quality } else { 200.0 - 2.0 * quality }
}

fn quality_of(step: f64) -> u8 {
    (if step > 100.0 { 5_000.0 / step } else { (200.0 - step) / 2.0 }) as u8
}

fn jpeg(picture: RgbView<'_>, quality: u8) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    // Sides of stored pictures are far below the 65 535 that a JPEG can have; larger ones are an error of the encoder.
    let side = |length: usize| u16::try_from(length).unwrap_or(0);
    encoder.encode(picture.data, side(picture.width), side(picture.height), ColorType::Rgb)?;
    Ok(bytes)
}

/// The picture behind the bytes that [`encode`] gave for it, or why they are none.
pub(super) fn decode(bytes: &[u8], width: usize, height: usize, most: usize) -> Result<RgbImage, String> {
    if is_raw(width, height, most) {
        return Ok(RgbImage::new(width, height, bytes.to_vec()));
    }
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let (found, expected) = (decoder.total_bytes(), width * height * 3);
    if decoder.dimensions() != (width as u32, height as u32) || found != expected as u64 {
        let (found_width, found_height) = decoder.dimensions();
        return Err(format!("{found_width} x {found_height} pixels, {found} bytes, expected {width} x {height} RGB"));
    }
    let mut data = vec![0; expected];
    decoder.read_image(&mut data).map_err(|error| error.to_string())?;
    Ok(RgbImage::new(width, height, data))
}
