//! Who has a mark, as an account tells it.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::session::Session;
use crate::error::Result;
use crate::membership::MembershipTarget;

/// A person as the account holds them, as far as membership and consent go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonThere {
    /// The contact's id.
    pub id: String,
    /// The address; empty where there is none.
    pub email: String,
    /// Whether they have the mark that was asked for.
    pub is_member: bool,
    /// Whether they opted out of email.
    pub is_opted_out: bool,
    /// Whether mail to them bounced for good.
    pub has_bounced: bool,
}

/// A page of people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Those with the mark, and perhaps others.
    pub people: Vec<PersonThere>,
    /// What to ask the next page with; none after the last.
    pub next: Option<Value>,
    /// How many pages there are in all, where the account says.
    pub pages: Option<u64>,
}

/// How a destination tells who has a mark.
pub trait Census: Send + Sync {
    /// How many people [`Census::people`] finds with a request each, or together.
    fn people_at_once(&self) -> usize;

    /// Whether the contact's id that the state has of a person is that person's for certain. Where it is not, all people can be
    /// paged, with no mark.
    fn proves_ids(&self) -> bool {
        true
    }

    /// A page of the people with a mark, the first where `from` is none.
    ///
    /// # Errors
    /// Those of the session; kind `config`, where the mark is no longer there.
    fn page<'s>(
        &'s self,
        session: &'s mut dyn Session,
        target: &'s MembershipTarget,
        from: Option<&'s Value>,
    ) -> BoxFuture<'s, Result<Page>>;

    /// The people behind contacts' ids, in their order; none for a contact that is not there any more.
    ///
    /// # Errors
    /// As [`Census::page`].
    fn people<'s>(
        &'s self,
        session: &'s mut dyn Session,
        target: &'s MembershipTarget,
        ids: &'s [String],
    ) -> BoxFuture<'s, Result<Vec<Option<PersonThere>>>>;
}
