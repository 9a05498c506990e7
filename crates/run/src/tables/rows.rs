//! Rows as Parquet and CSV files. A column is declared once: its field in the list of [`columns!`].

use std::io;
use std::path::Path;

use arrow_array::ArrayRef;
use fs_err as fs;

use super::TableError;
use super::cells::CsvCell;
use super::columns::{Columns, write_columns};
use crate::write_atomically;

/// A row whose fields are the columns of a table; see [`columns!`].
pub(super) trait Row: Sized {
    /// Names of the columns, in their order.
    const COLUMNS: &'static [&'static str];

    /// The columns of some rows.
    fn arrays(rows: &[Self]) -> Vec<(&'static str, ArrayRef)>;

    /// The rows of a table.
    fn of_columns(table: &Columns<'_>) -> Result<Vec<Self>, TableError>;

    /// The cells of a line.
    fn cells(&self) -> Vec<CsvCell<'_>>;

    /// The row of a line, whose cells come in the order of the columns; or the column that cannot be read, its cell, and what
    /// was expected there.
    fn of_cells<'a>(cells: &mut dyn Iterator<Item = &'a str>) -> Result<Self, (&'static str, &'a str, &'static str)>;
}

/// Makes a struct a [`Row`]: `columns!(Struct: field, field, ..)` in the order of the columns, each under its field's name. A
/// field's type says how its cells are written and read ([`Cell`](super::cells::Cell)).
macro_rules! columns {
    ($row:ident: $($field:ident),+ $(,)?) => {
        impl $crate::tables::rows::Row for $row {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn arrays(rows: &[Self]) -> Vec<(&'static str, arrow_array::ArrayRef)> {
                use $crate::tables::cells::Cell;
                vec![$((stringify!($field), Cell::array(rows.iter().map(|row| &row.$field)))),+]
            }

            fn of_columns(
                table: &$crate::tables::columns::Columns<'_>,
            ) -> Result<Vec<Self>, $crate::tables::TableError> {
                use $crate::tables::cells::Cell;
                $(let mut $field = Cell::read(table, stringify!($field))?.into_iter();)+
                Ok(std::iter::from_fn(|| Some(Self { $($field: $field.next()?),+ })).collect())
            }

            fn cells(&self) -> Vec<$crate::tables::cells::CsvCell<'_>> {
                use $crate::tables::cells::Cell;
                vec![$(self.$field.written()),+]
            }

            fn of_cells<'a>(
                cells: &mut dyn Iterator<Item = &'a str>,
            ) -> Result<Self, (&'static str, &'a str, &'static str)> {
                use $crate::tables::cells::Cell;
                $(
                    let cell = cells.next().unwrap_or_default();
                    let $field = Cell::parsed(cell).map_err(|expected| (stringify!($field), cell, expected))?;
                )+
                Ok(Self { $($field),+ })
            }
        }
    };
}
pub(super) use columns;

/// Writes rows as Parquet.
pub(super) fn write_parquet<R: Row>(path: &Path, rows: &[R]) -> Result<(), TableError> {
    write_columns(path, R::arrays(rows))
}

/// Reads rows of a Parquet file.
pub(super) fn read_parquet<R: Row>(path: &Path) -> Result<Vec<R>, TableError> {
    R::of_columns(&Columns::read(path)?)
}

/// Writes rows under the names of their columns.
pub(super) fn write_csv<R: Row>(path: &Path, rows: &[R]) -> Result<(), TableError> {
    write_atomically(path, |out| {
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
        csv.write_record(R::COLUMNS).map_err(io::Error::other)?;
        for row in rows {
            csv.serialize(row.cells()).map_err(io::Error::other)?;
        }
        csv.flush()
    })?;
    Ok(())
}

/// Reads rows by the names of their columns, which may stand in any order.
pub(super) fn read_csv<R: Row>(path: &Path) -> Result<Vec<R>, TableError> {
    let mut csv = csv::Reader::from_reader(io::BufReader::new(fs::File::open(path)?));
    let damaged = |found: csv::Error| TableError::damaged(path, found, format!("columns {}", R::COLUMNS.join(", ")));
    let found = csv.headers().map_err(damaged)?;
    let place = |column: &&'static str| found.iter().position(|name| name == *column).ok_or(*column);
    let places = R::COLUMNS.iter().map(place).collect::<Result<Vec<_>, _>>().map_err(|missing| {
        let found: Vec<_> = found.iter().collect();
        TableError::damaged(path, format!("columns {}", found.join(", ")), format!("a column {missing}"))
    })?;
    let mut rows = Vec::new();
    for (row, record) in csv.records().enumerate() {
        let record = record.map_err(damaged)?;
        let mut cells = places.iter().map(|&place| record.get(place).unwrap_or_default());
        rows.push(R::of_cells(&mut cells).map_err(|(column, cell, expected)| {
            TableError::damaged(path, format!("{cell:?} as {column} of row {}", row + 1), expected)
        })?);
    }
    Ok(rows)
}
