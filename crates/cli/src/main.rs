//! The `sporeprint` command.

fn main() {}
