//! A masked sample: the form of each value, without the value.

use serde_json::Value;

use crate::chunk::FieldSpec;

/// What stands for a letter or digit.
const MASK: char = '•';

/// A row's values by their fields' names, masked; those that are left alone are not there.
pub(super) fn masked(fields: &[FieldSpec], values: &[String]) -> Vec<(String, String)> {
    let values = fields.iter().zip(values).filter(|(_, value)| !value.is_empty());
    values.map(|(field, value)| (field.name.clone(), mask(value))).collect()
}

/// A value with all but the first letter of each word, and the first digit of each number, covered.
fn mask(json: &str) -> String {
    let text = match serde_json::from_str(json) {
        Ok(Value::String(text)) => text,
        Ok(Value::Bool(_) | Value::Null) => return json.to_owned(),
        _ => json.to_owned(),
    };
    let mut before = None;
    let mut masked = String::with_capacity(text.len());
    for c in text.chars() {
        let class = if c.is_numeric() { Some(true) } else { c.is_alphanumeric().then_some(false) };
        masked.push(if class.is_some() && class == before { MASK } else { c });
        before = class;
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_the_form_of_a_value() {
        for (json, masked) in [
            ("\"ann.lee@example.com\"", "a••.l••@e••••••.c••"),
            ("1234.56", "1•••.5•"),
            ("\"1980-12-31T00:00:00Z\"", "1•••-1•-3•T0•:0•:0•Z"),
            ("true", "true"),
            ("\"Jürgen\"", "J•••••"),
        ] {
            assert_eq!(mask(json), masked);
        }
    }
}
