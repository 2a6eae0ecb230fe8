//! The person that a row means.

use serde_json::Value;
use tokio::time::Instant;

use super::super::people::Profile;
use super::super::store::Store;
use crate::sandbox::options::{Archived, OrttoOptions};
use crate::sandbox::ortto::merge_request::{FindStrategy, PERSON_ID, Row, Rules};

/// The number of the existing person that a row is merged into.
///
/// Source: `docs/ORTTO_API.md` 2.1.
pub(super) fn existing(store: &Store, row: &Row, rules: &Rules, now: Instant, options: &OrttoOptions) -> Option<u32> {
    let candidates = Candidates { store, now, options };
    let given: Vec<(&str, &Value)> = rules
        .merge_by
        .iter()
        .filter_map(|field| Some((field.as_str(), row.fields.get(field)?)))
        .filter(|(_, value)| !value.is_null() && *value != "")
        .collect();
    match rules.find_strategy {
        FindStrategy::Any => given.iter().find_map(|(field, value)| candidates.by(field, value).next()),
        FindStrategy::All => {
            let ((first, value), others) = given.split_first()?;
            candidates
                .by(first, value)
                .find(|number| others.iter().all(|(field, value)| candidates.is(*number, field, value)))
        }
        FindStrategy::NextIfEmpty => given.iter().find_map(|(field, value)| {
            let earlier = || rules.merge_by.iter().take_while(|other| other.as_str() != *field);
            candidates.by(field, value).find(|number| earlier().all(|field| candidates.lacks(*number, field)))
        }),
    }
}

struct Candidates<'a> {
    store: &'a Store,
    now: Instant,
    options: &'a OrttoOptions,
}

impl<'a> Candidates<'a> {
    /// The profile of a person that merges find.
    fn profile(&self, number: u32) -> Option<&'a Profile> {
        let person = self.store.people.get(number)?;
        let hidden = self.options.archived == Archived::Invisible;
        person.current().filter(|profile| person.found_from <= self.now && !(hidden && profile.archived))
    }

    /// Those with this value, the oldest first.
    fn by(&self, field: &'a str, value: &'a Value) -> impl Iterator<Item = u32> {
        let text = value.as_str().unwrap_or_default();
        let numbers: Vec<u32> = match field {
            "str::email" => self.store.people.with_email(text).to_vec(),
            PERSON_ID => self.store.people.find(text).into_iter().collect(),
            _ => self.store.people.iter().map(|(number, _)| number).collect(),
        };
        numbers.into_iter().filter(move |number| self.is(*number, field, value))
    }

    fn is(&self, number: u32, field: &str, value: &Value) -> bool {
        let Some(profile) = self.profile(number) else { return false };
        if field == PERSON_ID {
            return self.store.people.get(number).is_some_and(|person| *value == person.id);
        }
        let Some(held) = self.store.fields.find(field).and_then(|field| profile.get(field)) else { return false };
        if field == "str::email" && self.options.folds_email_case {
            let lower = |value: &Value| value.as_str().map(str::to_lowercase);
            return lower(held) == lower(value);
        }
        held == value
    }

    fn lacks(&self, number: u32, field: &str) -> bool {
        let field = self.store.fields.find(field);
        self.profile(number).is_some_and(|profile| field.is_none_or(|field| profile.get(field).is_none()))
    }
}
