//! The run directory: layout, tables, resume.

mod atomic;
mod events;
mod layout;
mod npy;
mod session;
pub mod tables;

pub use atomic::write_atomically;
pub use events::EventFile;
pub use layout::RunDir;
pub use npy::{Array, NpyError, NpyFloat, read_npy, read_npy_rows, write_npy};
pub(crate) use session::lock;
pub use session::{Existing, Session, SessionError, Stage};
