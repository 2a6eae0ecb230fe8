//! Emails of contacts that were sent without an answer. Those who are gone from the next drop must leave, and their
//! contact ids are not known, or may be those of contacts that are gone. They are personal data and so
//! no part of the state: an object of their own holds them until the contacts are confirmed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::chunk::LeaverName;
use crate::error::{Error, Kind, Result};
use crate::ports::{PutMode, Store};
use crate::run::keys;
use crate::state::{Profile, ProfileKey, hex, unhex};

/// The emails by the profiles' keys.
#[derive(Default)]
pub(super) struct UnconfirmedEmails(HashMap<ProfileKey, Box<str>>);

/// A profile of which something was sent without an answer, and its email where a row of this run had it.
pub(super) type Unconfirmed = (ProfileKey, Option<Box<str>>);

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    e: Box<str>,
}

impl UnconfirmedEmails {
    /// Those that the runs of an export left behind; none where they have expired.
    pub(super) async fn of(store: &impl Store, export: &str) -> Result<Self> {
        let key = keys::unconfirmed(export);
        let Some(object) = store.get(&key).await? else { return Ok(Self::default()) };
        let lines = String::from_utf8_lossy(&object.body).lines().map(read).collect::<Option<_>>();
        lines.map(Self).ok_or_else(|| {
            Error::new(Kind::Config, key, "is damaged").hint(
                "restore an older version of it, or remove it: those of its people who have left the segment since must then \
                 be taken off by hand",
            )
        })
    }

    /// What names a profile at the destination: its contact id, else its email where that is known; both, where a contact
    /// may have been made anew without an answer.
    pub(super) fn name<'a>(&'a self, profile: &'a Profile) -> Option<LeaverName<'a>> {
        let email = self.0.get(&profile.key).map(|email| &**email);
        match profile.contact_id.as_deref() {
            Some(contact) => Some(LeaverName { contact, email }),
            None => email.map(|contact| LeaverName { contact, email: None }),
        }
    }

    /// The emails of these profiles: their own, else those that are here.
    pub(super) fn of_profiles(&self, profiles: Vec<Unconfirmed>) -> Self {
        let email = |(key, own): Unconfirmed| Some((key, own.or_else(|| self.0.get(&key).cloned())?));
        Self(profiles.into_iter().filter_map(email).collect())
    }

    /// Writes the emails for the runs to come; before the state, which relies on them.
    pub(super) async fn write(&self, store: &impl Store, export: &str) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let lines = self.0.iter().map(|(key, email)| Line { k: hex(key), e: email.clone() });
        let text: Result<String, _> = lines.map(|line| serde_json::to_string(&line).map(|line| line + "\n")).collect();
        let key = keys::unconfirmed(export);
        let text = text.map_err(|cause| Error::new(Kind::Bug, &key, "cannot be written").with_source(cause))?;
        store.put(&key, text.into(), PutMode::Overwrite).await?;
        Ok(())
    }

    /// Deletes the emails where the state, once written, no longer needs any.
    pub(super) async fn clear(&self, store: &impl Store, export: &str, needed: &Self) -> Result<()> {
        if self.0.is_empty() || !needed.0.is_empty() {
            return Ok(());
        }
        store.delete(&keys::unconfirmed(export)).await
    }
}

fn read(line: &str) -> Option<(ProfileKey, Box<str>)> {
    let Line { k, e } = serde_json::from_str(line).ok()?;
    Some((unhex(&k)?, e))
}
