//! A row as the contact that Autopilot takes.

use super::fields::{EMAIL, UNSUBSCRIBED, custom_key, key};
use crate::chunk::{FieldOrigin, FieldSpec, Row, quoted};
use crate::value::{self, FieldType};

/// The keys of a run's fields, ready to be written.
#[derive(Clone, Debug)]
pub(super) struct ContactWriter {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    /// `"Name":`.
    json: String,
    is_custom: bool,
    /// Whether nothing but true may ever be sent (promise 8).
    only_true: bool,
}

impl ContactWriter {
    /// A writer for rows with these fields.
    pub(super) fn new(fields: &[FieldSpec]) -> Self {
        let keys = fields.iter().map(|field| {
            let (origin, name) = key(field);
            let is_custom = origin == FieldOrigin::Custom;
            Key { only_true: !is_custom && name == UNSUBSCRIBED, json: json_key(&name), is_custom }
        });
        Self { keys: keys.collect() }
    }

    /// Writes a row as a contact, with its [`mark`] where a field marks members, and the list it is to be put on. The list's key stands inside the contact. Source: AUTOPILOT_API 1.4, a client that had it outside lost every
    /// membership.
    pub(super) fn write(&self, row: &Row, mark: Option<&str>, list: Option<&str>, out: &mut String) {
        out.push('{');
        let mut open_custom = false;
        for (key, value) in self.keys.iter().zip(row.values()) {
            if value.is_empty() || (key.only_true && value != "true") {
                continue;
            }
            if key.is_custom && !open_custom {
                open_custom = true;
                out.push_str(if out.ends_with('{') { "\"custom\":{" } else { ",\"custom\":{" });
            } else if !out.ends_with('{') {
                out.push(',');
            }
            out.push_str(&key.json);
            out.push_str(value);
        }
        if let Some(mark) = mark {
            out.push_str(if open_custom { "," } else { ",\"custom\":{" });
            open_custom = true;
            out.push_str(mark);
        }
        if open_custom {
            out.push('}');
        }
        if let Some(list) = list {
            out.push_str(",\"_autopilot_list\":");
            value::string(list, out);
        }
        out.push('}');
    }
}

/// The contact with this email, no longer a member by this field.
pub(super) fn leaver(email: &str, field: &str) -> String {
    format!(r#"{{"{EMAIL}":{},"custom":{{{}}}}}"#, quoted(email), mark(field, false))
}

/// The boolean custom field that marks a contact as a member, or as none.
pub(super) fn mark(field: &str, member: bool) -> String {
    format!("{}{member}", json_key(&custom_key(FieldType::Boolean, field)))
}

fn json_key(name: &str) -> String {
    let mut json = quoted(name);
    json.push(':');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: &[FieldSpec], cells: &str, member: Option<&str>, list: Option<&str>) -> String {
        let mut out = String::new();
        let fields = [&[FieldSpec::email()], fields].concat();
        let mark = member.map(|field| mark(field, true));
        ContactWriter::new(&fields).write(
            &Row { cells: format!("\"a@b.example\"{cells}").into(), ..Row::default() },
            mark.as_deref(),
            list,
            &mut out,
        );
        out
    }

    #[test]
    fn a_row_is_written_with_autopilots_spellings() {
        let fields = [
            FieldSpec::standard("first_name", FieldType::String),
            FieldSpec::standard("linked_in", FieldType::String),
            FieldSpec::standard("unsubscribed", FieldType::Boolean),
            FieldSpec::custom("Age", FieldType::Integer),
            FieldSpec::custom("Test Field", FieldType::String),
        ];
        assert_eq!(
            written(&fields, "\t\"Ann \\\"B\\\"\"\t\t\t4\tnull", None, None),
            r#"{"Email":"a@b.example","FirstName":"Ann \"B\"","custom":{"integer--Age":4,"string--Test--Field":null}}"#
        );
        assert_eq!(written(&fields, "\t\t\t\t\t", None, None), r#"{"Email":"a@b.example"}"#);
    }

    // Promise 8: `unsubscribed: false` is never sent, whatever is mapped.
    #[test]
    fn nothing_but_true_is_written_of_an_opt_out() {
        let out = |value: &str| {
            written(&[FieldSpec::standard("unsubscribed", FieldType::Boolean)], &format!("\t{value}"), None, None)
        };
        assert_eq!(out("true"), r#"{"Email":"a@b.example","unsubscribed":true}"#);
        for value in ["false", "null", "", "1"] {
            assert_eq!(out(value), r#"{"Email":"a@b.example"}"#, "{value}");
        }
        let own = [FieldSpec::custom("unsubscribed", FieldType::Boolean)];
        let own = written(&own, "\tfalse", None, None);
        assert_eq!(own, r#"{"Email":"a@b.example","custom":{"boolean--unsubscribed":false}}"#, "a field of its own");
    }

    #[test]
    fn members_are_marked_by_field_or_list() {
        let custom = [FieldSpec::custom("Z", FieldType::String)];
        assert_eq!(
            written(&custom, "\t\"z\"", Some("In News"), None),
            r#"{"Email":"a@b.example","custom":{"string--Z":"z","boolean--In--News":true}}"#
        );
        assert_eq!(
            written(&[], "", Some("In News"), None),
            r#"{"Email":"a@b.example","custom":{"boolean--In--News":true}}"#
        );
        assert_eq!(
            written(&custom, "\t\"z\"", None, Some("l \"1\"")),
            r#"{"Email":"a@b.example","custom":{"string--Z":"z"},"_autopilot_list":"l \"1\""}"#
        );
        assert_eq!(leaver("a@b.example", "In News"), r#"{"Email":"a@b.example","custom":{"boolean--In--News":false}}"#);
    }
}
