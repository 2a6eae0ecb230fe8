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

/// What can be asked and done of one person.
pub trait People: Send + Sync {
    /// The person with this address; none where there is none.
    ///
    /// # Errors
    /// Those of the session.
    fn look_up<'s>(
        &'s self,
        session: &'s mut dyn Session,
        email: &'s str,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Option<ContactThere>>>;

    /// Takes the marks off the person with this address, and off the contact whose id the state has for them. Nobody is
    /// made by it.
    ///
    /// # Errors
    /// Those of the session; `unavailable`, where a mark stays.
    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        email: &'s str,
        contact_id: Option<&'s str>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<()>>;

    /// Deletes the contact with exactly this address. Gives whether there was one. Nothing but the command `erase` calls it
    /// (promise 11).
    ///
    /// # Errors
    /// Those of the session; `unavailable`, where the contact stays.
    fn delete<'s>(&'s self, session: &'s mut dyn Session, email: &'s str) -> BoxFuture<'s, Result<bool>>;
}
