//! The run directory: settings, layout, tables, resume. Nothing here computes, and nothing knows of networks.

// The example of the README is a test.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

mod atomic;
pub mod config;
mod events;
mod layout;
mod npy;
mod origin;
mod session;
mod stage;
pub mod tables;
pub mod text;

pub use atomic::write_atomically;
pub use events::EventFile;
pub use layout::RunDir;
pub use npy::{Array, NpyError, NpyFloat, read_npy, read_npy_rows, write_npy};

pub use origin::{Norm, Origin, Start, Training, Why};
pub use session::{Existing, Held, Session, SessionError, hold};
pub use stage::Stage;
