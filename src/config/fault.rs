//! A fault of the file: where, what, and what to do.

use std::fmt;

/// One fault of `exports.json`. Its text is one line, `config: <path>: <what>[; <what to do>]`, and repeats no value
/// of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The JSON path, such as `exports.newsletter.segments[0].prefix`, or the place of a syntax error.
    pub path: String,
    /// What is wrong there.
    pub what: String,
    /// What to do about it, where there is something.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config: {}: {}", self.path, self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Fault {}

/// `key` as it may stand in a path or a message: a name as it is, anything that could be an address, a key or a
/// sentence as `…`.
pub(super) fn shown(key: &str) -> &str {
    if key.is_empty() {
        return "\"\"";
    }
    let is_name = key.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '$' | '/' | '#'));
    let is_hex = key.len() >= 24 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_name && !is_hex && key.len() <= 64 { key } else { "…" }
}
