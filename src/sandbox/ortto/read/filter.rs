//! Filters of `POST /person/get`: the operators that a segment needs.

use serde_json::Value;

use super::super::people::Profile;
use super::super::store::Store;
use crate::sandbox::options::OrttoOptions;

/// A parsed filter.
///
/// Source: `docs/ORTTO_API.md` 7.
#[derive(Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    HasValue(u16),
    HasNoValue(u16),
    Is(u16, Value),
    /// Any of these tags.
    Tagged(Vec<u32>),
}

impl Filter {
    /// Parses `{"$operator": ...}`.
    ///
    /// # Errors
    /// The operator or field that does not exist here.
    pub(super) fn parse(filter: &Value, store: &Store, options: &OrttoOptions) -> Result<Self, String> {
        let single = filter.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let Some((operator, operand)) = single else {
            return Err("a filter needs one operator".to_owned());
        };
        let inner = || match operand.as_array() {
            Some(filters) => filters.iter().map(|filter| Self::parse(filter, store, options)).collect(),
            None => Err(format!("{operator} needs a list")),
        };
        let field = || {
            let id = operand.get("field_id").and_then(Value::as_str).unwrap_or_default();
            store.fields.find(id).ok_or_else(|| format!("{id}: Object not found"))
        };
        let value = || operand.get("value").cloned().ok_or_else(|| format!("{operator} needs a value"));
        Ok(match operator.as_str() {
            "$and" => Self::All(inner()?),
            "$or" => Self::Any(inner()?),
            "$has_any_value" => Self::HasValue(field()?),
            "$has_no_value" => Self::HasNoValue(field()?),
            "$str::is" | "$bol::is" | "$int::is" => Self::Is(field()?, value()?),
            "$id_set_is" if options.filters_by_tag && operand.get("field_id") == Some(&"u4s::t".into()) => {
                let value = value()?;
                let ids = value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
                Self::Tagged(ids.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect())
            }
            unknown => return Err(format!("{unknown}: unknown operator (or one that this sandbox does not have)")),
        })
    }

    /// Whether a person matches.
    pub(super) fn matches(&self, profile: &Profile, options: &OrttoOptions) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.matches(profile, options)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(profile, options)),
            Self::HasValue(field) => profile.get(*field).is_some(),
            Self::HasNoValue(field) => profile.get(*field).is_none(),
            Self::Is(field, value) => profile.get(*field).is_some_and(|held| is_same(held, value, options)),
            Self::Tagged(tags) => tags.iter().any(|tag| profile.tags.contains(tag)),
        }
    }
}

fn is_same(held: &Value, value: &Value, options: &OrttoOptions) -> bool {
    match (held.as_str().or_else(|| held.get("name")?.as_str()), value.as_str()) {
        (Some(held), Some(value)) if options.folds_filter_case => held.to_lowercase() == value.to_lowercase(),
        (Some(held), Some(value)) => held == value,
        _ => held == value,
    }
}
