//! What the sandbox holds: contacts and lists, in tables small enough for hundreds of thousands.
//!
//! Contacts keep their number for good; a deleted one leaves a gap, so that bookmarks stay good while others page.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::columns::{Columns, FieldType};
use super::options::{BulkLists, Options};
use super::row::{Row, is_email};

/// A contact as kept.
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

/// A list as kept.
#[derive(Debug)]
pub(super) struct List {
    pub(super) id: String,
    pub(super) title: String,
    /// Contact numbers.
    pub(super) members: BTreeSet<u32>,
}

/// Why a contact cannot be looked up or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Neither an email nor a contact's id.
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
    contacts: Vec<Option<Contact>>,
    alive: usize,
    by_id: HashMap<u128, u32>,
    by_email: HashMap<Box<str>, u32>,
    lists: Vec<List>,
    random: fastrand::Rng,
}

impl Store {
    /// The store that a sandbox starts with.
    pub(super) fn new(options: &Options) -> Self {
        let mut columns = Columns::default();
        for (name, kind) in &options.custom_fields {
            if let Some(kind) = FieldType::read(kind) {
                columns.custom(name, kind, true);
            }
        }
        let list = |(id, title): &(String, String)| List {
            id: id.clone(),
            title: title.clone(),
            members: BTreeSet::new(),
        };
        Self {
            columns,
            contacts: Vec::new(),
            alive: 0,
            by_id: HashMap::new(),
            by_email: HashMap::new(),
            lists: options.lists.iter().map(list).collect(),
            random: fastrand::Rng::with_seed(options.seed),
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

    fn contact_mut(&mut self, number: u32) -> Option<&mut Contact> {
        self.contacts.get_mut(number as usize)?.as_mut()
    }

    /// The number of a contact by `person_<UUID>` or email.
    pub(super) fn find(&self, id_or_email: &str) -> Result<u32, Refused> {
        let number = if let Some(id) = read_id(id_or_email) {
            self.by_id.get(&id)
        } else if is_email(id_or_email) {
            self.by_email.get(id_or_email.to_lowercase().as_str())
        } else {
            return Err(Refused::BadId);
        };
        number
            .copied()
            .filter(|number| self.contact(*number).is_some())
            .ok_or(Refused::NoContact)
    }

    /// The number of a contact that is or was there: bookmarks outlive their contacts.
    pub(super) fn bookmarked(&self, bookmark: &str) -> Option<u32> {
        self.by_id.get(&read_id(bookmark)?).copied()
    }

    /// All lists, in the order in which they were created.
    pub(super) fn lists(&self) -> &[List] {
        &self.lists
    }

    /// A list's number.
    pub(super) fn find_list(&self, id: &str) -> Result<u32, Refused> {
        let at = self
            .lists
            .iter()
            .position(|list| list.id == id)
            .ok_or(Refused::NoList)?;
        u32::try_from(at).map_err(|_| Refused::NoList)
    }

    /// A list by number.
    pub(super) fn list(&self, number: u32) -> Option<&List> {
        self.lists.get(number as usize)
    }

    /// Makes a list, whatever its title; its id.
    pub(super) fn create_list(&mut self, title: String) -> String {
        let id = format!("contactlist_{}", uuid(self.new_uuid()));
        self.lists.push(List {
            id: id.clone(),
            title,
            members: BTreeSet::new(),
        });
        id
    }

    /// Writes one row: the contact with its email, else a new one; its number.
    ///
    /// Fields sent overwrite, null clears, fields not sent stay.
    pub(super) fn upsert(
        &mut self,
        row: Row,
        lists: BulkLists,
        create_fields: bool,
        now_ms: i64,
    ) -> Result<u32, Refused> {
        let list = match (lists, row.list.as_deref()) {
            (BulkLists::Never, _) | (_, None) => None,
            (_, Some(id)) => Some(self.find_list(id)?),
        };
        let known = row
            .email
            .as_deref()
            .and_then(|email| self.by_email.get(email.to_lowercase().as_str()))
            .copied();
        let email = row.new_email.or(row.email);
        let key = email.as_deref().map(str::to_lowercase);
        if let Some(key) = &key
            && self
                .by_email
                .get(key.as_str())
                .is_some_and(|other| Some(*other) != known)
        {
            return Err(Refused::Taken);
        }
        let number = match known {
            Some(number) => number,
            None => self.create(now_ms),
        };
        if let Some(key) = key
            && self.by_email.get(key.as_str()) != Some(&number)
        {
            let old = self
                .contact(number)
                .and_then(|contact| contact.email.as_deref())
                .map(str::to_lowercase);
            if let Some(old) = old {
                self.by_email.remove(old.as_str());
            }
            self.by_email.insert(key.into(), number);
        }
        let Self {
            columns, contacts, ..
        } = self;
        if let Some(contact) = contacts.get_mut(number as usize).and_then(Option::as_mut) {
            contact.updated_ms = now_ms;
            if let Some(email) = email {
                contact.email = Some(email.into());
            }
            if let Some(flag) = row.unsubscribed {
                contact.unsubscribed = flag;
            }
            contact.values.reserve_exact(if known.is_none() {
                row.fields.len() + row.custom.len()
            } else {
                0
            });
            for (name, value) in row.fields {
                contact.put(columns.top(&name), value);
            }
            for (name, kind, value) in row.custom {
                if let Some(column) = columns.custom(&name, kind, create_fields) {
                    contact.put(column, value);
                }
            }
        }
        if let Some(list) = list
            && (lists == BulkLists::Always || known.is_none())
        {
            self.join(list, number);
        }
        Ok(number)
    }

    /// Puts a contact on a list; whether that changed anything.
    pub(super) fn join(&mut self, list: u32, contact: u32) -> bool {
        let added = self
            .lists
            .get_mut(list as usize)
            .is_some_and(|list| list.members.insert(contact));
        if added && let Some(contact) = self.contact_mut(contact) {
            contact.lists.push(list);
        }
        added
    }

    /// Takes a contact off a list; whether that changed anything.
    pub(super) fn leave(&mut self, list: u32, contact: u32) -> bool {
        let removed = self
            .lists
            .get_mut(list as usize)
            .is_some_and(|list| list.members.remove(&contact));
        if removed && let Some(contact) = self.contact_mut(contact) {
            contact.lists.retain(|held| *held != list);
        }
        removed
    }

    /// Marks a contact as opted out. It stays on its lists.
    pub(super) fn unsubscribe(&mut self, contact: u32) {
        if let Some(contact) = self.contact_mut(contact) {
            contact.unsubscribed = true;
        }
    }

    /// Deletes a contact everywhere.
    pub(super) fn delete(&mut self, number: u32) {
        let Some(contact) = self
            .contacts
            .get_mut(number as usize)
            .and_then(Option::take)
        else {
            return;
        };
        self.alive -= 1;
        if let Some(email) = &contact.email {
            self.by_email.remove(email.to_lowercase().as_str());
        }
        for list in contact.lists {
            if let Some(list) = self.lists.get_mut(list as usize) {
                list.members.remove(&number);
            }
        }
    }

    fn create(&mut self, now_ms: i64) -> u32 {
        let id = self.new_uuid();
        let number = u32::try_from(self.contacts.len()).unwrap_or(u32::MAX);
        self.contacts.push(Some(Contact {
            id,
            email: None,
            values: Vec::new(),
            lists: Vec::new(),
            unsubscribed: false,
            created_ms: now_ms,
            updated_ms: now_ms,
        }));
        self.alive += 1;
        self.by_id.insert(id, number);
        number
    }

    /// A version 4 UUID.
    pub(super) fn new_uuid(&mut self) -> u128 {
        self.random.u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
    }
}

impl Contact {
    fn put(&mut self, column: u32, value: Value) {
        let at = self.values.iter().position(|(held, _)| *held == column);
        match (at, value) {
            (Some(at), Value::Null) => {
                self.values.remove(at);
            }
            (None, Value::Null) => {}
            (Some(at), value) => {
                if let Some((_, held)) = self.values.get_mut(at) {
                    *held = value;
                }
            }
            (None, value) => self.values.push((column, value)),
        }
    }
}

/// `person_9EAF39E4-9AEC-4134-964A-D9D8D54162E7`
pub(super) fn contact_id(id: u128) -> String {
    format!("person_{}", uuid(id))
}

pub(super) fn uuid(id: u128) -> String {
    format!(
        "{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xffff,
        (id >> 48) & 0xffff,
        id & 0xffff_ffff_ffff
    )
}

fn read_id(text: &str) -> Option<u128> {
    let uuid = text
        .strip_prefix("person_")
        .filter(|uuid| uuid.len() == 36)?;
    let hex: String = uuid.chars().filter(|digit| *digit != '-').collect();
    if hex.len() != 32 {
        return None;
    }
    u128::from_str_radix(&hex, 16).ok()
}
