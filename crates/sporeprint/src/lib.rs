//! Group a folder of unlabelled photographs by what they show.
//!
//! The modules follow the data: [`images`] (paths to pixels to views), [`batch`] (pixels to tensors), [`encoder`]
//! (tensors to codes), [`bank`] and [`neighbors`] (codes of all images), [`loss`], [`train`] (the loops), [`run`] (the
//! directory that everything lies in), [`stages`] (one function each over that directory), [`report`] (pages to look at).
//! [`embeddings`] reads codes that were made elsewhere.
//! [`mod@bench`] measures all of it.

pub mod bank;
pub mod batch;
pub mod bench;
pub mod config;
pub mod demo;
pub mod embeddings;
pub mod encoder;
pub mod hub;
pub mod images;
pub mod loss;
pub mod neighbors;
pub mod progress;
pub mod report;
pub mod run;
pub mod stages;
pub mod sweep;
pub mod train;
