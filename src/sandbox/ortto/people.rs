//! The people of the account, and what of them can be read yet.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// What is known of a person at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Profile {
    /// Field numbers and values, in the order in which they first came.
    values: Vec<(u16, Value)>,
    /// Tag ids.
    pub(super) tags: BTreeSet<u32>,
    pub(super) archived: bool,
}

impl Profile {
    pub(super) fn get(&self, field: u16) -> Option<&Value> {
        self.values.iter().find(|(held, _)| *held == field).map(|(_, value)| value)
    }

    pub(super) fn set(&mut self, field: u16, value: Value) {
        match self.values.iter_mut().find(|(held, _)| *held == field) {
            Some((_, held)) => *held = value,
            None => self.values.push((field, value)),
        }
    }

    pub(super) fn clear(&mut self, field: u16) {
        self.values.retain(|(held, _)| *held != field);
    }

    pub(super) fn values(&self) -> &[(u16, Value)] {
        &self.values
    }
}

#[derive(Debug)]
pub(super) struct Person {
    /// 24 hexadecimal digits.
    pub(super) id: String,
    /// When merges find it.
    pub(super) found_from: Instant,
    /// The newest last, each with the moment from which it can be read.
    versions: Vec<(Instant, Profile)>,
}

impl Person {
    /// What merges see.
    pub(super) fn current(&self) -> Option<&Profile> {
        self.versions.last().map(|(_, profile)| profile)
    }

    /// What the reading endpoints show.
    pub(super) fn visible(&self, now: Instant) -> Option<&Profile> {
        self.versions.iter().rev().find(|(from, _)| *from <= now).map(|(_, profile)| profile)
    }

    fn change(&mut self, now: Instant, lag: Duration, change: impl FnOnce(&mut Profile)) {
        if let Some(visible) = self.versions.iter().rposition(|(from, _)| *from <= now) {
            self.versions.drain(..visible);
        }
        let mut profile = self.current().cloned().unwrap_or_default();
        change(&mut profile);
        if lag.is_zero() {
            self.versions.clear();
        }
        self.versions.push((now + lag, profile));
    }
}

/// All people. One keeps its number; a deleted one leaves a gap.
#[derive(Debug, Default)]
pub(super) struct People {
    all: Vec<Option<Person>>,
    by_id: HashMap<String, u32>,
    /// By email in lower case, the oldest first.
    by_email: HashMap<String, Vec<u32>>,
    alive: usize,
}

/// The first part of every id: a moment in 2025, so that a seed repeats the ids.
const ID_PREFIX: &str = "0069100000";

impl People {
    pub(super) fn get(&self, number: u32) -> Option<&Person> {
        self.all.get(number as usize)?.as_ref()
    }

    /// Everyone, archived ones too, in the order in which they were created.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Person)> {
        (0..).zip(&self.all).filter_map(|(number, person)| Some((number, person.as_ref()?)))
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// Those with this email, compared without case, the oldest first.
    pub(super) fn with_email(&self, email: &str) -> &[u32] {
        self.by_email.get(&email.to_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many are not archived.
    pub(super) fn count(&self) -> usize {
        self.alive
    }

    /// Creates a person without values.
    pub(super) fn create(&mut self, now: Instant, found_from: Instant, lag: Duration) -> u32 {
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let id = format!("{ID_PREFIX}5c{:08x}be00", u64::from(number) + 0x94_0000);
        self.by_id.insert(id.clone(), number);
        self.all.push(Some(Person { id, found_from, versions: vec![(now + lag, Profile::default())] }));
        self.alive += 1;
        number
    }

    /// Changes a person; `email` is the number of the email field.
    pub(super) fn change(
        &mut self,
        number: u32,
        now: Instant,
        lag: Duration,
        email: u16,
        change: impl FnOnce(&mut Profile),
    ) {
        let Some(person) = self.all.get_mut(number as usize).and_then(Option::as_mut) else { return };
        let key = |profile: Option<&Profile>| Some(profile?.get(email)?.as_str()?.to_lowercase());
        let is_archived = |person: &Person| person.current().is_some_and(|profile| profile.archived);
        let (old, was_archived) = (key(person.current()), is_archived(person));
        person.change(now, lag, change);
        let (new, archived) = (key(person.current()), is_archived(person));
        self.alive = self.alive + usize::from(was_archived) - usize::from(archived);
        if old != new {
            self.unindex(number, old);
            if let Some(new) = new {
                self.by_email.entry(new).or_default().push(number);
            }
        }
    }

    /// Deletes a person for good.
    pub(super) fn delete(&mut self, number: u32, email: u16) {
        let Some(person) = self.all.get_mut(number as usize).and_then(Option::take) else { return };
        let profile = person.current();
        self.alive -= usize::from(profile.is_some_and(|profile| !profile.archived));
        self.by_id.remove(&person.id);
        let key = profile.and_then(|profile| Some(profile.get(email)?.as_str()?.to_lowercase()));
        self.unindex(number, key);
    }

    fn unindex(&mut self, number: u32, email: Option<String>) {
        if let Some(people) = email.and_then(|email| self.by_email.get_mut(&email)) {
            people.retain(|held| *held != number);
        }
    }
}
