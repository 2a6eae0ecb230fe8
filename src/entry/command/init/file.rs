//! The text of a configuration that is proposed, its keys in the order in which people read them.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::answers::Answers;
use super::sample::Sample;
use crate::destination;
use crate::error::{Error, Kind, Result};

/// JSON whose keys stay in the order they are given.
pub(super) enum Json {
    Plain(Value),
    Object(Vec<(String, Json)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

/// An object of the entries that have a value.
pub(super) fn object<const N: usize>(entries: [(&str, Option<Json>); N]) -> Json {
    let given = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Json::Object(given.collect())
}

/// A value of an object.
pub(super) fn plain(value: impl Into<Value>) -> Option<Json> {
    Some(Json::Plain(value.into()))
}

/// What the columns of a drop became.
pub(super) struct Parts {
    pub(super) email: String,
    pub(super) id: Option<String>,
    pub(super) standard: Vec<(String, Json)>,
    pub(super) custom: Vec<(String, Json)>,
    pub(super) true_words: Vec<String>,
    pub(super) false_words: Vec<String>,
}

/// Writes the file.
///
/// # Errors
/// Never in practice.
pub(super) fn text(sample: &Sample, answers: &Answers, parts: Parts) -> Result<String> {
    let Answers { api, export, segment, base_url, consent, opt_out, suppress, require, .. } = answers;
    let is_sandbox = base_url.is_some();
    let connection = if is_sandbox { "sandbox" } else { api.name() };
    let agreed =
        consent.as_ref().map(|(by, on)| object([("agreed_by", plain(by.as_str())), ("agreed_on", plain(on.as_str()))]));
    let connections = object([(
        connection,
        Some(object([
            ("api", plain(api.name())),
            ("base_url", base_url.as_deref().and_then(plain)),
            ("secret", plain(format!("autopilot-export/{connection}"))),
            ("requests_per_second", if is_sandbox { plain(20) } else { None }),
            ("consent", agreed),
        ])),
    )]);
    let mark = serde_json::to_value(destination::of(*api).default_membership(segment)).unwrap_or_default();
    let format = sample.encoding.map(|encoding| json!({ "encoding": encoding }));
    let segments = json!([{ "name": segment, "prefix": format!("segments/{export}/"), "membership": mark }]);
    let segments = match format {
        None => segments,
        Some(format) => {
            let mut segments = segments;
            if let Some(segment) = segments.pointer_mut("/0").and_then(Value::as_object_mut) {
                segment.insert("format".to_owned(), format);
            }
            segments
        }
    };
    let custom = parts.custom;
    let mut match_ = vec![("email".to_owned(), Json::Plain(json!(parts.email)))];
    match_.extend(parts.id.map(|id| ("id".to_owned(), Json::Plain(json!(id)))));
    match_.extend(parts.standard);
    match_.extend(opt_out.iter().map(|name| ("unsubscribed".to_owned(), Json::Plain(json!(name)))));
    if !custom.is_empty() {
        match_.push(("custom".to_owned(), Json::Object(custom)));
    }
    let conditions = |names: &[String]| {
        let all: Vec<Value> = names.iter().map(|name| json!({ "column": name, "equals": true })).collect();
        if all.is_empty() { None } else { plain(all) }
    };
    let words = |words: &[String]| if words.is_empty() { None } else { plain(words.to_vec()) };
    let exports = object([(
        export,
        Some(object([
            ("connection", plain(connection)),
            ("segments", plain(segments)),
            ("match", Some(Json::Object(match_))),
            ("true", words(&parts.true_words)),
            ("false", words(&parts.false_words)),
            ("suppress", conditions(suppress)),
            ("require", conditions(require)),
        ])),
    )]);
    let file = object([
        ("$schema", plain("./exports.schema.json")),
        ("connections", Some(connections)),
        ("exports", Some(exports)),
    ]);
    let text = serde_json::to_string_pretty(&file)
        .map_err(|cause| Error::new(Kind::Bug, "JSON", "cannot be written").with_source(cause))?;
    Ok(text + "\n")
}
