//! Emails of contacts that were sent without an answer. Whoever of them is gone from the next drop must leave, and the
//! contact id, which names others, is not known. They are personal data and so no part of the state: the folder of the
//! run that wrote the state holds them, until the contacts are confirmed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::ports::{PutMode, Store};
use crate::run::keys;
use crate::state::{Profile, ProfileKey, hex, unhex};

/// The emails by the profiles' keys.
#[derive(Default)]
pub(super) struct UnconfirmedEmails(HashMap<ProfileKey, String>);

/// A profile without a contact id, and its email where it is known.
pub(super) type Unconfirmed = (ProfileKey, Option<Box<str>>);

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    e: String,
}

impl UnconfirmedEmails {
    /// Those that a run left behind; none where they have expired.
    pub(super) async fn of(store: &impl Store, run_id: &str) -> Result<Self> {
        let key = keys::unconfirmed(run_id);
        let Some(object) = store.get(&key).await? else { return Ok(Self::default()) };
        let lines = String::from_utf8_lossy(&object.body).lines().map(read).collect::<Option<_>>();
        lines.map(Self).ok_or_else(|| Error::new(Kind::Bug, key, "are not emails"))
    }

    /// What names a profile at the destination: its contact id, else its email where that is known.
    pub(super) fn name<'a>(&'a self, profile: &'a Profile) -> Option<&'a str> {
        profile.contact_id.as_deref().or_else(|| self.0.get(&profile.key).map(String::as_str))
    }

    /// Keeps the emails of these profiles for the runs after this one: their own, else those that are here.
    pub(super) async fn keep(&self, store: &impl Store, run_id: &str, profiles: &[Unconfirmed]) -> Result<()> {
        if profiles.is_empty() {
            return Ok(());
        }
        let lines = profiles.iter().filter_map(|(key, own)| {
            let email = own.as_deref().or_else(|| self.0.get(key).map(String::as_str))?;
            Some(Line { k: hex(key), e: email.to_owned() })
        });
        let text: Result<String, _> = lines.map(|line| serde_json::to_string(&line).map(|line| line + "\n")).collect();
        let key = keys::unconfirmed(run_id);
        let text = text.map_err(|cause| Error::new(Kind::Bug, &key, "cannot be written").with_source(cause))?;
        store.put(&key, text.into(), PutMode::Overwrite).await?;
        Ok(())
    }
}

fn read(line: &str) -> Option<(ProfileKey, String)> {
    let Line { k, e } = serde_json::from_str(line).ok()?;
    Some((unhex(&k)?, e))
}
