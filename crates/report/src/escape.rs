//! Text from files made safe for pages: no markup, no invisible or reordering characters.

use sporeprint_run::text::{is_hidden, visible};

/// Text as HTML, for content and for quoted attributes alike.
///
/// ```
/// assert_eq!(sporeprint_report::html_text("<b> & \"'"), "&lt;b&gt; &amp; &quot;&#39;");
/// ```
#[must_use]
pub fn html_text(text: &str) -> String {
    escape_markup(&visible(text))
}

/// As [`html_text`], with what stands between backticks, such as names of settings, set as code.
pub(crate) fn html_prose(text: &str) -> String {
    let parts: Vec<_> = text.split('`').map(html_text).collect();
    // A backtick without its fellow is one of the text's own.
    if parts.len().is_multiple_of(2) {
        return html_text(text);
    }
    let set = parts
        .iter()
        .enumerate()
        .map(|(i, part)| if i % 2 == 1 { format!("<code>{part}</code>") } else { part.clone() });
    set.collect()
}

/// As [`html_text`], with tabs and line breaks kept, for preformatted blocks.
pub(crate) fn html_block(text: &str) -> String {
    let lines: Vec<_> =
        text.lines().map(|line| line.split('\t').map(html_text).collect::<Vec<_>>().join("\t")).collect();
    lines.join("\n")
}

fn escape_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// A value as a JavaScript expression that is also safe inside a `<script>` element and to read: `<`, `>`, `&` and
/// all hidden characters become escapes.
pub(crate) fn script_value(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for character in value.to_string().chars() {
        if matches!(character, '<' | '>' | '&') || is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Base 64 of little-endian numbers, the form in which the pages carry columns.
pub(crate) fn base64(bytes: impl IntoIterator<Item = u8>) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = bytes.into_iter();
    let mut out = String::new();
    while let Some(first) = bytes.next() {
        let (second, third) = (bytes.next(), bytes.next());
        let triple = u32::from(first) << 16 | u32::from(second.unwrap_or(0)) << 8 | u32::from(third.unwrap_or(0));
        let digit = |shift: u32| DIGITS[(triple >> shift & 63) as usize] as char;
        out.push(digit(18));
        out.push(digit(12));
        out.push(if second.is_some() { digit(6) } else { '=' });
        out.push(if third.is_some() { digit(0) } else { '=' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn settings_in_prose_are_set_as_code_and_stay_text() {
        assert_eq!(html_prose("raise `a.b` or <i>"), "raise <code>a.b</code> or &lt;i&gt;");
        assert_eq!(html_prose("`<b>`"), "<code>&lt;b&gt;</code>");
        assert_eq!(html_prose("a ` alone"), html_text("a ` alone"));
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag_or_leaves_an_attribute(text in any::<String>()) {
            let html = html_text(&text);
            let unsafe_ones = ['<', '>', '"', '\'', '\n', '\u{202e}', '\0'];
            prop_assert!(!html.contains(unsafe_ones));
        }

        #[test]
        fn script_values_are_json_without_markup(text in any::<String>()) {
            let script = script_value(&serde_json::Value::from(text.as_str()));
            let unsafe_ones = ['<', '>', '&', '\u{2028}', '\u{2029}'];
            prop_assert!(!script.contains(unsafe_ones));
            prop_assert_eq!(serde_json::from_str::<String>(&script).expect("JSON"), text.as_str());
        }
    }

    #[test]
    fn hostile_names_are_shown_as_they_are() {
        assert_eq!(html_text("a\n\u{7f}\u{85}\u{200b}é👩‍🌾"), "a‹U+000A›‹U+007F›‹U+0085›‹U+200B›é👩‍🌾");
        assert_eq!(html_block("k = 1\n\tname = \"<i>\""), "k = 1\n\tname = &quot;&lt;i&gt;&quot;");
        assert_eq!(script_value(&serde_json::json!("</script>")), "\"\\u003c/script\\u003e\"");
    }

    #[test]
    fn base64_of_rfc_4648() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.bytes()), coded);
        }
    }
}
