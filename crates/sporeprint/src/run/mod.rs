//! The run directory: layout, tables, resume.
