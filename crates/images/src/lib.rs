//! From paths to pixels: find photographs, decode them once into a packed cache, and serve evaluation pictures and
//! augmented views from it. Nothing here knows of networks.
//!
//! ```text
//! paths --find--> FoundImage --decode--> upright RGB8 --resize, JPEG--> ImageCache --picture--> small RGB8
//!                                                                                               |       |
//!                                                                                CodeView (codes)       render (training)
//! ```

// The example of the README is a test.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod augment;
mod cache;
mod code_view;
mod decode;
mod draw;
mod find;
mod hash;
mod idx;
mod manifest;
mod resize;
mod rgb;
mod signature;

pub use augment::{Factor, UnknownFactor, ViewConfig, render};
pub use cache::{BuildStep, Built, CacheConfig, CacheError, Difference, ImageCache, ImageEntry, Skipped};
pub use code_view::CodeView;
pub use decode::{BACKGROUND, DecodeError, DecodeLimits, Decoded, decode, decode_file};
pub use draw::{DrawError, contact_sheet, pair_sheet, save_png};
pub use find::{FindError, FoundImage, find_images};
pub use hash::{DHash, content_hash, dhash};
pub use idx::{IdxError, source_file};
pub use manifest::{ManifestError, apply_labels, read_manifest};
pub use resize::{Filter, fit_short_side, resize, resize_and_crop};
pub use rgb::{RgbImage, RgbView};
