//! What the account holds, and what is still to be applied.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Map;
use tokio::time::Instant;

use super::fields::{EMAIL_PERMISSION, Fields, SMS_PERMISSION};
use super::merge_row::QueuedMerge;
use super::people::{People, Person, Profile};
use super::tags::Tags;
use crate::sandbox::contents::{Contents, HeldContact, HeldList};
use crate::sandbox::options::OrttoOptions;

/// Fields that rules are about, by number.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownFields {
    pub(super) email: u16,
    pub(super) email_permission: u16,
    pub(super) sms_permission: u16,
}

/// People, tags, fields and the suppression list.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) fields: Fields,
    pub(super) known: KnownFields,
    pub(super) people: People,
    pub(super) tags: Tags,
    /// Emails in lower case.
    pub(super) suppressed: BTreeSet<String>,
    /// Asynchronous merges, with the moment at which each is applied.
    pub(super) queue: VecDeque<(Instant, QueuedMerge)>,
    pub(super) random: fastrand::Rng,
}

impl Store {
    pub(super) fn new(options: &OrttoOptions, seed: u64) -> Self {
        let fields = Fields::new(options);
        let number = |id| fields.find(id).unwrap_or(u16::MAX);
        let known = KnownFields {
            email: number("str::email"),
            email_permission: number(EMAIL_PERMISSION),
            sms_permission: number(SMS_PERMISSION),
        };
        Self {
            known,
            fields,
            people: People::default(),
            tags: Tags::default(),
            suppressed: BTreeSet::new(),
            queue: VecDeque::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Whether an address is on the suppression list.
    pub(super) fn is_suppressed(&self, email: &str) -> bool {
        self.suppressed.contains(&email.to_lowercase())
    }

    /// Whether a person may be sent email.
    pub(super) fn is_subscribed(&self, profile: &Profile) -> bool {
        profile.get(self.known.email_permission).and_then(serde_json::Value::as_bool) != Some(false)
    }

    /// Everything as merges see it.
    pub(super) fn contents(&self) -> Contents {
        let people = self.people.iter().filter_map(|(_, person)| self.held(person)).collect();
        let fields = self.fields.custom().map(|field| (field.name.clone(), field.field_type.name().to_owned()));
        Contents::new(people, self.held_tags(), fields.collect())
    }

    /// The tags with the number of people who have them, archived ones not counted.
    pub(super) fn held_tags(&self) -> Vec<HeldList> {
        let mut tags: Vec<HeldList> = (self.tags.all().iter())
            .map(|tag| HeldList { id: tag.id.to_string(), title: tag.name.clone(), members: 0 })
            .collect();
        for profile in self.people.iter().filter_map(|(_, person)| person.current()).filter(|held| !held.archived) {
            for id in &profile.tags {
                if let Some(tag) = (*id as usize).checked_sub(1).and_then(|at| tags.get_mut(at)) {
                    tag.members += 1;
                }
            }
        }
        tags
    }

    /// A copy of one person.
    pub(super) fn held(&self, person: &Person) -> Option<HeldContact> {
        let profile = person.current()?;
        let (mut fields, mut custom) = (Map::new(), Map::new());
        for (number, value) in profile.values() {
            if let Some(field) = self.fields.get(*number) {
                let (into, name) = if field.is_custom { (&mut custom, &field.name) } else { (&mut fields, &field.id) };
                into.insert(name.clone(), value.clone());
            }
        }
        Some(HeldContact {
            id: person.id.clone(),
            email: profile.get(self.known.email).and_then(|email| email.as_str()).map(str::to_owned),
            fields,
            custom,
            lists: profile.tags.iter().map(u32::to_string).collect(),
            unsubscribed: !self.is_subscribed(profile),
            archived: profile.archived,
        })
    }
}
