//! Whether tests of ONNX models can run.

use std::env::var_os;
use std::io::Write;

/// Whether ONNX Runtime is there. Where it is not, stderr says that the test is left out.
///
/// # Panics
/// Where it is not, and `SPOREPRINT_REQUIRE_ONNX=1` wants these tests.
pub(crate) fn is_there(test: &str) -> bool {
    let Err(error) = sporeprint::encoder::onnx_runtime() else { return true };
    assert!(var_os("SPOREPRINT_REQUIRE_ONNX").is_none_or(|value| value != "1"), "{error}");
    let words = format!("left out: {test}: {}\n", error.to_string().lines().next().unwrap_or_default());
    // The test harness keeps what `eprintln!` says to itself.
    let _ = std::io::stderr().write_all(words.as_bytes());
    false
}
