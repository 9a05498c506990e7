//! Group a folder of unlabelled photographs by what they show.
//!
//! [`group`] takes photographs, [`group_codes`] codes that were made elsewhere; both give a table of clusters. Everything
//! below is what they are made of.
//!
//! The modules follow the data: [`images`] (paths to pixels to views), [`batch`] (pixels to tensors), [`encoder`]
//! (tensors to codes), [`bank`] and [`neighbors`] (codes of all images), [`loss`], [`train`] (the loops), [`run`] (the
//! directory that everything lies in), [`stages`] (one function each over that directory), [`report`] (pages to look at).
//! [`embeddings`] reads codes that were made elsewhere.
//! [`mod@bench`] measures all of it.

pub mod bank;
pub mod batch;
pub mod bench;
pub mod demo;
pub mod embeddings;
pub mod encoder;
mod facade;
pub mod grouping;
pub mod hub;
pub mod loss;
pub mod neighbors;
pub mod progress;
pub mod rows;
pub mod stages;
pub mod sweep;
pub mod train;
pub mod words;

pub use facade::{Group, Groups, group, group_codes};
pub use sporeprint_images as images;
pub use sporeprint_report as report;
pub use sporeprint_run::{self as run, config};
