//! One module per kind of verb; each reads as the pipeline it runs.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod grouping;
pub(crate) mod name;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod summary;
pub(crate) mod sweep;
pub(crate) mod train_encoder;
pub(crate) mod verbs;
