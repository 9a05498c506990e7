//! Group a folder of unlabelled photographs by what they show.

pub mod demo;
pub mod encoder;
pub mod images;
pub mod report;
pub mod rng;
pub mod run;
pub mod train;
