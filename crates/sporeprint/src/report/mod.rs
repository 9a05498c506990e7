//! shim
#![allow(missing_docs)]
pub struct Thumbnail<'a> { pub width: usize, pub height: usize, pub rgb: &'a [u8] }
#[derive(Default)] pub struct ReportOptions {}
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct ReportError;
pub fn write<'a>(run: &crate::run::RunDir, _o: &ReportOptions, _t: &dyn Fn(u32)->Option<Thumbnail<'a>>) -> Result<(), ReportError> { let _ = std::fs::create_dir_all(run.report()); let _ = std::fs::write(run.report_index(), "shim"); Ok(()) }
