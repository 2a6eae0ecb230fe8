//! Valid rows, applied.

use serde_json::Value;
use tokio::time::Instant;

use super::super::change::Change;
use super::super::people::Profile;
use super::super::store::Store;
use super::find;
use crate::sandbox::options::{Archived, OrttoOptions};
use crate::sandbox::ortto::merge_request::{MergeStrategy, Rules};
use crate::sandbox::ortto::merge_row::ValidRow;

/// What became of an applied row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Created(String),
    Merged(String),
    /// Creating one more person would exceed the contact limit.
    OverLimit,
}

impl Store {
    /// Creates or merges the person that a row means.
    pub(super) fn apply(&mut self, valid: &ValidRow, rules: &Rules, now: Instant, options: &OrttoOptions) -> Applied {
        let existing = find::existing(self, &valid.row, rules, now, options);
        let created = match existing {
            Some(number) => {
                if rules.merge_strategy != MergeStrategy::Ignore {
                    self.update(number, valid, rules.merge_strategy, now, options);
                }
                None
            }
            None if options.contact_limit.is_some_and(|most| self.people.count() >= most) => {
                return Applied::OverLimit;
            }
            None => {
                let number = self.people.create(now, now + options.match_lag(), options.read_lag());
                self.update(number, valid, MergeStrategy::Overwrite, now, options);
                Some(number)
            }
        };
        let id = |number| self.people.get(number).map(|person| person.id.clone()).unwrap_or_default();
        match (created, existing) {
            (Some(number), _) => Applied::Created(id(number)),
            (None, number) => Applied::Merged(number.map(id).unwrap_or_default()),
        }
    }

    fn update(&mut self, number: u32, valid: &ValidRow, strategy: MergeStrategy, now: Instant, options: &OrttoOptions) {
        for (field, change) in &valid.changes {
            if let (Change::SetNewChoices(_, new), Some(field)) = (change, self.fields.get_mut(*field)) {
                field.choices.extend(new.iter().cloned());
            }
        }
        let set: Vec<u32> = valid.row.tags.iter().map(|tag| self.tags.find_or_create(tag, options)).collect();
        let unset: Vec<u32> = valid.row.unset_tags.iter().filter_map(|tag| self.tags.find(tag, options)).collect();
        let known = self.known;
        let is_multi = |field: u16| self.fields.get(field).is_some_and(|field| field.id.starts_with("sst:"));
        let overwrite = strategy == MergeStrategy::Overwrite;
        let is_new =
            self.people.get(number).and_then(|person| person.current()).is_none_or(|held| held.values().is_empty());
        self.people.change(number, now, options.read_lag(), known.email, |profile| {
            if is_new {
                // Source: docs/ORTTO_API.md 6, new people are subscribed to email, not to SMS.
                profile.set(known.email_permission, true.into());
                profile.set(known.sms_permission, false.into());
            } else if options.resubscribes_by_omission {
                profile.set(known.email_permission, true.into());
            }
            if overwrite {
                valid.cleared.iter().for_each(|field| profile.clear(*field));
            }
            for (field, change) in &valid.changes {
                change_value(profile, *field, change, overwrite, is_multi(*field));
            }
            retag(profile, &set, &unset, options.unset_wins);
            if options.archived == Archived::Restored {
                profile.archived = false;
            }
        });
    }
}

fn change_value(profile: &mut Profile, field: u16, change: &Change, overwrite: bool, is_multi: bool) {
    let held = profile.get(field).is_some();
    match change {
        Change::Nothing => {}
        Change::Clear if overwrite => profile.clear(field),
        Change::Clear => {}
        // Source: docs/ORTTO_API.md 2.1, choices are added to those that a multi-select field holds.
        Change::Set(value) | Change::SetNewChoices(value, _) if is_multi && held => {
            let mut choices = profile.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
            let new: Vec<Value> = value.as_array().cloned().unwrap_or_default();
            choices.extend(new.into_iter().filter(|choice| !choices.contains(choice)).collect::<Vec<_>>());
            profile.set(field, choices.into());
        }
        Change::Set(value) | Change::SetNewChoices(value, _) if overwrite || !held => profile.set(field, value.clone()),
        Change::Set(_) | Change::SetNewChoices(..) => {}
    }
}

/// Source: `docs/ORTTO_API.md` 5, the order of the two is undefined.
fn retag(profile: &mut Profile, set: &[u32], unset: &[u32], unset_wins: bool) {
    let remove = |profile: &mut Profile| unset.iter().for_each(|tag| _ = profile.tags.remove(tag));
    if !unset_wins {
        remove(profile);
    }
    profile.tags.extend(set);
    if unset_wins {
        remove(profile);
    }
}
