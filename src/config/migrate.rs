//! An export as it is written for one destination, written for another.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::destination::{CustomFieldThere, Destination, StandardField};
use crate::membership::Membership;
use crate::value::FieldType;

/// An export for another destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrated {
    /// It, as `exports.json` has it.
    pub export: Value,
    /// What became of marks and fields.
    pub moved: Vec<String>,
    /// What a person must do.
    pub by_hand: Vec<String>,
}

/// Where an export goes, and what the account there has.
pub struct Move<'a> {
    /// Where it goes today.
    pub from: &'a dyn Destination,
    /// Where it is to go.
    pub to: &'a dyn Destination,
    /// The connection that leads there.
    pub connection: &'a str,
    /// What the account there has of a custom field.
    pub there: &'a dyn Fn(&str) -> CustomFieldThere,
}

/// Keys of a field that only values of some types have.
const OF_A_TYPE: [&str; 4] = ["true", "false", "decimal", "format"];

impl Move<'_> {
    /// Writes an export for where it goes. `export` has passed [`parse`](super::parse).
    pub fn of(&self, export: &Value) -> Migrated {
        let mut made = Migrated { export: export.clone(), moved: Vec::new(), by_hand: Vec::new() };
        let mut object = export.as_object().cloned().unwrap_or_default();
        object.insert("connection".to_owned(), self.connection.into());
        if !self.to.makes_fields() {
            object.remove("create_fields");
        }
        let segments = object.get("segments").and_then(Value::as_array).cloned().unwrap_or_default();
        let segments: Vec<Value> = segments.into_iter().map(|segment| self.segment(segment, &mut made)).collect();
        object.insert("segments".to_owned(), segments.into());
        let matching = object.get("match").and_then(Value::as_object).cloned().unwrap_or_default();
        let matching = self.matching(matching, &mut made);
        object.insert("match".to_owned(), matching.into());
        made.by_hand.extend(self.from.stays_behind().iter().map(|&text| text.to_owned()));
        made.export = object.into();
        made
    }

    fn segment(&self, segment: Value, made: &mut Migrated) -> Value {
        let Value::Object(mut segment) = segment else { return segment };
        let name = segment.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let before: Option<Membership> =
            segment.get("membership").cloned().and_then(|it| Deserialize::deserialize(it).ok());
        let after = match before.unwrap_or_else(|| self.from.default_membership(&name)) {
            Membership::None => Membership::None,
            Membership::Field(name) => Membership::Field(self.custom_name(&name, "boolean", made)),
            Membership::List(title) | Membership::Tag(title) => {
                let mark = self.mark(&title);
                let shown = |membership: &Membership| match membership {
                    Membership::List(title) => format!("list \"{title}\""),
                    Membership::Tag(title) => format!("tag \"{title}\""),
                    Membership::Field(name) => format!("field \"{name}\""),
                    Membership::None => "no mark".to_owned(),
                };
                made.moved.push(format!("segment \"{name}\": {} for \"{title}\"", shown(&mark)));
                mark
            }
        };
        segment.insert("membership".to_owned(), serde_json::to_value(after).unwrap_or_default());
        segment.into()
    }

    /// A mark of this name, or of the nearest that the destination takes.
    fn mark(&self, title: &str) -> Membership {
        let mark = self.to.default_membership(title.trim());
        if self.to.membership_fault(&mark).is_none() {
            return mark;
        }
        let plain = title.replace(',', " ");
        let short: String = plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect();
        self.to.default_membership(short.trim())
    }

    fn matching(&self, mut matching: Map<String, Value>, made: &mut Migrated) -> Map<String, Value> {
        let mut custom = Map::new();
        for (name, field) in matching.get("custom").and_then(Value::as_object).cloned().unwrap_or_default() {
            let (name, field) = self.custom(&name, field, made);
            custom.insert(name, field);
        }
        let mut taken: Vec<&str> = Vec::new();
        for before in self.from.standard_fields() {
            let Some(field) = matching.get(before.name).cloned() else { continue };
            let there = self.to.standard_fields().iter().find(|there| there.name == before.name);
            // Two names may stand for one field there.
            if let Some(there) = there.filter(|there| !taken.contains(&there.label)) {
                taken.push(there.label);
                continue;
            }
            matching.remove(before.name);
            let (name, field) = self.own_field(before, field, made);
            custom.insert(name, field);
        }
        matching.remove("custom");
        if !custom.is_empty() {
            matching.insert("custom".to_owned(), custom.into());
        }
        matching
    }

    /// A standard field that the destination lacks becomes a custom one.
    fn own_field(&self, before: &StandardField, field: Value, made: &mut Migrated) -> (String, Value) {
        let plain = in_words(before.label);
        let spellings = [plain.as_str(), before.label, before.name];
        let there = |name: &&str| matches!((self.there)(name), CustomFieldThere::Found(..));
        let name = spellings.into_iter().find(there).unwrap_or(&plain);
        let (of, to) = (before.name, self.to.name());
        made.moved.push(format!("{of}: {to} has no such field; it becomes the custom field \"{name}\""));
        let mut object = match field {
            Value::Object(object) => object,
            column => Map::from_iter([("column".to_owned(), column)]),
        };
        object.insert("type".to_owned(), before.field_type.name().into());
        self.typed(name, object, before.field_type, made)
    }

    fn custom(&self, name: &str, field: Value, made: &mut Migrated) -> (String, Value) {
        let Value::Object(object) = field else { return (name.to_owned(), field) };
        let before = object.get("type").and_then(Value::as_str).unwrap_or_default();
        let kind = self.from.field_types().iter().find(|(known, _)| *known == before);
        let kind = kind.map_or(FieldType::String, |(_, kind)| *kind);
        let built_in = self.to.standard_fields().iter().find(|it| in_words(it.name).eq_ignore_ascii_case(name));
        if let Some(there) = built_in {
            let to = self.to.name();
            made.by_hand
                .push(format!("custom field \"{name}\": {to} has this built in; match.{} fills it", there.name));
        }
        self.typed(name, object, kind, made)
    }

    /// Gives a custom field its type there: the account's own, else the one for the same values.
    fn typed(
        &self,
        name: &str,
        mut object: Map<String, Value>,
        before: FieldType,
        made: &mut Migrated,
    ) -> (String, Value) {
        let types = self.to.field_types();
        let of = |kind: FieldType| types.iter().rev().find(|(_, known)| *known == kind);
        let same = match before {
            FieldType::Day => of(FieldType::Day).or_else(|| of(FieldType::Date)),
            kind => of(kind),
        };
        let same = same.map_or("string", |(name, _)| *name);
        let (account_name, account_type) = match (self.there)(name) {
            CustomFieldThere::Found(account_name, account_type) => (account_name, account_type),
            CustomFieldThere::OfOthers(account_name, _) => {
                made.by_hand.push(of_others(&account_name));
                object.insert("type".to_owned(), same.into());
                return (account_name, object.into());
            }
            there => {
                self.missing(name, same, &there, made);
                (name.to_owned(), None)
            }
        };
        if account_type.is_none() && before == FieldType::Date && of(FieldType::Day).is_some() {
            made.by_hand.push(format!(
                "custom field \"{name}\": \"{same}\" keeps the time of day; write \"date\" for days alone"
            ));
        }
        let now = account_type.unwrap_or(same);
        let kind = types.iter().find(|(name, _)| *name == now).map_or(FieldType::String, |(_, kind)| *kind);
        if !is_alike(kind, before) {
            OF_A_TYPE.iter().for_each(|key| drop(object.remove(*key)));
            let was = before.name();
            made.by_hand
                .push(format!("custom field \"{name}\": it is {now} in the account and was {was}; check its values"));
        }
        made.moved.push(format!("custom field \"{account_name}\": {now}"));
        object.insert("type".to_owned(), now.into());
        (account_name, object.into())
    }

    /// The account's spelling of a field.
    fn custom_name(&self, name: &str, kind: &str, made: &mut Migrated) -> String {
        match (self.there)(name) {
            CustomFieldThere::Found(name, _) => name,
            CustomFieldThere::OfOthers(name, _) => {
                made.by_hand.push(of_others(&name));
                name
            }
            there => {
                self.missing(name, kind, &there, made);
                name.to_owned()
            }
        }
    }

    fn missing(&self, name: &str, kind: &str, there: &CustomFieldThere, made: &mut Migrated) {
        let CustomFieldThere::Missing(nearest) = there else { return };
        let nearest =
            nearest.iter().map(|nearest| format!(", or name \"{nearest}\", the nearest there is")).collect::<String>();
        let make = if self.to.makes_fields() { "make it there, or set create_fields to true" } else { "make it there" };
        made.by_hand.push(format!("custom field \"{name}\" ({kind}) is not in the account: {make}{nearest}"));
    }
}

