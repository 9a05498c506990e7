use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, FixedSizeListArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::run::tables::write_embeddings;
use crate::run::write_npy;

fn write(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join(name);
    fs_err::write(&path, bytes).expect("written");
    path
}

fn refusal(file: &Path, names: Option<&Path>) -> String {
    Embeddings::read(file, names).expect_err("refused").to_string()
}

fn npy(descr: &str, fortran: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch =
        RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect()).expect("columns");
    let file = fs_err::File::create(path).expect("file").into_parts().0;
    let mut writer = ArrowWriter::try_new(file, schema, None).expect("writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("closed");
}

#[test]
fn arrays_of_every_float_type_and_order_are_the_same_rows() {
    let dir = tempfile::tempdir().expect("a folder");
    let expected = Embeddings { rows: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], dim: 3, files: None };
    let rows = [1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0];
    let columns = [1.0f64, 4.0, 2.0, 5.0, 3.0, 6.0];
    let f64s = |of: &[f64]| of.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let f32s = |of: &[f64]| of.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect::<Vec<u8>>();
    let f16s = |of: &[f64]| of.iter().flat_map(|&x| half::f16::from_f64(x).to_le_bytes()).collect::<Vec<u8>>();
    for (descr, fortran, body) in [
        ("<f8", "False", f64s(&rows)),
        ("<f4", "False", f32s(&rows)),
        ("<f2", "False", f16s(&rows)),
        ("<f4", "True", f32s(&columns)),
        ("<f8", "True", f64s(&columns)),
    ] {
        let path = write(dir.path(), "x.npy", &npy(descr, fortran, "(2, 3)", &body));
        assert_eq!(Embeddings::read(&path, None).expect("read"), expected, "{descr} {fortran}");
    }
    let integers = write(dir.path(), "i.npy", &npy("<i8", "False", "(2, 1)", &[0; 16]));
    assert!(refusal(&integers, None).contains("\"<i8\""));
    let flat = write(dir.path(), "f.npy", &npy("<f4", "False", "(4,)", &[0; 16]));
    assert!(refusal(&flat, None).contains("shape [4]"));
    let empty = write(dir.path(), "e.npy", &npy("<f4", "False", "(0, 3)", &[]));
    assert!(refusal(&empty, None).contains("no rows"));
    let large = write(dir.path(), "l.npy", &npy("<f8", "False", "(1, 1)", &1e300f64.to_le_bytes()));
    assert!(refusal(&large, None).contains("row 0"), "a number too large for f32 is named by its row");
}

#[test]
fn a_row_that_is_not_finite_is_named_and_counts_must_agree() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x.npy");
    write_npy(&path, &[3, 2], &[0.0, 1.0, 2.0, f32::NAN, 4.0, 5.0]).expect("written");
    let told = refusal(&path, None);
    assert!(told.contains("x.npy") && told.contains("row 1") && told.contains("column 1"), "{told}");
    write_npy(&path, &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).expect("written");
    let names = write(dir.path(), "names.txt", b"a/x.jpg\nb.jpg\n");
    let told = refusal(&path, Some(&names));
    assert!(told.contains("found 2 names, expected 3") && told.contains("names.txt"), "{told}");
    let list = ["cap/a.jpg", "cap/b.jpg", "gill/a.jpg"].map(|name| dir.path().join(name).display().to_string());
    let absolute = write(dir.path(), "absolute.txt", list.join("\n").as_bytes());
    let files = Embeddings::read(&path, Some(&absolute)).expect("read").files.expect("names");
    assert_eq!(
        files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
        ["cap/a.jpg", "cap/b.jpg", "gill/a.jpg"]
    );
    let names = write(dir.path(), "names.csv", b"filename,label\na/x.jpg,cap\nb.jpg,\nc.jpg,gill\n");
    let files = Embeddings::read(&path, Some(&names)).expect("read").files.expect("names");
    assert_eq!(files[0].path, dir.path().join("a/x.jpg"));
    assert_eq!(files.iter().map(|file| file.label.as_deref()).collect::<Vec<_>>(), [Some("cap"), None, Some("gill")]);
}

