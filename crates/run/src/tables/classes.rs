//! `classes.csv`: the classes that an encoder was trained to tell.

use std::path::Path;

use super::TableError;
use super::rows::{columns, write_csv};

struct ClassRow {
    class: u32,
    name: String,
}

columns!(ClassRow: class, name);

/// Writes `classes.csv`: the number of each class and its name.
///
/// # Errors
/// - the file cannot be written
pub fn write_classes(path: &Path, names: &[String]) -> Result<(), TableError> {
    let row = |(class, name): (usize, &String)| ClassRow { class: class as u32, name: name.clone() };
    write_csv(path, &names.iter().enumerate().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_quotes_stay_in_their_cell() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("classes.csv");
        let names = ["cap, red".to_owned(), "\"gill\"".to_owned(), "=1".to_owned()];
        write_classes(&path, &names).expect("written");
        let text = fs_err::read_to_string(&path).expect("a file");
        assert_eq!(text, "class,name\n0,\"cap, red\"\n1,\"\"\"gill\"\"\"\n2,'=1\n");
    }
}
