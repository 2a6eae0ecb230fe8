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

/// The one of `known` that `word` was probably meant to be: the fewest letters apart, case aside, and no more than a
/// third of them. `None` where nothing is near.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let tolerated = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

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
