//! What training minimises.

mod reconstruction;

pub use reconstruction::reconstruction;
