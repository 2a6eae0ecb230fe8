//! Some of a list of choices.

use std::collections::BTreeSet;

use super::text;

/// Writes the texts between the `;` as an array, sorted and each once: their order says nothing.
pub(super) fn write(content: &str, json: &mut String) {
    let choices: BTreeSet<&str> = content.split(';').map(str::trim).filter(|choice| !choice.is_empty()).collect();
    json.push('[');
    for (n, choice) in choices.into_iter().enumerate() {
        if n > 0 {
            json.push(',');
        }
        text::write(choice, json);
    }
    json.push(']');
}
