//! Contacts and lists, in tables small enough for hundreds of thousands.
//!
//! A contact keeps its number; a deleted one leaves a gap, so that bookmarks stay valid while others page.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::columns::{Columns, FieldType};
use super::id;
use super::row::is_email;
use crate::sandbox::options::AutopilotOptions;

/// A stored contact.
#[derive(Debug)]
pub(super) struct Contact {
    pub(super) id: u128,
    pub(super) email: Option<Box<str>>,
    /// Field numbers and values, in the order in which they first came.
    pub(super) values: Vec<(u32, Value)>,
    /// List numbers.
    pub(super) lists: Vec<u32>,
    pub(super) unsubscribed: bool,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
}

/// A stored list.
#[derive(Debug)]
pub(super) struct List {
    pub(super) id: String,
    pub(super) title: String,
    /// Contact numbers.
    pub(super) members: BTreeSet<u32>,
}

/// Why a contact cannot be found or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreError {
    /// Neither an email nor a contact id.
    BadId,
    NoContact,
    NoList,
    /// Another contact has the new address.
    Taken,
}

/// Contacts, lists and fields.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) columns: Columns,
    pub(super) contacts: Vec<Option<Contact>>,
    pub(super) alive: usize,
    pub(super) by_id: HashMap<u128, u32>,
    pub(super) by_email: HashMap<Box<str>, u32>,
    pub(super) lists: Vec<List>,
    pub(super) random: fastrand::Rng,
}

impl Store {
    /// The store that an account starts with.
    pub(super) fn new(options: &AutopilotOptions, seed: u64) -> Self {
        let mut columns = Columns::default();
        for (name, kind) in &options.custom_fields {
            if let Some(kind) = FieldType::read(kind) {
                columns.custom(name, kind, true);
            }
        }
        let list =
            |(id, title): &(String, String)| List { id: id.clone(), title: title.clone(), members: BTreeSet::new() };
        Self {
            columns,
            contacts: Vec::new(),
            alive: 0,
            by_id: HashMap::new(),
            by_email: HashMap::new(),
            lists: options.lists.iter().map(list).collect(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// How many contacts there are.
    pub(super) fn count(&self) -> usize {
        self.alive
    }

    /// The contacts after a number, in the order in which they were created.
    pub(super) fn contacts_from(&self, first: u32) -> impl Iterator<Item = (u32, &Contact)> {
        (first..)
            .zip(self.contacts.get(first as usize..).unwrap_or_default())
            .filter_map(|(n, c)| Some((n, c.as_ref()?)))
    }

    /// A contact by number.
    pub(super) fn contact(&self, number: u32) -> Option<&Contact> {
        self.contacts.get(number as usize)?.as_ref()
    }

    pub(super) fn contact_mut(&mut self, number: u32) -> Option<&mut Contact> {
        self.contacts.get_mut(number as usize)?.as_mut()
    }

    /// The number of a contact by `person_<UUID>` or email.
    pub(super) fn find(&self, id_or_email: &str) -> Result<u32, StoreError> {
        let number = if let Some(id) = id::read_contact(id_or_email) {
            self.by_id.get(&id)
        } else if is_email(id_or_email) {
            self.by_email.get(id_or_email.to_lowercase().as_str())
        } else {
            return Err(StoreError::BadId);
        };
        number.copied().filter(|number| self.contact(*number).is_some()).ok_or(StoreError::NoContact)
    }

    /// The number of a contact that exists or existed: a bookmark outlives its contact.
    pub(super) fn bookmarked(&self, bookmark: &str) -> Option<u32> {
        self.by_id.get(&id::read_contact(bookmark)?).copied()
    }

    /// All lists, in the order in which they were created. A deleted one leaves a gap, without an id.
    pub(super) fn lists(&self) -> impl Iterator<Item = &List> {
        self.lists.iter().filter(|list| !list.id.is_empty())
    }

    /// A list's number.
    pub(super) fn find_list(&self, id: &str) -> Result<u32, StoreError> {
        let at = self.lists.iter().position(|list| list.id == id && !id.is_empty()).ok_or(StoreError::NoList)?;
        u32::try_from(at).map_err(|_| StoreError::NoList)
    }

    /// A list by number.
    pub(super) fn list(&self, number: u32) -> Option<&List> {
        self.lists.get(number as usize)
    }
}
