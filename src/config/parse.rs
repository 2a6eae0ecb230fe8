//! The text of `exports.json` -> [`Config`], or all of its faults.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fault::{Fault, shown};
use super::reader::{Entry, Faults};
use super::{Api, Config, Connection, Export, checks, comments};
use crate::chunk::FieldOrigin;

/// Reads `exports.json`.
///
/// # Errors
/// Every fault of the file, in the order of its parts; where the text is not JSON, the comments in it, or one fault. The caller shows them all
/// and ends with the kind `config`.
pub fn parse(text: &str) -> Result<Config, Vec<Fault>> {
    let text = text.trim_start_matches('\u{feff}');
    let tree: Tree = serde_json::from_str(text).map_err(|error| syntax(text, &error))?;
    let faults = Faults::default();
    let config = read(&Entry::root(&tree.0, &faults));
    let faults = faults.into_list();
    match config {
        Some(config) if faults.is_empty() => Ok(Config { text: text.to_owned(), ..config }),
        _ => Err(faults),
    }
}

fn read(root: &Entry<'_>) -> Option<Config> {
    let mut file = root.object()?;
    file.get("$schema").map(|schema| schema.text());
    let connections: BTreeMap<String, Connection> = file
        .need("connections")
        .map(|entry| {
            named(&entry)
                .into_iter()
                .filter_map(|(name, entry)| Some((name, Connection::read(&entry, name)?)))
                .map(own)
                .collect()
        })
        .unwrap_or_default();
    if let Some(entry) = file.get("connections") {
        one_connection_per_secret(&entry, &connections);
    }
    let known: BTreeMap<&str, Api> = root
        .value
        .get("connections")
        .and_then(Value::as_object)
        .map(|map| map.iter().map(|(name, connection)| (name.as_str(), api_of(connection))).collect())
        .unwrap_or_default();
    let exports: BTreeMap<String, Export> = file
        .need("exports")
        .map(|entry| {
            named(&entry)
                .into_iter()
                .filter_map(|(name, entry)| Some((name, Export::read(&entry, name, &known)?)))
                .map(own)
                .collect()
        })
        .unwrap_or_default();
    if let Some(entry) = file.get("exports") {
        one_owner_per_prefix(&entry);
        one_export_per_mark(&entry, &connections, &exports);
    }
    file.done();
    Some(Config { connections, exports, folder: None, text: String::new() })
}

/// Two connections with one secret speak to one account, each at the whole rate. One that is disabled does not speak.
fn one_connection_per_secret(entry: &Entry<'_>, connections: &BTreeMap<String, Connection>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, connection) in connections.iter().filter(|(_, connection)| connection.enabled) {
        match owners.get(connection.secret.as_str()) {
            Some(owner) => {
                let what = format!(
                    "is already used by connections.{}; together they would double the account's rate",
                    shown(owner)
                );
                entry.fault_below_with(&format!("{}.secret", shown(name)), what, "let the exports name one connection");
            }
            None => drop(owners.insert(&connection.secret, name)),
        }
    }
}

/// Two exports that name one list or field of an account would take each other's members off. One that is disabled, by
/// itself or with its connection, does not.
fn one_export_per_mark(
    entry: &Entry<'_>,
    connections: &BTreeMap<String, Connection>,
    exports: &BTreeMap<String, Export>,
) {
    let mut owners: BTreeMap<_, (&str, String)> = BTreeMap::new();
    let is_enabled = |export: &Export| {
        export.enabled && connections.get(&export.connection).is_none_or(|connection| connection.enabled)
    };
    for (name, export) in exports.iter().filter(|(_, export)| is_enabled(export)) {
        for (index, segment) in export.segments.iter().enumerate() {
            let Some((what, mark)) = segment.membership.mark() else { continue };
            let place = format!("{}.segments[{index}]", shown(name));
            match owners.get(&(&export.connection, what, mark.clone())) {
                // Two segments of one export are looked at with the export.
                Some((owner, _)) if *owner == name => {}
                Some((_, other)) => {
                    entry.fault_below(&place, format!("has the same {what} of the same connection as exports.{other}"));
                }
                None => drop(owners.insert((&export.connection, what, mark), (name, place))),
            }
        }
    }
    for (name, export) in exports.iter().filter(|(_, export)| is_enabled(export)) {
        for field in export.match_.specs().iter().filter(|field| field.origin == FieldOrigin::Custom) {
            let Some((owner, other)) = owners.get(&(&export.connection, "field", field.name.to_lowercase())) else {
                continue;
            };
            // A field that one export both fills and marks with is looked at with the export.
            if *owner != name {
                let place = format!("{}.match.custom.{}", shown(name), field.name);
                entry.fault_below(&place, format!("fills the field that marks the members of exports.{other}"));
            }
        }
    }
}

/// The API that a connection names. Looks at the text itself, so that a connection with other faults is seen too.
fn api_of(connection: &Value) -> Api {
    let name = connection.get("api").and_then(Value::as_str);
    Api::ALL.iter().find(|(known, _)| Some(*known) == name).map(|(_, api)| *api).unwrap_or_default()
}

fn own<T>((name, value): (&str, T)) -> (String, T) {
    (name.to_owned(), value)
}

fn named<'v>(entry: &Entry<'v>) -> Vec<(&'v str, Entry<'v>)> {
    let all = entry.named();
    for (_, entry) in all.iter().filter(|(name, _)| !checks::is_name(name)) {
        entry.fault("the name must be 1 to 32 of a-z, 0-9 and -, and start with a letter or digit");
    }
    all
}

/// A dropped object belongs to the segments with the longest prefix, and starts a run of each export that has one: no two
/// of one export, nor of one connection, may have the same. Looks at the text itself, so that an export with other
/// faults is seen too.
fn one_owner_per_prefix(exports: &Entry<'_>) {
    let mut owners: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for (name, export) in exports.value.as_object().into_iter().flatten() {
        let connection = export.get("connection").and_then(Value::as_str).unwrap_or_default();
        let segments = export.get("segments").and_then(Value::as_array).into_iter().flatten();
        for (index, segment) in segments.enumerate() {
            let Some(prefix) = segment.get("prefix").and_then(Value::as_str).filter(|prefix| !prefix.is_empty()) else {
                continue;
            };
            let place = format!("{}.segments[{index}]", shown(name));
            match owners.get(&(connection, prefix)) {
                Some(owner) => {
                    exports.fault_below(&format!("{place}.prefix"), format!("is also that of exports.{owner}"))
                }
                None => drop(owners.insert((connection, prefix), place)),
            }
        }
    }
}

fn syntax(text: &str, error: &serde_json::Error) -> Vec<Fault> {
    let (line, column) = (error.line(), error.column());
    let comments = comments::faults(text, line);
    if !comments.is_empty() {
        return comments;
    }
    let text = error.to_string();
    let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    vec![Fault { path: format!("line {line}, column {column}"), what: what.to_owned(), hint: None }]
}

/// A JSON value without duplicate keys: of two exports with one name the first would be lost without a word.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Tree)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!("duplicate key {}", shown(&key))));
            }
            let Tree(value) = entries.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
