//! Text from files made harmless: for lines on a terminal or a page, and for cells of a spreadsheet.

use std::borrow::Cow;

/// Makes characters visible that could hide or reorder what stands in a line: control characters, marks of
/// direction (U+202E turns `gnp.exe` into `exe.png`), zero-width spaces, line and paragraph separators.
///
/// Joiners (U+200C, U+200D) stay: scripts and emoji need them.
///
/// ```
/// assert_eq!(sporeprint_run::text::visible("a\u{202e}gnp"), "a‹U+202E›gnp");
/// ```
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            out.push_str(&format!("‹U+{:04X}›", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

/// Whether a character shows nothing of itself, or moves what stands beside it; see [`visible`].
#[must_use]
pub fn is_hidden(character: char) -> bool {
    let is_mark = matches!(
        character,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    is_mark || character.is_control()
}

/// Text that a spreadsheet shows and never runs.
///
/// Spreadsheets take a cell that starts with `=`, `+`, `-`, `@`, a tab or a line break for a formula, also in CSV
/// files, so a file called `=cmd|...` could start a program. Such text gets an apostrophe in front, the
/// spreadsheets' own sign for "this is text". Text that already reads as apostrophes followed by such a
/// character gets one more, so that [`restore`] undoes it exactly.
///
/// ```
/// use sporeprint_run::text::{neutralise, restore};
/// assert_eq!(neutralise("=1+1.png"), "'=1+1.png");
/// assert_eq!(restore(&neutralise("'=1+1.png")), "'=1+1.png");
/// assert_eq!(neutralise("cap.png"), "cap.png");
/// ```
#[must_use]
pub fn neutralise(text: &str) -> Cow<'_, str> {
    if is_formula(text.trim_start_matches('\'')) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Undoes [`neutralise`].
#[must_use]
pub fn restore(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest.trim_start_matches('\'')) => Cow::Borrowed(rest),
        _ => Cow::Borrowed(cell),
    }
}

fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_comes_back_and_none_is_a_formula(text in "['=+@\t\r\n-]{0,3}.{0,4}") {
            let cell = neutralise(&text);
            prop_assert!(!is_formula(&cell));
            prop_assert_eq!(restore(&cell), text.as_str());
        }
    }

    #[test]
    fn a_lone_apostrophe_stays() {
        assert_eq!(neutralise("'tis.png"), "'tis.png");
        assert_eq!(restore("'tis.png"), "'tis.png");
    }
}
