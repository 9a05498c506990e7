//! Words for clusters from a classifier that knows everyday things: no download and no words given.
//!
//! [`Classifier`] turns codes into probabilities of classes, [`Tally`] sums them per cluster, one image at a time, and
//! [`Tally::suggest`] chooses for each cluster the word of the [`Vocabulary`] that sets it apart, or none. Plain rows, no files.

mod classifier;
mod suggest;
mod tally;
mod vocabulary;

pub use classifier::Classifier;
pub use suggest::Suggestion;
pub use tally::Tally;
pub use vocabulary::{Vocabulary, VocabularyError};
