//! Which new images are unlike all clusters of a run, told by the run's own images.

use std::fmt;
use std::str::FromStr;

use sporeprint_cluster::{NoveltyDetection, NoveltyDetector, RowsView};

use super::StageError;
use crate::grouping::metric;
use crate::progress::Observer;
use crate::run::tables::Assignment;
use crate::run::{Session, read_npy};

/// Share of new images of the run's own kinds that may be marked as unlike all of its clusters: `[0, 1)`, 0 marks none.
///
/// A larger share marks more images of other kinds as well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unlike(f64);

impl Unlike {
    /// Takes a share.
    ///
    /// # Errors
    /// When the share is below 0, or not below 1.
    pub fn new(share: f64) -> Result<Self, StageError> {
        if (0.0..1.0).contains(&share) {
            return Ok(Self(share));
        }
        Err(StageError::Unlike { found: share.to_string() })
    }

    /// Whether an image with this p-value is marked.
    #[must_use]
    pub fn marks(self, p_value: f64) -> bool {
        p_value <= self.0
    }
}

impl Default for Unlike {
    /// One in twenty.
    fn default() -> Self {
        Self(0.05)
    }
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Unlike {
    type Err = StageError;

    /// Reads a share, `0.05`, or a percentage, `5%`.
    fn from_str(text: &str) -> Result<Self, StageError> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| StageError::Unlike { found: text.to_owned() });
        match text.strip_suffix('%') {
            Some(percent) => Self::new(number(percent)? / 100.0),
            None => Self::new(number(text)?),
        }
    }
}

/// Learns from the images of a run how far the nearest ones are, and says so where they are too few to mark any.
///
/// Distances are those of the codes as they are, for the mean, which clusters are made without, is what the images of a run have in
/// common: without it another kind of picture is far from nothing.
pub(super) fn detector(
    session: &Session,
    images: &[Assignment],
    unlike: Unlike,
    observer: &dyn Observer,
) -> Result<NoveltyDetector, StageError> {
    let mut codes = read_npy::<f32>(&session.dir.embeddings())?;
    let dim = codes.shape.get(1).copied().unwrap_or(0);
    // An `add` that was killed may have left more codes than images.
    codes.data.truncate(images.len() * dim);
    let labels: Vec<i32> = images.iter().map(|image| image.cluster).collect();
    let duplicate_of: Vec<Option<u32>> = images.iter().map(|image| image.duplicate_of).collect();
    let settings =
        NoveltyDetection { seed: session.config.seed, ..NoveltyDetection::new(metric(&session.config.cluster)) };
    let detector = settings.fit(RowsView::new(&codes.data, dim)?, &labels, &duplicate_of)?;
    if unlike != Unlike(0.0) && !unlike.marks(detector.least()) {
        observer.note(&too_few(detector.least()));
    }
    Ok(detector)
}

/// What to say where no image can be marked, `least` being the smallest p-value there is.
fn too_few(least: f64) -> String {
    let share = (100.0 * least).ceil() / 100.0;
    let what =
        "the run has too few different images in its clusters to tell what is unlike all of them: nothing is marked";
    if share < 1.0 { format!("{what}; `unlike = {share}` would mark some") } else { what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_a_number_or_a_percentage_and_must_leave_something_unmarked() {
        let read = |text: &str| text.parse::<Unlike>().map(|unlike| unlike.to_string());
        for (text, expected) in [("0.05", "0.05"), ("5%", "0.05"), ("0", "0"), ("2.5 %", "0.025")] {
            assert_eq!(read(text).expect("a share"), expected);
        }
        for text in ["1", "100%", "5", "-0.1", "NaN", "few", "%"] {
            let said = read(text).expect_err("refused").to_string();
            assert!(said.contains("`unlike` is") && said.contains("\nhint: "), "{text}: {said}");
        }
    }

    #[test]
    fn nothing_is_marked_with_a_share_of_nothing_and_the_share_that_would_mark_some_does() {
        assert!(!Unlike::new(0.0).expect("a share").marks(1.0 / 2001.0));
        for n in 1..19 {
            let least = 1.0 / (f64::from(n) + 1.0);
            assert!(!Unlike::default().marks(least));
            let said = too_few(least);
            let share = said.split("`unlike = ").nth(1).expect("a hint").split('`').next().expect("a share");
            assert!(share.parse::<Unlike>().expect("a share").marks(least), "{said}");
        }
        assert!(Unlike::default().marks(1.0 / 20.0));
        assert!(!too_few(1.0).contains("would mark"));
    }
}
