//! A row as Ortto takes it: a person.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{EMAIL, PERMISSION, STANDARD};
use super::number::thousandths;
use super::setup::AccountField;
use crate::chunk::{FieldOrigin, FieldSpec, Row, quoted};
use crate::value::FieldType;

/// The most characters of a text, and of one whose field is a large text. Source: ORTTO_API 3.
const TEXT: usize = 255;
const LARGE_TEXT: usize = 4000;

/// How a field's values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As they are.
    Plain,
    /// A text of at most this many characters.
    Text(usize),
    /// The address, in lower case: whether Ortto takes two spellings for one person is unknown. Source: ORTTO_API 7.
    Email,
    /// One of the field's choices.
    Choice,
    Thousandths,
    Day,
    Choices,
    Phone,
    Place,
    Language,
    /// An opt-out: true takes the permission away; nothing else is ever written (promise 8).
    OptOut,
    /// Nothing is written.
    Nowhere,
}

/// One field of a run.
#[derive(Clone, Debug)]
struct Field {
    /// As the configuration calls it.
    name: String,
    id: String,
    form: Form,
    choices: Vec<String>,
}

/// Writes the rows of a run.
#[derive(Clone, Debug)]
pub(super) struct ContactWriter {
    fields: Vec<Field>,
}

impl ContactWriter {
    pub(super) fn new(specs: &[FieldSpec], custom: &BTreeMap<String, AccountField>) -> Self {
        Self { fields: specs.iter().map(|spec| field(spec, custom)).collect() }
    }

