//! A contact that gets another address and stays the contact that it is.

use std::collections::{HashMap, HashSet};

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::people::ContactThere;
use super::session::Session;
use crate::error::Result;
use crate::membership::MembershipTarget;
use crate::state::ProfileKey;

/// What an account says before an address changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The contact with the id; none where there is none.
    pub contact: Option<ContactThere>,
    /// The ids of the contacts that have the new address.
    pub holders: Vec<String>,
}

/// What an account answers to a new address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The contact has it.
    Done,
    /// It does not take it.
    Refused,
    /// Nothing that says what happened: look before it is tried again.
    Unclear,
}

/// How a contact gets another address. Nobody is made or deleted by it.
pub trait Addresses: Send + Sync {
    /// Looks who has each of these ids, and each of the new addresses that belong to them.
    ///
    /// # Errors
    /// Those of the session; `unavailable`, where the account does not say.
    fn look<'s>(
        &'s self,
        session: &'s mut dyn Session,
        asked: &'s [(&'s str, &'s str)],
    ) -> BoxFuture<'s, Result<Vec<Looked>>>;

    /// Looks among everybody for the contacts of these profiles, where the state's ids may be other contacts'; none where
    /// they are not.
    ///
    /// # Errors
    /// As [`Addresses::look`].
    fn seek<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        _profiles: &'s HashSet<ProfileKey>,
    ) -> BoxFuture<'s, Result<Option<HashMap<ProfileKey, ContactThere>>>> {
        Box::pin(async { Ok(None) })
    }

    /// Gives a contact another address, once.
    ///
    /// # Errors
    /// Those of the session.
    fn change<'s>(
        &'s self,
        session: &'s mut dyn Session,
        contact: &'s ContactThere,
        email: &'s str,
    ) -> BoxFuture<'s, Result<Attempt>>;

    /// Takes a contact off these marks; `setup` is the run's.
    ///
    /// # Errors
    /// Those of the session; `unavailable`, where it stays.
    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        setup: &'s Value,
        contact: &'s ContactThere,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<()>>;

    /// To whom the account sends nothing, as the setup says: halves of profiles' keys.
    ///
    /// # Errors
    /// Kind `bug`, where the setup is another destination's.
    fn withheld(&self, _setup: &Value) -> Result<HashSet<[u8; 16]>> {
        Ok(HashSet::new())
    }
}
