//! What can go wrong, in words that name the row or the setting at fault.

/// Why a search, a clustering or a measure could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The buffer is not a whole number of rows.
    #[error("codes of {len} values cannot be cut into rows of {dim}: expected a multiple of {dim} and dim above 0")]
    Shape {
        /// Values in the buffer.
        len: usize,
        /// Values per row that were asked for.
        dim: usize,
    },
    /// A row holds a NaN or an infinite value, or one so large that its squared length overflows `f32`.
    #[error(
        "row {row} is not usable: value {value} at column {column}; expected finite values with a finite squared length\n\
         hint: find the image or the embedding of row {row} and remove or recompute it"
    )]
    NotFinite {
        /// Index of the first such row.
        row: usize,
        /// Column of the first value at fault, or of the largest one when the length overflows.
        column: usize,
        /// The value found there.
        value: f32,
    },
    /// Two tables that must have the same width do not.
    #[error("{what}: found rows of {found} values, expected {expected}")]
    Dimension {
        /// Which table was compared.
        what: &'static str,
        /// Its row width.
        found: usize,
        /// The width that it must have.
        expected: usize,
    },
    /// Two lists that describe the same rows differ in length.
    #[error("{what}: found {found} entries, expected {expected}")]
    Length {
        /// Which list was compared.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that it must have.
        expected: usize,
    },
    /// An array whose rows do not lie one after another in memory.
    #[cfg(any(feature = "ndarray", test))]
    #[error(
        "array of shape {shape:?} has strides {strides:?}, expected [{}, 1]\n\
         hint: `array.as_standard_layout()` is a copy whose rows lie one after another", shape[1]
    )]
    Layout {
        /// Rows and columns.
        shape: [usize; 2],
        /// Values from one row to the next, and from one column to the next.
        strides: [isize; 2],
    },
    /// There are no rows to work on.
    #[error("{what}: found no rows, expected at least one")]
    Empty {
        /// Which table is empty.
        what: &'static str,
    },
    /// A setting is outside its range.
    #[error("{name} = {found} is out of range, expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// The values that it may take.
        expected: String,
    },
    /// The progress callback asked to stop.
    #[error("cancelled during {stage}")]
    Cancelled {
        /// What was running.
        stage: &'static str,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Checks that a setting lies in a range, and says which one did not.
pub(crate) fn check_setting(ok: bool, name: &'static str, found: impl ToString, expected: impl ToString) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Setting { name, found: found.to_string(), expected: expected.to_string() }) }
}
