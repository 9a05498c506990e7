//! Values as they stand in one column: a Parquet array and the text of a CSV cell, each way and back.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type, UInt8Type, UInt32Type};
use arrow_array::{ArrayRef, Float32Array, PrimitiveArray, StringArray, UInt32Array};
use serde::Serialize;

use super::TableError;
use super::columns::Columns;
use crate::text::{neutralise, restore};

/// A type that a field of a row may have.
pub(super) trait Cell: Sized {
    /// A column of such values.
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef
    where
        Self: 'a;

    /// The values of a column.
    ///
    /// # Errors
    /// - the table has no such column, or one of another type
    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError>;

    /// The value in CSV.
    fn written(&self) -> CsvCell<'_>;

    /// The value of a CSV cell, or what was expected in it.
    fn parsed(cell: &str) -> Result<Self, &'static str>;
}

/// What a CSV file holds in one place; numbers are written plainly, for `-1` is no formula.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum CsvCell<'a> {
    Whole(i64),
    Real(f32),
    Text(Cow<'a, str>),
    Nothing,
}

macro_rules! number_cells {
    ($($number:ty as $column:ty => $csv:ident, $expected:literal;)+) => { $(
        impl Cell for $number {
            fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
                Arc::new(PrimitiveArray::<$column>::from_iter_values(cells.copied()))
            }

            fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
                table.numbers::<$column>(name)
            }

            fn written(&self) -> CsvCell<'_> {
                CsvCell::$csv((*self).into())
            }

            fn parsed(cell: &str) -> Result<Self, &'static str> {
                cell.parse().map_err(|_| $expected)
            }
        }
    )+ };
}

number_cells! {
    u8 as UInt8Type => Whole, "a whole number, 0 to 255";
    u32 as UInt32Type => Whole, "a whole number, 0 or more";
    i32 as Int32Type => Whole, "a whole number";
    f32 as Float32Type => Real, "a number";
}

impl Cell for String {
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(cells))
    }

    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
        table.texts(name)
    }

    fn written(&self) -> CsvCell<'_> {
        CsvCell::Text(neutralise(self))
    }

    fn parsed(cell: &str) -> Result<Self, &'static str> {
        Ok(restore(cell).into_owned())
    }
}

impl Cell for Option<String> {
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        Arc::new(cells.map(Option::as_deref).collect::<StringArray>())
    }

    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
        table.optional_texts(name)
    }

    fn written(&self) -> CsvCell<'_> {
        self.as_ref().map_or(CsvCell::Nothing, String::written)
    }

    fn parsed(cell: &str) -> Result<Self, &'static str> {
        if cell.is_empty() { Ok(None) } else { String::parsed(cell).map(Some) }
    }
}

impl Cell for Option<u32> {
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        Arc::new(cells.copied().collect::<UInt32Array>())
    }

    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
        table.optional_numbers::<UInt32Type>(name)
    }

    fn written(&self) -> CsvCell<'_> {
        self.as_ref().map_or(CsvCell::Nothing, u32::written)
    }

    fn parsed(cell: &str) -> Result<Self, &'static str> {
        if cell.is_empty() { Ok(None) } else { u32::parsed(cell).map(Some) }
    }
}

impl Cell for Option<f32> {
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        Arc::new(cells.copied().collect::<Float32Array>())
    }

    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
        table.optional_numbers::<Float32Type>(name)
    }

    fn written(&self) -> CsvCell<'_> {
        self.as_ref().map_or(CsvCell::Nothing, f32::written)
    }

    fn parsed(cell: &str) -> Result<Self, &'static str> {
        if cell.is_empty() { Ok(None) } else { f32::parsed(cell).map(Some) }
    }
}

/// Whole numbers in one cell, a space between them.
impl<T: Display + FromStr> Cell for Vec<T> {
    fn array<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef
    where
        Self: 'a,
    {
        Arc::new(StringArray::from_iter_values(cells.map(|numbers| joined(numbers))))
    }

    fn read(table: &Columns<'_>, name: &str) -> Result<Vec<Self>, TableError> {
        let part = |text: &String| Self::parsed(text).map_err(|expected| table.damaged(name, text, expected));
        table.texts(name)?.iter().map(part).collect()
    }

    fn written(&self) -> CsvCell<'_> {
        CsvCell::Text(joined(self).into())
    }

    fn parsed(cell: &str) -> Result<Self, &'static str> {
        let numbers: Result<Self, _> = cell.split_whitespace().map(str::parse).collect();
        numbers.map_err(|_| "whole numbers with spaces between them")
    }
}

fn joined<T: Display>(numbers: &[T]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
