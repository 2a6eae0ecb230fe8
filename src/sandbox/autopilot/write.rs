//! Writes: upserts, list membership, opt-outs, deletion.

use std::collections::BTreeSet;

use serde_json::Value;

use super::id;
use super::row::Row;
use super::store::{Contact, List, Store, StoreError};
use crate::sandbox::options::BulkLists;

impl Store {
    /// Creates a list, whatever its title, and returns its id.
    pub(super) fn create_list(&mut self, title: String) -> String {
        let id = format!("contactlist_{}", id::uuid(self.new_uuid()));
        self.lists.push(List { id: id.clone(), title, members: BTreeSet::new() });
        id
    }

    /// Writes one row to the contact with its email, else to a new one, and returns its number.
    ///
    /// Fields sent overwrite, null clears, fields not sent stay.
    pub(super) fn upsert(
        &mut self,
        row: Row,
        lists: BulkLists,
        create_fields: bool,
        now_ms: i64,
    ) -> Result<u32, StoreError> {
        let list = match (lists, row.list.as_deref()) {
            (BulkLists::Never, _) | (_, None) => None,
            (_, Some(id)) => Some(self.find_list(id)?),
        };
        let known = row.email.as_deref().and_then(|email| self.by_email.get(email.to_lowercase().as_str())).copied();
        let email = row.new_email.or(row.email);
        let key = email.as_deref().map(str::to_lowercase);
        if let Some(key) = &key
            && self.by_email.get(key.as_str()).is_some_and(|other| Some(*other) != known)
        {
            return Err(StoreError::Taken);
        }
        let number = match known {
            Some(number) => number,
            None => self.create(now_ms),
        };
        if let Some(key) = key {
            self.index_email(number, key);
        }
        let Self { columns, contacts, .. } = self;
        if let Some(contact) = contacts.get_mut(number as usize).and_then(Option::as_mut) {
            contact.updated_ms = now_ms;
            if let Some(email) = email {
                contact.email = Some(email.into());
            }
            if let Some(flag) = row.unsubscribed {
                contact.unsubscribed = flag;
            }
            if known.is_none() {
                contact.values.reserve_exact(row.fields.len() + row.custom.len());
            }
            for (name, value) in row.fields {
                contact.set(columns.top(&name), value);
            }
            for (name, kind, value) in row.custom {
                if let Some(column) = columns.custom(&name, kind, create_fields) {
                    contact.set(column, value);
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

    /// Finds the contact by this email (lower case) from now on, and no longer by its old one.
    fn index_email(&mut self, number: u32, key: String) {
        if self.by_email.get(key.as_str()) == Some(&number) {
            return;
        }
        let old = self.contact(number).and_then(|contact| contact.email.as_deref());
        if let Some(old) = old.map(str::to_lowercase) {
            self.by_email.remove(old.as_str());
        }
        self.by_email.insert(key.into(), number);
    }

    /// Adds a contact to a list and returns whether that changed anything.
    pub(super) fn join(&mut self, list: u32, contact: u32) -> bool {
        let added = self.lists.get_mut(list as usize).is_some_and(|list| list.members.insert(contact));
        if added && let Some(contact) = self.contact_mut(contact) {
            contact.lists.push(list);
        }
        added
    }

    /// Removes a contact from a list and returns whether that changed anything.
    pub(super) fn leave(&mut self, list: u32, contact: u32) -> bool {
        let removed = self.lists.get_mut(list as usize).is_some_and(|list| list.members.remove(&contact));
        if removed && let Some(contact) = self.contact_mut(contact) {
            contact.lists.retain(|held| *held != list);
        }
        removed
    }

    /// Deletes a list; its contacts stay.
    pub(super) fn delete_list(&mut self, number: u32) {
        if let Some(list) = self.lists.get_mut(number as usize) {
            *list = List { id: String::new(), title: String::new(), members: BTreeSet::new() };
        }
        self.contacts.iter_mut().flatten().for_each(|contact| contact.lists.retain(|held| *held != number));
    }

    /// Marks a contact as opted out. It stays on its lists.
    pub(super) fn unsubscribe(&mut self, contact: u32) {
        if let Some(contact) = self.contact_mut(contact) {
            contact.unsubscribed = true;
        }
    }

    /// Deletes a contact everywhere.
    pub(super) fn delete(&mut self, number: u32) {
        let Some(contact) = self.contacts.get_mut(number as usize).and_then(Option::take) else {
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
        id::random(&mut self.random)
    }
}

impl Contact {
    fn set(&mut self, column: u32, value: Value) {
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
