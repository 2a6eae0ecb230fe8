//! Texts: what counts of a cell, and how a text is written and compared.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Whether `c` takes no room on a screen and comes from copying: zero-width characters, byte-order marks, marks of
/// direction, soft hyphens.
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// `text` without white space of any kind and invisible characters at both ends.
pub fn trim(text: &str) -> &str {
    // Most cells begin and end with a letter or digit of ASCII, and need no second look.
    let counts = |end: Option<&u8>| end.is_none_or(u8::is_ascii_graphic);
    let bytes = text.as_bytes();
    match counts(bytes.first()) && counts(bytes.last()) {
        true => text,
        false => text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c)),
    }
}

/// What counts of a cell: its text, trimmed. `="00123"`, as spreadsheets are made to keep a text as it is, is `00123`.
pub fn content(cell: &str) -> &str {
    let text = trim(cell);
    match text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains('"') => trim(inner),
        _ => text,
    }
}

/// `text` in Unicode's composed form (NFC): `é` is one character, whether a file writes one or two.
pub fn composed(text: &str) -> Cow<'_, str> {
    // Every character before U+0300 is composed, and none of them joins with another.
    match text.bytes().all(|byte| byte < 0xcc) {
        true => Cow::Borrowed(text),
        false => ComposingNormalizerBorrowed::new_nfc().normalize(text),
    }
}

/// `text` as it is compared where case does not count: composed and in lower case.
pub fn folded(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => composed(&composed(text).to_lowercase()).into_owned(),
    }
}

/// Writes `text` as a value: a JSON string, composed.
pub(super) fn write(text: &str, json: &mut String) {
    // Without an early end the look at a short text is many bytes at a time.
    let special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0xcc);
    match text.bytes().fold(false, |any, byte| any | special(byte)) {
        false => quote(text, json),
        true => string(&composed(text), json),
    }
}

/// Writes `text` as a JSON string at the end of `json`, exactly as it is.
pub fn string(text: &str, json: &mut String) {
    let escaped = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    match text.bytes().fold(false, |any, byte| any | escaped(byte)) {
        false => quote(text, json),
        // A text can always be written.
        true => json.push_str(&serde_json::to_string(text).unwrap_or_default()),
    }
}

fn quote(text: &str, json: &mut String) {
    json.push('"');
    json.push_str(text);
    json.push('"');
}