    /// What is wrong with a row's values: Ortto would refuse them, and with them the row.
    pub(super) fn fault(&self, row: &Row) -> Option<String> {
        let faults: Vec<String> = self
            .fields
            .iter()
            .zip(row.values())
            .filter(|(_, value)| !matches!(*value, "" | "null"))
            .filter_map(|(field, value)| Some(format!("{}: {}", field.name, field.fault(value)?)))
            .collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// Writes a row as a person: its fields, `more` of them as JSON members, and the tag that it gets.
    pub(super) fn write(&self, row: &Row, more: Option<&str>, tag: Option<&str>, out: &mut String) {
        let mut cleared = Vec::new();
        out.push_str(r#"{"fields":{"#);
        let begin = out.len();
        for (field, value) in self.fields.iter().zip(row.values()) {
            let Some(value) = field.value(value) else { continue };
            if field.form == Form::Choices {
                cleared.push(&field.id);
                if value == "null" {
                    continue;
                }
            }
            if out.len() > begin {
                out.push(',');
            }
            out.push_str(&quoted(&field.id));
            out.push(':');
            out.push_str(&value);
        }
        if let Some(more) = more {
            out.push(',');
            out.push_str(more);
        }
        out.push('}');
        // New choices would join the old ones. Source: ORTTO_API 2.1.
        if !cleared.is_empty() {
            out.push_str(r#","clear_fields":{"#);
            for (n, id) in cleared.into_iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                out.push_str(&quoted(id));
                out.push_str(":true");
            }
            out.push('}');
        }
        if let Some(tag) = tag {
            out.push_str(&format!(r#","tags":[{}]"#, quoted(tag)));
        }
        out.push('}');
    }
}

/// The person with this address, who loses a tag.
pub(super) fn untagged(email: &str, tag: &str) -> String {
    format!(r#"{{"fields":{{"{EMAIL}":{}}},"unset_tags":[{}]}}"#, quoted(email), quoted(tag))
}

/// The person with this address, and one more member of its fields.
pub(super) fn with_field(email: &str, more: &str) -> String {
    format!(r#"{{"fields":{{"{EMAIL}":{},{more}}}}}"#, quoted(email))
}

/// A member of the fields that says whether a person is one of a segment.
pub(super) fn is_member(field_id: &str, is: bool) -> String {
    format!("{}:{is}", quoted(field_id))
}

fn field(spec: &FieldSpec, custom: &BTreeMap<String, AccountField>) -> Field {
    let name = spec.name.clone();
    let of = |id: &str, form, choices: &[String]| Field {
        name: name.clone(),
        id: id.to_owned(),
        form,
        choices: choices.to_vec(),
    };
    if spec.origin == FieldOrigin::Custom {
        let Some(known) = custom.get(&spec.name) else { return of("", Form::Nowhere, &[]) };
        let form = match (spec.field_type, known.display_type.as_str()) {
            (FieldType::String, "large_text") => Form::Text(LARGE_TEXT),
            (FieldType::String, "single_select") => Form::Choice,
            (FieldType::String, _) => Form::Text(TEXT),
            (FieldType::Float, _) => Form::Thousandths,
            (FieldType::Day, _) => Form::Day,
            (FieldType::MultiSelect, _) => Form::Choices,
            (FieldType::Integer | FieldType::Boolean | FieldType::Date, _) => Form::Plain,
        };
        return of(&known.id, form, &known.choices);
    }
    match spec.name.as_str() {
        "email" => return of(EMAIL, Form::Email, &[]),
        "unsubscribed" => return of(PERMISSION, Form::OptOut, &[]),
        _ => {}
    }
    let Some(standard) = STANDARD.iter().find(|standard| standard.name == spec.name) else {
        return of("", Form::Nowhere, &[]);
    };
    let form = match standard.label {
        "phn::phone" => Form::Phone,
        "str::language" => Form::Language,
        "dtz::b" => Form::Day,
        id if id.starts_with("geo::") => Form::Place,
        _ => Form::Text(TEXT),
    };
    of(standard.label, form, &[])
}

impl Field {
    /// The value as it is sent; nothing, where the field is left alone.
    fn value<'v>(&self, value: &'v str) -> Option<Cow<'v, str>> {
        match (self.form, value) {
            (Form::Nowhere, _) | (_, "") => None,
            (Form::OptOut, value) => (value == "true").then_some(Cow::Borrowed("false")),
            (_, "null") => Some(Cow::Borrowed("null")),
            (Form::Email, value) => Some(Cow::Owned(value.to_lowercase())),
            (Form::Plain | Form::Text(_) | Form::Choice | Form::Choices, value) => Some(Cow::Borrowed(value)),
            (Form::Thousandths, value) => Some(Cow::Owned(thousandths(value)?.to_string())),
            (Form::Day, value) => Some(Cow::Owned(day(value)?)),
            (Form::Phone, value) => {
                Some(Cow::Owned(format!(r#"{{"phone":"{}","parse_with_country_code":true}}"#, phone(&text(value))?)))
            }
            (Form::Place, value) => Some(Cow::Owned(format!(r#"{{"name":{value}}}"#))),
            (Form::Language, value) => Some(Cow::Owned(quoted(&language(&text(value))?))),
        }
    }

    fn fault(&self, value: &str) -> Option<String> {
        match self.form {
            Form::Text(most) if is_longer(value, most) => Some(format!("has more than {most} characters")),
            Form::Email | Form::Place if is_longer(value, TEXT) => Some(format!("has more than {TEXT} characters")),
            Form::Choice if !self.may_be(&text(value)) => Some("is not one of the field's choices".to_owned()),
            Form::Choices => {
                let choices: Vec<String> = serde_json::from_str(value).unwrap_or_default();
                let odd = choices.iter().any(|choice| !self.may_be(choice));
                odd.then(|| "holds what is not one of the field's choices".to_owned())
            }
            Form::Thousandths if thousandths(value).is_none() => Some("is too large a number".to_owned()),
            Form::Phone if phone(&text(value)).is_none() => {
                Some("is not a phone number with its country code, such as +47 12345678".to_owned())
            }
            Form::Language if language(&text(value)).is_none() => {
                Some("is not the code of a language, such as en or pt-br".to_owned())
            }
            _ => None,
        }
    }

    fn may_be(&self, choice: &str) -> bool {
        // An account that does not list them cannot be checked.
        self.choices.is_empty() || self.choices.iter().any(|known| known == choice)
    }
}

fn text(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_default()
}

fn is_longer(json: &str, most: usize) -> bool {
    // The quotes are two bytes more.
    json.len() > most && text(json).chars().count() > most
}

/// `"2024-03-01"` as Ortto takes it. Source: ORTTO_API 4.
fn day(json: &str) -> Option<String> {
    let date: jiff::civil::Date = text(json).parse().ok()?;
    let (year, month, day) = (date.year(), date.month(), date.day());
    Some(serde_json::json!({ "year": year, "month": month, "day": day, "timezone": "UTC" }).to_string())
}

/// The digits of a phone number, its country code first. Source: ORTTO_API 4; 15 digits at most by E.164.
fn phone(number: &str) -> Option<String> {
    let number = number.trim();
    let number = number.strip_prefix('+').or_else(|| number.strip_prefix("00")).unwrap_or(number);
    let mut digits = String::with_capacity(15);
    for c in number.replace("(0)", "").chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' => {}
            _ => return None,
        }
    }
    ((7..=15).contains(&digits.len()) && !digits.starts_with('0')).then_some(digits)
}

/// The code of a language in lower case.
fn language(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_lowercase().replace('_', "-");
    let is_part = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let known =
        code.split_once('-').map_or_else(|| is_part(&code), |(language, place)| is_part(language) && is_part(place));
    known.then_some(code)
}

/// Whether a field of a person, as it is read, has this value.
pub(super) fn is_true(fields: &Value, id: &str) -> bool {
    fields.get(id) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> ContactWriter {
        let field = |name: &str, id: &str, display_type: &str, choices: &[&str]| {
            let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
            (
                name.to_owned(),
                AccountField { id: id.into(), name: name.into(), display_type: display_type.into(), choices },
            )
        };
        let custom = [
            field("Worth", "int:cm:worth", "currency", &[]),
            field("Since", "dtz:cm:since", "date", &[]),
            field("Likes", "sst:cm:likes", "multi_select", &["a", "b"]),
        ];
        let specs = [
            FieldSpec::email(),
            FieldSpec::standard("phone", FieldType::String),
            FieldSpec::standard("mailing_city", FieldType::String),
            FieldSpec::standard("language", FieldType::String),
            FieldSpec::standard("unsubscribed", FieldType::Boolean),
            FieldSpec::custom("Worth", FieldType::Float),
            FieldSpec::custom("Since", FieldType::Day),
            FieldSpec::custom("Likes", FieldType::MultiSelect),
        ];
        ContactWriter::new(&specs, &custom.into())
    }

    fn row(cells: &str) -> Row {
        Row { cells: cells.to_owned().into(), ..Row::default() }
    }

    fn written(cells: &str) -> Value {
        let mut out = String::new();
        writer().write(&row(cells), None, Some("T"), &mut out);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_row_is_written_in_orttos_spelling() {
        let cells = "\"a@b.org\"\t\"+47 123 45 678\"\t\"Oslo\"\t\"pt_BR\"\ttrue\t12.5\t\"2024-03-01\"\t[\"a\",\"b\"]";
        let wanted = serde_json::json!({
            "fields": {
                "str::email": "a@b.org", "phn::phone": { "phone": "4712345678", "parse_with_country_code": true },
                "geo::city": { "name": "Oslo" }, "str::language": "pt-br", "bol::p": false, "int:cm:worth": 12500,
                "dtz:cm:since": { "year": 2024, "month": 3, "day": 1, "timezone": "UTC" }, "sst:cm:likes": ["a", "b"],
            },
            "clear_fields": { "sst:cm:likes": true }, "tags": ["T"],
        });
        assert_eq!(written(cells), wanted);
    }

    // Promise 8: "`unsubscribed: false` is never sent, whatever is mapped."
    #[test]
    fn a_permission_is_only_ever_taken_away() {
        for opt_out in ["false", "null", "", "1"] {
            let fields = written(&format!("\"a@b.org\"\t\t\t\t{opt_out}\t\t\t"))["fields"].clone();
            assert_eq!(fields, serde_json::json!({ "str::email": "a@b.org" }), "{opt_out}");
        }
    }

    #[test]
    fn what_is_cleared_is_null_but_for_choices() {
        let person = written("\"a@b.org\"\tnull\t\t\t\tnull\t\tnull");
        let fields = serde_json::json!({ "str::email": "a@b.org", "phn::phone": null, "int:cm:worth": null });
        assert_eq!(
            (&person["fields"], &person["clear_fields"]),
            (&fields, &serde_json::json!({ "sst:cm:likes": true }))
        );
    }

    #[test]
    fn what_ortto_would_refuse_is_found_beforehand() {
        let fault = |cells: &str| writer().fault(&row(cells));
        assert_eq!(fault("\"a@b.org\"\t\"0047-123 45 678\"\t\"Oslo\"\t\"en\"\t\t1\t\t[\"a\"]"), None);
        for (cells, name) in [
            ("\"a@b.org\"\t\"call me\"", "phone"),
            ("\"a@b.org\"\t\"0151 2345678\"", "phone"),
            ("\"a@b.org\"\t\t\t\"Norwegian\"", "language"),
            ("\"a@b.org\"\t\t\t\t\t1e300", "Worth"),
            ("\"a@b.org\"\t\t\t\t\t\t\t[\"c\"]", "Likes"),
        ] {
            assert!(fault(cells).is_some_and(|fault| fault.starts_with(name)), "{cells}");
        }
        assert!(fault(&format!("\"a@b.org\"\t\t\"{}\"", "x".repeat(256))).is_some());
    }
}
