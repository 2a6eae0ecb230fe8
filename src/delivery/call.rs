//! What can be asked of Autopilot, and what can come back.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Contacts in one bulk call, at most: above that the whole call is refused with 400.
/// Source: Autopilot's developer blog on bulk adding, 2015; its Ruby and PHP clients.
pub const BATCH_ROWS: usize = 100;
/// Bytes in one bulk call, at most. No limit is known of Autopilot; this one keeps a call's memory small.
pub const BATCH_BYTES: usize = 1_000_000;

/// One request to Autopilot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Who the key belongs to.
    Account,
    /// All lists.
    Lists,
    /// Makes a list.
    CreateList {
        /// Its title.
        title: String,
    },
    /// All custom fields that the account declares.
    CustomFields,
    /// One contact, by id or email.
    Contact {
        /// Its id or email.
        contact: String,
    },
    /// Whether a contact is on a list.
    Member {
        /// The list's id.
        list: String,
        /// The contact's id or email.
        contact: String,
    },
    /// Creates or updates up to [`BATCH_ROWS`] contacts.
    UpsertMany {
        /// The request's JSON.
        body: Bytes,
        /// How many contacts it carries.
        rows: usize,
    },
    /// Creates or updates one contact.
    UpsertOne {
        /// The request's JSON.
        body: Bytes,
    },
    /// Puts a contact on a list.
    AddMember {
        /// The list's id.
        list: String,
        /// The contact's id or email.
        contact: String,
    },
    /// Takes a contact off a list.
    RemoveMember {
        /// The list's id.
        list: String,
        /// The contact's id or email.
        contact: String,
    },
}

/// What a request counts as in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// A bulk call.
    Bulk,
    /// A call for one contact.
    Single,
    /// A call about a list or its members.
    List,
    /// Account and custom fields.
    Other,
}

impl Call {
    /// What the request counts as.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::UpsertMany { .. } => RequestKind::Bulk,
            Self::UpsertOne { .. } | Self::Contact { .. } => RequestKind::Single,
            Self::Lists
            | Self::CreateList { .. }
            | Self::Member { .. }
            | Self::AddMember { .. }
            | Self::RemoveMember { .. } => RequestKind::List,
            Self::Account | Self::CustomFields => RequestKind::Other,
        }
    }

    /// Whether a 403 is about the account (and ends the run), not about one row.
    pub fn speaks_for_the_account(&self) -> bool {
        matches!(
            self,
            Self::Account | Self::Lists | Self::CreateList { .. } | Self::CustomFields | Self::UpsertMany { .. }
        )
    }
}

/// A list of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its id.
    pub id: String,
    /// Its title; several lists may share one.
    pub title: String,
}

/// A custom field that the account declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    /// Its name.
    pub name: String,
    /// Its type: `string`, `integer`, `float`, `boolean`, `date`, as the account spells it.
    pub kind: String,
}

/// What a successful request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The account's id.
    Account(String),
    /// All lists.
    Lists(Vec<List>),
    /// The id of the list that was made.
    List(String),
    /// All custom fields.
    CustomFields(Vec<CustomField>),
    /// A contact.
    Contact {
        /// Its id.
        id: String,
        /// Its email, where it has one.
        email: Option<String>,
        /// The ids of the lists it is on, where the answer names them.
        lists: Option<Vec<String>>,
    },
    /// Which rows of a bulk call arrived: contact ids by lower-case email; where the answer has no map, the ids alone.
    Upserted {
        /// Ids by email, lower case.
        map: Option<HashMap<String, String>>,
        /// Ids as they came.
        ids: Vec<String>,
    },
    /// The id of the contact that was written.
    Written(String),
    /// Done, and nothing more to say.
    Nothing,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Done.
    Done(Payload),
    /// There is no such contact, list or member (404).
    NotFound,
    /// A list or hook of that name exists (409).
    Conflict,
    /// Refused for what it asks; asking again will not help. The text is Autopilot's, and may hold personal data.
    Refused(String),
    /// The key is not, or no longer, valid (401), or the account may not do this (403).
    Unauthorized,
    /// Too many requests; the wait, where the answer names one.
    RateLimited(Option<Duration>),
    /// No answer that says what happened: 408, 5xx, cut connection, stall, unreadable. What it was, in a few words.
    Failed(&'static str),
}

/// How many requests were made, by what they count as.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// All.
    pub total: u64,
    /// Bulk calls.
    pub bulk: u64,
    /// Calls for one contact.
    pub single: u64,
    /// Calls about lists and their members.
    pub list: u64,
    /// Requests made again after an answer that was unclear or said to wait.
    pub retried: u64,
    /// Answers that said to wait.
    pub throttled: u64,
    /// The most requests that left in one second of the clock.
    pub peak_per_second: f64,
}

impl Requests {
    /// Counts one request.
    pub fn count(&mut self, counted: RequestKind) {
        self.total += 1;
        match counted {
            RequestKind::Bulk => self.bulk += 1,
            RequestKind::Single => self.single += 1,
            RequestKind::List => self.list += 1,
            RequestKind::Other => {}
        }
    }

    /// Adds the counts of another part of the run; the peak is not a sum and stays.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.bulk += other.bulk;
        self.single += other.single;
        self.list += other.list;
        self.retried += other.retried;
        self.throttled += other.throttled;
    }
}