/// What a person must do about a field that cannot be filled.
fn of_others(name: &str) -> String {
    format!(
        "custom field \"{name}\" belongs to another data source there, which alone may fill it: make a field of your own, \
         and name that"
    )
}

/// Whether the keys of a field of one type have a meaning for one of the other.
fn is_alike(one: FieldType, other: FieldType) -> bool {
    let number = |kind| matches!(kind, FieldType::Integer | FieldType::Float);
    let date = |kind| matches!(kind, FieldType::Date | FieldType::Day);
    one == other || number(one) && number(other) || date(one) && date(other)
}

/// `MailingStreet` and `owner_name` as people write them: `Mailing Street`, `owner name`.
fn in_words(label: &str) -> String {
    let mut words = String::with_capacity(label.len() + 4);
    for letter in label.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(if letter == '_' { ' ' } else { letter });
    }
    words
}

#[derive(Deserialize)]
struct File<'t> {
    #[serde(borrow)]
    exports: &'t RawValue,
}

/// The text of `exports.json` with one more export; all else stays as it is written. None where it has no exports yet.
pub fn with_export(text: &str, name: &str, export: &Value) -> Option<String> {
    let json = text.trim_start_matches('\u{feff}');
    let exports = serde_json::from_str::<File<'_>>(json).ok()?.exports.get();
    let start = exports.as_ptr() as usize - text.as_ptr() as usize;
    let last = exports.strip_suffix('}')?.trim_end();
    if last.ends_with('{') {
        return None;
    }
    let at = start + last.len();
    let entry = serde_json::to_string_pretty(&json!({ name: export })).ok()?;
    let entry = entry.strip_prefix('{')?.strip_suffix('}')?.trim().replace('\n', "\n  ");
    Some(format!("{},\n    {entry}{}", text.get(..at)?, text.get(at..)?))
}

/// An export as it is written in the file.
pub fn written_export(text: &str, name: &str) -> Option<Value> {
    let mut file: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    file.get_mut("exports")?.get_mut(name).map(Value::take)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Api;
    use crate::destination;

    #[test]
    fn a_field_of_another_data_source_is_left_to_a_person() {
        let there = |_: &str| CustomFieldThere::OfOthers("note".to_owned(), Some("string"));
        let (from, to) = (destination::of(Api::Autopilot), destination::of(Api::Ortto));
        let column = json!({ "column": "Note", "type": "string" });
        let export = json!({ "segments": [{ "name": "News", "membership": { "field": "Note" } }], "match": { "custom": { "Note": column } } });
        let made = Move { from, to, connection: "o", there: &there }.of(&export);
        let told = |list: &[String]| list.iter().filter(|text| text.contains("\"note\"")).count();
        assert_eq!((told(&made.moved), told(&made.by_hand)), (0, 2), "{made:?}");
        assert_eq!(made.export["match"]["custom"], json!({ "note": column }));
    }
}
