//! Parquet files as named, typed columns.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use fs_err as fs;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{TABLES_VERSION, TableError};
use crate::write_atomically;

/// Key of the layout's version in the file's metadata.
const VERSION_KEY: &str = "sporeprint.tables";
/// Rows decoded at once when reading.
const BATCH_ROWS: usize = 8192;

/// Writes columns of equal length.
pub(super) fn write_columns(path: &Path, columns: Vec<(&str, ArrayRef)>) -> Result<(), TableError> {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), array.null_count() > 0))
        .collect();
    let version = HashMap::from([(VERSION_KEY.to_owned(), TABLES_VERSION.to_string())]);
    let schema = Arc::new(Schema::new_with_metadata(fields, version));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    write_atomically(path, |out| {
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(io::Error::other)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
        writer.close().map_err(io::Error::other)?;
        Ok(())
    })?;
    Ok(())
}

/// A parquet file read whole.
pub(super) struct Columns<'a> {
    path: &'a Path,
    batches: Vec<RecordBatch>,
    n_rows: usize,
}

impl<'a> Columns<'a> {
    /// Reads all columns.
    ///
    /// # Errors
    /// - the file cannot be read, is no parquet file, or has a later layout
    pub(super) fn read(path: &'a Path) -> Result<Self, TableError> {
        let file = fs::File::open(path)?.into_parts().0;
        let damaged = |found: String| TableError::damaged(path, found, "a parquet table");
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
        let version = builder.schema().metadata().get(VERSION_KEY).and_then(|version| version.parse::<u32>().ok());
        if let Some(version) = version.filter(|&version| version > TABLES_VERSION) {
            return Err(TableError::Unfit {
                path: path.to_owned(),
                found: format!("tables of version {version}"),
                expected: format!("version {TABLES_VERSION} or earlier"),
                hint: "the run was made by a newer sporeprint: install that one, or run again with this one".to_owned(),
            });
        }
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| damaged(error.to_string()))?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| damaged(error.to_string()))?;
        let n_rows = batches.iter().map(RecordBatch::num_rows).sum();
        Ok(Self { path, batches, n_rows })
    }

    /// A cell that does not hold what its column should.
    pub(super) fn damaged(&self, name: &str, found: &str, expected: &str) -> TableError {
        TableError::damaged(self.path, format!("{found:?} in column {name}"), expected)
    }

    /// Numbers of a column that has no gaps.
    pub(super) fn numbers<T: ArrowPrimitiveType>(&self, name: &str) -> Result<Vec<T::Native>, TableError> {
        let mut numbers = Vec::with_capacity(self.n_rows);
        for array in self.arrays(name, &T::DATA_TYPE)? {
            if array.null_count() > 0 {
                return Err(TableError::damaged(self.path, format!("gaps in column {name}"), "a number in every row"));
            }
            numbers.extend_from_slice(array.as_primitive::<T>().values());
        }
        Ok(numbers)
    }

    /// Numbers of a column that may have gaps.
    pub(super) fn optional_numbers<T: ArrowPrimitiveType>(
        &self,
        name: &str,
    ) -> Result<Vec<Option<T::Native>>, TableError> {
        let arrays = self.arrays(name, &T::DATA_TYPE)?;
        Ok(arrays.into_iter().flat_map(|array| array.as_primitive::<T>().iter()).collect())
    }

    /// Texts of a column that may have gaps.
    pub(super) fn optional_texts(&self, name: &str) -> Result<Vec<Option<String>>, TableError> {
        let arrays = self.arrays(name, &DataType::Utf8)?;
        Ok(arrays
            .into_iter()
            .flat_map(|array| array.as_string::<i32>().iter())
            .map(|text| text.map(Into::into))
            .collect())
    }

    /// Texts of a column that has no gaps.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, TableError> {
        let gap = || TableError::damaged(self.path, format!("gaps in column {name}"), "a text in every row");
        self.optional_texts(name)?.into_iter().map(|text| text.ok_or_else(gap)).collect()
    }

    fn arrays(&self, name: &str, data_type: &DataType) -> Result<Vec<&ArrayRef>, TableError> {
        let array = |batch: &'_ RecordBatch| batch.schema().index_of(name).ok();
        let mut arrays = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let expected = || format!("a column {name} of type {data_type}");
            let column = array(batch).ok_or_else(|| {
                let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
                TableError::damaged(self.path, format!("columns {}", names.join(", ")), expected())
            })?;
            let column = batch.column(column);
            if column.data_type() != data_type {
                return Err(TableError::damaged(self.path, format!("type {}", column.data_type()), expected()));
            }
            arrays.push(column);
        }
        Ok(arrays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::{Float32Type, UInt32Type};
    use arrow_array::{Int32Array, UInt32Array};

    #[test]
    fn missing_and_mistyped_columns_are_named() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("t.parquet");
        write_columns(&path, vec![("index", Arc::new(UInt32Array::from(vec![1, 2])))]).expect("written");
        let table = Columns::read(&path).expect("read");
        assert_eq!(table.numbers::<UInt32Type>("index").expect("column"), [1, 2]);
        let told = |result: Result<_, TableError>| result.map(|_: Vec<f32>| ()).expect_err("refused").to_string();
        assert!(told(table.numbers::<Float32Type>("index")).contains("UInt32"));
        assert!(told(table.numbers::<Float32Type>("cluster")).contains("a column cluster"));
    }

    #[test]
    fn gaps_are_refused_where_none_may_be() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("t.parquet");
        write_columns(&path, vec![("a", Arc::new(Int32Array::from(vec![Some(1), None])))]).expect("written");
        let table = Columns::read(&path).expect("read");
        assert!(table.numbers::<arrow_array::types::Int32Type>("a").is_err());
        assert_eq!(table.optional_numbers::<arrow_array::types::Int32Type>("a").expect("column"), [Some(1), None]);
    }

    #[test]
    fn text_is_no_table() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("t.parquet");
        fs::write(&path, "index,path\n").expect("file");
        assert!(Columns::read(&path).map(|_| ()).expect_err("refused").to_string().contains("t.parquet"));
    }
}
