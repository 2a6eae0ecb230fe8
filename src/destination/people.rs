//! One person at a destination: what it holds of them, off the marks, and gone.

use futures_util::future::BoxFuture;

use super::session::Session;
use crate::error::Result;
use crate::membership::MembershipTarget;

/// A person as an account holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactThere {
    /// The contact's id.
    pub id: String,
    /// The address as the account spells it.
    pub email: String,
    /// Whether the person has each of the marks that were asked about.
    pub marked: Vec<bool>,
    /// Whether the person opted out, where the account says so.
    pub opted_out: Option<bool>,
}

/// A person as they are looked for.
#[derive(Clone, Copy, Debug)]
pub struct PersonSought<'a> {
    pub email: &'a str,
    /// The contacts' ids that states have for them: an account that compares addresses with their case may not find the
    /// address as it is spelled here.
    pub ids: &'a [String],
}

/// What can be asked and done of one person.
pub trait People: Send + Sync {
    /// The contacts with this address, however the account spells it.
    ///
    /// # Errors
    /// Those of the session.
    fn look_up<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<ContactThere>>>;

    /// Takes the marks off the contacts with this address. Nobody is made by it. Gives the ids of the contacts that
    /// do not have the marks any longer.
    ///
    /// # Errors
    /// Those of the session; `unavailable`, where a mark stays.
    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<String>>>;

    /// Deletes the contacts with exactly this address, and gives their ids. Nothing but the command `erase` calls it
    /// (promise 11).
    ///
    /// # Errors
    /// Those of the session; `unavailable`, where a contact stays.
    fn delete<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
    ) -> BoxFuture<'s, Result<Vec<String>>>;
}