#[test]
fn tables_give_names_labels_and_codes_in_the_order_of_their_numbers() {
    let dir = tempfile::tempdir().expect("a folder");
    let csv = write(dir.path(), "t.csv", b"filename,embedding_1,embedding_0,label\nx.jpg,2,1e0,cap\ny.jpg,4,3,gill\n");
    let read = Embeddings::read(&csv, None).expect("read");
    assert_eq!((read.rows.as_slice(), read.dim), (&[1.0, 2.0, 3.0, 4.0][..], 2));
    let files = read.files.expect("names");
    assert_eq!((files[1].name.as_str(), files[1].label.as_deref()), ("y.jpg", Some("gill")));
    let told = refusal(&write(dir.path(), "u.csv", b"filename,embedding_0\nx.jpg,1\ny.jpg,tall\n"), None);
    assert!(told.contains("\"tall\" in row 1, column embedding_0"), "{told}");
    let told = refusal(&write(dir.path(), "v.csv", b"filename,a,b\nx.jpg,1,2\n"), None);
    assert!(told.contains("columns filename, a, b") && told.contains("embedding_0"), "{told}");

    let path = dir.path().join("own.parquet");
    write_embeddings(&path, &[1.0, 2.0, 3.0, 4.0], 2).expect("written");
    assert_eq!(Embeddings::read(&path, None).expect("read").rows, [1.0, 2.0, 3.0, 4.0]);
    let lists = |rows: Vec<Option<Vec<Option<f32>>>>| {
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2)) as ArrayRef
    };
    let names = || Arc::new(StringArray::from(vec!["x.jpg", "y.jpg"])) as ArrayRef;
    let both = lists(vec![Some(vec![Some(1.0), Some(2.0)]), Some(vec![Some(3.0), Some(4.0)])]);
    parquet(&path, vec![("path", names()), ("embedding", both)]);
    let read = Embeddings::read(&path, None).expect("read");
    assert_eq!((read.rows.as_slice(), read.files.map(|files| files.len())), (&[1.0, 2.0, 3.0, 4.0][..], Some(2)));
    parquet(&path, vec![("embedding", lists(vec![Some(vec![Some(1.0), Some(2.0)]), None]))]);
    assert!(refusal(&path, None).contains("0 numbers in row 1"));
    let gaps = Arc::new(Float64Array::from(vec![Some(1.0), None])) as ArrayRef;
    parquet(&path, vec![("embedding_0", gaps)]);
    assert!(refusal(&path, None).contains("gaps in column embedding_0"));
    parquet(&path, vec![("embedding_0", names())]);
    assert!(refusal(&path, None).contains("Utf8"));
    assert!(refusal(&write(dir.path(), "t.parquet", b"text"), None).contains("a parquet table"));
}

#[test]
fn tensors_are_found_by_shape_or_by_name() {
    use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x.safetensors");
    let numbers: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let half: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()).collect();
    let save = |tensors: Vec<(&str, Dtype, Vec<usize>, &[u8])>| {
        let views = tensors.into_iter().map(|(name, dtype, shape, bytes)| {
            (name.to_owned(), TensorView::new(dtype, shape, bytes).expect("a view"))
        });
        serialize_to_file(views, None, &path).expect("written");
    };
    save(vec![("codes", Dtype::F32, vec![2, 2], &numbers), ("length", Dtype::F32, vec![4], &numbers)]);
    assert_eq!(Embeddings::read(&path, None).expect("read").rows, [1.0, 2.0, 3.0, 4.0]);
    save(vec![("embeddings", Dtype::BF16, vec![4, 1], &half), ("other", Dtype::F32, vec![2, 2], &numbers)]);
    assert_eq!(Embeddings::read(&path, None).expect("read").dim, 1);
    save(vec![("a", Dtype::F32, vec![2, 2], &numbers), ("b", Dtype::F32, vec![2, 2], &numbers)]);
    assert!(refusal(&path, None).contains("a [2, 2]"));
    save(vec![("a", Dtype::I32, vec![2, 2], &numbers)]);
    assert!(refusal(&path, None).contains("I32"));
    assert!(refusal(&write(dir.path(), "y.safetensors", b"text"), None).contains("a safetensors file"));
    assert!(refusal(&write(dir.path(), "y.pickle", b"text"), None).contains(".safetensors"));
}
