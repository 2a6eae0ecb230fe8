//! A copy of what the account holds.

use serde_json::Map;

use super::id;
use super::store::{Contact, Store};
use crate::sandbox::contents::{Contents, HeldContact, HeldList};

impl Store {
    pub(super) fn contents(&self) -> Contents {
        let contacts = self.contacts_from(0).map(|(_, contact)| self.held(contact)).collect();
        let fields = self.columns.customs().map(|(name, kind)| (name.to_owned(), kind.name().to_owned()));
        Contents::new(contacts, self.held_lists(), fields.collect())
    }

    /// The lists with their counts.
    pub(super) fn held_lists(&self) -> Vec<HeldList> {
        let held = self.lists().map(|list| HeldList {
            id: list.id.clone(),
            title: list.title.clone(),
            members: list.members.len(),
        });
        held.collect()
    }

    /// A copy of one contact.
    pub(super) fn held(&self, contact: &Contact) -> HeldContact {
        let mut fields = Map::new();
        let mut custom = Map::new();
        if let Some(email) = &contact.email {
            fields.insert("Email".to_owned(), (&**email).into());
        }
        for (column, value) in &contact.values {
            if let Some(column) = self.columns.get(*column) {
                let into = if column.custom.is_some() { &mut custom } else { &mut fields };
                into.insert(column.name.to_string(), value.clone());
            }
        }
        HeldContact {
            id: id::contact(contact.id),
            email: contact.email.as_deref().map(str::to_owned),
            fields,
            custom,
            lists: contact.lists.iter().filter_map(|list| self.list(*list)).map(|list| list.id.clone()).collect(),
            unsubscribed: contact.unsubscribed,
            archived: false,
        }
    }
}
