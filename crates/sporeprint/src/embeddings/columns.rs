//! Codes as the columns of a table.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Embeddings, EmbeddingsError, LABEL_COLUMNS, NAME_COLUMNS, NamedFile, code_columns, named};

const EXPECTED: &str = "columns embedding_0, embedding_1, .. (or, in parquet, embedding with lists)";

fn unfit(path: &Path, found: impl ToString, expected: impl ToString, hint: &'static str) -> EmbeddingsError {
    EmbeddingsError::Unfit { path: path.to_owned(), found: found.to_string(), expected: expected.to_string(), hint }
}

fn no_columns(path: &Path, names: &[String]) -> EmbeddingsError {
    let shown: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
    let more = if names.len() > shown.len() { ", .." } else { "" };
    unfit(path, format!("columns {}{more}", shown.join(", ")), EXPECTED, "rename the columns that hold the codes")
}

fn position(names: &[String], wanted: &[&str]) -> Option<usize> {
    wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted))
}

/// Reads `filename,embedding_0,embedding_1,..`; the name and a label are optional.
pub(super) fn read_csv(path: &Path) -> Result<Embeddings, EmbeddingsError> {
    let broken = |error: csv::Error| unfit(path, error, "a table with as many fields in every row", "check that line");
    let file = fs_err::File::open(path)?;
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(std::io::BufReader::new(file));
    let names: Vec<String> =
        csv.headers().map_err(broken)?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let columns = code_columns(&names);
    if columns.is_empty() {
        return Err(no_columns(path, &names));
    }
    let (name, label) = (position(&names, &NAME_COLUMNS), position(&names, &LABEL_COLUMNS));
    let mut rows = Vec::new();
    let mut files = Vec::new();
    for (at, record) in csv.records().enumerate() {
        let record = record.map_err(broken)?;
        let field = |column: usize| record.get(column).unwrap_or_default();
        for &column in &columns {
            let text = field(column);
            rows.push(text.parse::<f32>().map_err(|_| {
                let found = format!("{text:?} in row {at}, column {}", names[column]);
                unfit(path, found, "a number", "every row needs a number in every column of the codes")
            })?);
        }
        if let Some(name) = name {
            files.push(named(path, field(name), label.map(|label| field(label).to_owned())));
        }
    }
    Ok(Embeddings { rows, dim: columns.len(), files: name.map(|_| files) })
}

/// Reads the same columns from parquet, or one column of lists.
pub(super) fn read_parquet(path: &Path) -> Result<Embeddings, EmbeddingsError> {
    let damaged = |error: String| unfit(path, error, "a parquet table", "write it again");
    let file = fs_err::File::open(path)?.into_parts().0;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let columns = code_columns(&names);
    let list = position(&names, &["embedding", "embeddings"]);
    if columns.is_empty() && list.is_none() {
        return Err(no_columns(path, &names));
    }
    let (name, label) = (position(&names, &NAME_COLUMNS), position(&names, &LABEL_COLUMNS));
    let (mut rows, mut dim, mut files): (_, _, Vec<NamedFile>) = (Vec::new(), columns.len(), Vec::new());
    let mut n_before = 0;
    for batch in builder.build().map_err(|error| damaged(error.to_string()))? {
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        match list.filter(|_| columns.is_empty()) {
            Some(list) => read_lists(path, &batch, list, n_before, &mut dim, &mut rows)?,
            None => {
                let numbers = columns
                    .iter()
                    .map(|&column| numbers(path, &names[column], batch.column(column)))
                    .collect::<Result<Vec<Vec<f32>>, _>>()?;
                rows.extend((0..batch.num_rows()).flat_map(|row| numbers.iter().map(move |column| column[row])));
            }
        }
        if let Some(name) = name {
            let found = texts(path, &names[name], batch.column(name))?;
            let labels = label.map(|label| texts(path, &names[label], batch.column(label))).transpose()?;
            files.extend(found.into_iter().enumerate().map(|(row, name)| {
                let label = labels.as_ref().and_then(|labels| labels[row].clone());
                named(path, &name.unwrap_or_default(), label)
            }));
        }
        n_before += batch.num_rows();
    }
    Ok(Embeddings { rows, dim, files: name.map(|_| files) })
}

fn read_lists(
    path: &Path,
    batch: &RecordBatch,
    column: usize,
    n_before: usize,
    dim: &mut usize,
    rows: &mut Vec<f32>,
) -> Result<(), EmbeddingsError> {
    let array = batch.column(column);
    for row in 0..array.len() {
        let values = if array.is_null(row) {
            None
        } else {
            match array.data_type() {
                DataType::List(_) => Some(array.as_list::<i32>().value(row)),
                DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
                DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
                other => {
                    let hint = "store each row's codes as one list of floats";
                    return Err(unfit(path, format!("column embedding of type {other}"), "lists of numbers", hint));
                }
            }
        };
        let values = values.map(|values| numbers(path, "embedding", &values)).transpose()?.unwrap_or_default();
        if *dim == 0 {
            *dim = values.len();
        }
        if values.is_empty() || values.len() != *dim {
            let found = format!("{} numbers in row {}", values.len(), n_before + row);
            return Err(unfit(path, found, format!("{dim}, as in the rows before"), "every row needs as many numbers"));
        }
        rows.extend(values);
    }
    Ok(())
}

/// A column of numbers without gaps.
fn numbers(path: &Path, name: &str, array: &ArrayRef) -> Result<Vec<f32>, EmbeddingsError> {
    if array.null_count() > 0 {
        return Err(unfit(path, format!("gaps in column {name}"), "a number in every row", "leave such rows out"));
    }
    Ok(match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().values().to_vec(),
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().map(|&x| x as f32).collect(),
        DataType::Float16 => array.as_primitive::<Float16Type>().values().iter().map(|x| x.to_f32()).collect(),
        other => {
            let found = format!("column {name} of type {other}");
            return Err(unfit(path, found, "16, 32 or 64-bit floating point", "convert it to float32"));
        }
    })
}

fn texts(path: &Path, name: &str, array: &ArrayRef) -> Result<Vec<Option<String>>, EmbeddingsError> {
    let own = |text: Option<&str>| text.map(ToOwned::to_owned);
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().map(own).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().map(own).collect(),
        DataType::Utf8View => array.as_string_view().iter().map(own).collect(),
        other => {
            let found = format!("column {name} of type {other}");
            return Err(unfit(path, found, "texts", "convert it, or give the names by `images.names`"));
        }
    })
}
