//! A copy of what the sandbox holds, for tests to look at.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};

use super::id;
use super::store::{Contact, Store};

/// Everything held at one moment. Costs a copy of every contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Contents {
    /// In the order in which they were created.
    pub contacts: Vec<HeldContact>,
    /// In the order in which they were created.
    pub lists: Vec<HeldList>,
    /// Name and type of each custom field, in the order in which they came into being.
    pub custom_fields: Vec<(String, String)>,
    #[serde(skip)]
    by_email: HashMap<String, usize>,
}

/// A contact as held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldContact {
    /// `person_<UUID>`.
    pub id: String,
    /// As last sent.
    pub email: Option<String>,
    /// Top-level fields by name, as last sent, `Email` among them.
    pub fields: Map<String, Value>,
    /// Custom fields by name, as last sent.
    pub custom: Map<String, Value>,
    /// Ids of its lists.
    pub lists: BTreeSet<String>,
    /// Whether it opted out.
    pub unsubscribed: bool,
}

/// A list as held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldList {
    /// `contactlist_...`.
    pub id: String,
    /// Its title; not unique.
    pub title: String,
    /// How many contacts are on it.
    pub members: usize,
}

impl Contents {
    /// The emails, in lower case, of the contacts on any list of this title.
    pub fn members(&self, title: &str) -> BTreeSet<String> {
        let ids: Vec<&str> =
            self.lists.iter().filter(|list| list.title == title).map(|list| list.id.as_str()).collect();
        self.contacts
            .iter()
            .filter(|contact| ids.iter().any(|id| contact.lists.contains(*id)))
            .filter_map(|contact| contact.email.as_deref())
            .map(str::to_lowercase)
            .collect()
    }

    /// The contact with this email, compared without case.
    pub fn by_email(&self, email: &str) -> Option<&HeldContact> {
        self.contacts.get(*self.by_email.get(&email.to_lowercase())?)
    }

    pub(super) fn of(store: &Store) -> Self {
        let contacts: Vec<HeldContact> = store.contacts_from(0).map(|(_, contact)| held(store, contact)).collect();
        let by_email = contacts.iter().enumerate().filter_map(|(at, c)| Some((c.email.as_ref()?.to_lowercase(), at)));
        Self {
            by_email: by_email.collect(),
            contacts,
            lists: lists(store),
            custom_fields: store
                .columns
                .customs()
                .map(|(name, kind)| (name.to_owned(), kind.name().to_owned()))
                .collect(),
        }
    }
}

/// The lists with their counts.
pub(super) fn lists(store: &Store) -> Vec<HeldList> {
    let held = store.lists().iter().map(|list| HeldList {
        id: list.id.clone(),
        title: list.title.clone(),
        members: list.members.len(),
    });
    held.collect()
}

/// A copy of one contact.
pub(super) fn held(store: &Store, contact: &Contact) -> HeldContact {
    let mut fields = Map::new();
    let mut custom = Map::new();
    if let Some(email) = &contact.email {
        fields.insert("Email".to_owned(), (&**email).into());
    }
    for (column, value) in &contact.values {
        if let Some(column) = store.columns.get(*column) {
            let into = if column.custom.is_some() { &mut custom } else { &mut fields };
            into.insert(column.name.to_string(), value.clone());
        }
    }
    HeldContact {
        id: id::contact(contact.id),
        email: contact.email.as_deref().map(str::to_owned),
        fields,
        custom,
        lists: contact.lists.iter().filter_map(|list| store.list(*list)).map(|list| list.id.clone()).collect(),
        unsubscribed: contact.unsubscribed,
    }
}
