//! A copy of what an account holds, in words that fit every API: for tests, and as JSON.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};

/// Everything held at one moment. Costs a copy of every contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Contents {
    /// In the order in which they were created.
    pub contacts: Vec<HeldContact>,
    /// Autopilot's lists or Ortto's tags, in the order in which they were created.
    pub lists: Vec<HeldList>,
    /// Name and type of each custom field, in the order in which they were created.
    pub custom_fields: Vec<(String, String)>,
    #[serde(skip)]
    by_email: HashMap<String, usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HeldContact {
    /// The service's id.
    pub id: String,
    /// As last sent.
    pub email: Option<String>,
    /// Standard fields by the service's name, including the email.
    pub fields: Map<String, Value>,
    /// Custom fields by name.
    pub custom: Map<String, Value>,
    /// Ids of its lists or tags.
    pub lists: BTreeSet<String>,
    /// Whether it opted out of email.
    pub unsubscribed: bool,
    /// Whether it is archived (Ortto).
    pub archived: bool,
}

/// A list or tag as held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldList {
    /// The service's id.
    pub id: String,
    /// Title of the list, or name of the tag.
    pub title: String,
    /// How many contacts are on it.
    pub members: usize,
}

impl Contents {
    /// Everything held.
    pub(super) fn new(
        contacts: Vec<HeldContact>,
        lists: Vec<HeldList>,
        custom_fields: Vec<(String, String)>,
    ) -> Contents {
        let by_email = contacts
            .iter()
            .enumerate()
            .filter(|(_, contact)| !contact.archived)
            .filter_map(|(at, contact)| Some((contact.email.as_ref()?.to_lowercase(), at)))
            .collect();
        Self { contacts, lists, custom_fields, by_email }
    }

    /// The emails, in lower case, of the contacts on any list or tag of this name.
    pub fn members(&self, name: &str) -> BTreeSet<String> {
        let ids: Vec<&str> = self.lists.iter().filter(|list| list.title == name).map(|list| list.id.as_str()).collect();
        self.contacts
            .iter()
            .filter(|contact| !contact.archived && ids.iter().any(|id| contact.lists.contains(*id)))
            .filter_map(|contact| contact.email.as_deref())
            .map(str::to_lowercase)
            .collect()
    }

    /// The contact with this email, compared without case. Archived ones are not found.
    pub fn by_email(&self, email: &str) -> Option<&HeldContact> {
        self.contacts.get(*self.by_email.get(&email.to_lowercase())?)
    }
}
