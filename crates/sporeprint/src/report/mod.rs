//! The run as pages to look at.
