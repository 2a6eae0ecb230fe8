//! The account's fields: built-in ones, custom ones, and those of other data sources.

use serde_json::{Value, json};

use super::field_type::FieldType;
use crate::sandbox::options::OrttoOptions;

/// Who may write a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Writable,
    /// The service writes it, or another data source does.
    ReadOnly,
}

/// A field of people.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) field_type: FieldType,
    pub(super) access: Access,
    pub(super) is_custom: bool,
    /// What a select field may hold.
    pub(super) choices: Vec<String>,
    tracked: bool,
}

impl Field {
    fn new(id: &str, name: &str, field_type: FieldType, access: Access) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            field_type,
            access,
            is_custom: false,
            choices: Vec::new(),
            tracked: false,
        }
    }

    fn is_deleted(&self, options: &OrttoOptions) -> bool {
        self.is_custom && options.deleted_fields.contains(&self.name)
    }

    /// As `custom-field/get` and the schema describe it.
    pub(super) fn description(&self) -> Value {
        let liquid = format!("people.custom.{}", self.id.rsplit(':').next().unwrap_or_default());
        let mut described =
            json!({ "id": self.id, "name": self.name, "display_type": self.field_type.name(), "liquid_name": liquid });
        if let (Some(object), false) = (described.as_object_mut(), self.choices.is_empty()) {
            object.insert("dic_items".to_owned(), self.choices.clone().into());
        }
        described
    }
}

/// Built-in fields that a merge may write: id, name, type.
///
/// Source: `docs/ORTTO_API.md` 4.
const WRITABLE: [(&str, &str, FieldType); 25] = [
    ("str::email", "Email", FieldType::Email),
    ("str::first", "First name", FieldType::Text),
    ("str::last", "Last name", FieldType::Text),
    ("str::name", "Name", FieldType::Text),
    ("str::ei", "External ID", FieldType::Text),
    ("str::postal", "Postal code", FieldType::Text),
    ("str::language", "Language", FieldType::Language),
    ("str::lt", "Last timezone", FieldType::Text),
    ("phn::phone", "Phone number", FieldType::Phone),
    ("geo::city", "City", FieldType::Geo),
    ("geo::region", "Region", FieldType::Geo),
    ("geo::country", "Country", FieldType::Geo),
    ("dtz::b", "Birthday", FieldType::Date),
    ("bol::gdpr", "GDPR", FieldType::Bool),
    (EMAIL_PERMISSION, "Email permission", FieldType::Bool),
    (SMS_PERMISSION, "SMS permission", FieldType::Bool),
    ("str::s-ctx", "Email subscribe context", FieldType::Text),
    ("str::soi-ctx", "SMS subscribe context", FieldType::Text),
    // The schema calls these two read-only, the vendor's text has them written.
    ("str::u-ctx", "Email unsubscribe context", FieldType::Text),
    ("str::soo-ctx", "SMS unsubscribe context", FieldType::Text),
    ("str::iuc", "Initial UTM campaign", FieldType::Text),
    ("str::ium", "Initial UTM medium", FieldType::Text),
    ("str::iun", "Initial UTM content", FieldType::Text),
    ("str::ius", "Initial UTM source", FieldType::Text),
    ("str::iut", "Initial UTM term", FieldType::Text),
];

/// Whether a person may be sent email.
pub(super) const EMAIL_PERMISSION: &str = "bol::p";
/// Whether a person may be sent text messages.
pub(super) const SMS_PERMISSION: &str = "bol::sp";

/// Built-in fields that only the service writes.
const READ_ONLY: [(&str, &str, FieldType); 3] = [
    ("bol::hb", "Hard bounced", FieldType::Bool),
    ("tme::sa", "Suppressed", FieldType::Time),
    ("tme::ua", "Unsuppressed", FieldType::Time),
];

/// Why a custom field cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldError {
    UnknownType,
    NoName,
    Exists,
    TooMany,
}

/// The account's fields, by number.
#[derive(Debug)]
pub(super) struct Fields(Vec<Field>);

impl Fields {
    pub(super) fn new(options: &OrttoOptions) -> Self {
        let built_in = |access| move |(id, name, field_type): (_, _, _)| Field::new(id, name, field_type, access);
        let mut fields: Vec<Field> = WRITABLE.map(built_in(Access::Writable)).into();
        fields.extend(READ_ONLY.map(built_in(Access::ReadOnly)));
        fields.extend(options.foreign_fields.iter().map(|name| {
            let id = format!("str:st:{}", slug(name));
            Field::new(&id, name, FieldType::Text, Access::ReadOnly)
        }));
        Self(fields)
    }

    pub(super) fn get(&self, number: u16) -> Option<&Field> {
        self.0.get(usize::from(number))
    }

    pub(super) fn get_mut(&mut self, number: u16) -> Option<&mut Field> {
        self.0.get_mut(usize::from(number))
    }

    /// A field's number.
    pub(super) fn find(&self, id: &str) -> Option<u16> {
        self.0.iter().position(|field| field.id == id).and_then(|at| u16::try_from(at).ok())
    }

    /// The same of a field that nobody has deleted.
    pub(super) fn find_kept(&self, id: &str, options: &OrttoOptions) -> Option<u16> {
        self.find(id).filter(|number| self.get(*number).is_some_and(|field| !field.is_deleted(options)))
    }

    /// The custom fields, in the order in which they were created.
    pub(super) fn custom(&self) -> impl Iterator<Item = &Field> {
        self.0.iter().filter(|field| field.is_custom)
    }

    /// As `custom-field/get` lists them.
    pub(super) fn listed(&self, options: &OrttoOptions) -> Vec<Value> {
        let kept = self.custom().filter(|field| !field.is_deleted(options));
        kept.map(|field| json!({ "field": field.description(), "tracked_value": field.tracked })).collect()
    }

    /// Creates a custom field.
    pub(super) fn create(
        &mut self,
        field_type: &str,
        name: &str,
        choices: Vec<String>,
        tracked: bool,
        most: usize,
    ) -> Result<&Field, FieldError> {
        let field_type = FieldType::creatable(field_type).ok_or(FieldError::UnknownType)?;
        let slug = slug(name);
        if slug.is_empty() {
            return Err(FieldError::NoName);
        }
        let id = format!("{}:cm:{slug}", field_type.prefix());
        let name = name.trim();
        if self.custom().any(|field| field.id == id || field.name.to_lowercase() == name.to_lowercase()) {
            return Err(FieldError::Exists);
        }
        if self.custom().count() >= most {
            return Err(FieldError::TooMany);
        }
        let field = Field::new(&id, name, field_type, Access::Writable);
        self.0.push(Field { is_custom: true, choices, tracked, ..field });
        self.0.last().ok_or(FieldError::NoName)
    }
}

/// Lower case, spaces to hyphens, other signs dropped: `$aB Person` -> `ab-person`.
fn slug(name: &str) -> String {
    let kept = name.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_lower_case_with_hyphens_for_spaces() {
        let slugs = ["$aB Person", "camelCase", " Orders, total "].map(slug);
        assert_eq!(slugs, ["ab-person", "camelcase", "orders-total"]);
    }
}
