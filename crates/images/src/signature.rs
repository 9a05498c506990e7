//! Which image format a file holds, told from its first bytes.

/// Number of leading bytes that [`Signature::of`] looks at.
pub(crate) const SNIFFED_BYTES: usize = 32;

/// Image format as told by a file's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    /// A format that the decoder reads.
    Readable(image::ImageFormat),
    /// An image, but of a format that the decoder does not read; its name.
    Unreadable(&'static str),
}

impl Signature {
    /// Format of a file that begins with `head`; `None` where it is no image known here.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        use Signature::{Readable, Unreadable};
        use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
        let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
        let found = if at(0, b"\xff\xd8\xff") {
            Readable(Jpeg)
        } else if at(0, b"\x89PNG\r\n\x1a\n") {
            Readable(Png)
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Readable(WebP)
        } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
            Readable(Gif)
        } else if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") {
            Readable(Tiff)
        } else if at(0, b"BM") && head.get(14).is_some_and(|size| BMP_HEADER_BYTES.contains(size)) && at(15, &[0, 0, 0])
        {
            Readable(Bmp)
        } else if at(4, b"ftypavif") || at(4, b"ftypavis") {
            Unreadable("AVIF")
        } else if at(4, b"ftyphei") || at(4, b"ftyphev") || at(4, b"ftypmif1") || at(4, b"ftypmsf1") {
            Unreadable("HEIC")
        } else if at(0, b"\0\0\0\x0cjP  ") || at(0, b"\xff\x4f\xff\x51") {
            Unreadable("JPEG 2000")
        } else if at(0, b"\xff\x0a") && head.len() > 2 || at(0, b"\0\0\0\x0cJXL ") {
            Unreadable("JPEG XL")
        } else if at(0, b"qoif") {
            Unreadable("QOI")
        } else if at(0, b"8BPS") {
            Unreadable("Photoshop")
        } else {
            return None;
        };
        Some(found)
    }
}

/// Name of a format whose signature is too short to call a file an image by, but that says what an image file is that
/// the decoder does not read.
pub(crate) fn weak_name(head: &[u8]) -> Option<&'static str> {
    match head {
        [0, 0, 1, 0, count, 0, ..] if *count > 0 => Some("ICO"),
        [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace() => Some("Netpbm"),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some("ZIP archive"),
        _ => None,
    }
}

/// Sizes of the information header in every version of BMP; "BM" alone also begins many a text.
const BMP_HEADER_BYTES: [u8; 7] = [12, 40, 52, 56, 64, 108, 124];

/// Whether an extension (without dot, any case) promises an image, readable here or not.
pub(crate) fn is_image_extension(extension: &str) -> bool {
    const KNOWN: [&str; 33] = [
        "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "mpo", "avif", "heic",
        "heif", "jp2", "j2k", "jpx", "jxl", "ico", "qoi", "pgm", "ppm", "pbm", "pnm", "tga", "psd", "dng", "cr2",
        "nef", "arw", "orf",
    ];
    KNOWN.contains(&extension.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_like_a_bitmap_is_none() {
        assert_eq!(Signature::of(b"BMW is a maker of motor cars and cycles"), None);
        let bitmap = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0";
        assert_eq!(Signature::of(bitmap), Some(Signature::Readable(image::ImageFormat::Bmp)));
    }

    #[test]
    fn short_and_empty_files_are_none() {
        assert_eq!(Signature::of(b""), None);
        assert_eq!(Signature::of(b"\xff\xd8"), None);
        assert_eq!(weak_name(b""), None);
    }
}
