//! Emails of contacts that were sent without an answer. Whoever of them is gone from the next drop must leave, and
//! Autopilot's id of the contact, by which others are named, is not known.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::documents::read_json;
use crate::error::{Error, Kind, Result};
use crate::ports::{PutMode, Store};
use crate::run::{AppliedDrop, keys};
use crate::state::{ContactId, Member, ProfileKey, hex, unhex};

/// The emails by the profiles' keys.
#[derive(Default)]
pub(super) struct UnconfirmedEmails(HashMap<ProfileKey, String>);

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    e: String,
}

impl UnconfirmedEmails {
    /// Those that the last run of this segment left behind.
    pub(super) async fn of(store: &impl Store, export: &str, segment: &str) -> Result<Self> {
        match read_json::<AppliedDrop>(store, &keys::order(export, segment)).await? {
            Some(order) => Self::read(store, order.unconfirmed.as_deref()).await,
            None => Ok(Self::default()),
        }
    }

    /// Those that were kept under this key; none where they have expired.
    pub(super) async fn read(store: &impl Store, key: Option<&str>) -> Result<Self> {
        let Some(key) = key else { return Ok(Self::default()) };
        let Some(object) = store.get(key).await? else { return Ok(Self::default()) };
        let lines = String::from_utf8_lossy(&object.body).lines().map(read).collect::<Option<_>>();
        lines.map(Self).ok_or_else(|| Error::new(Kind::Bug, "prepare", key, "does not hold emails"))
    }

    /// Names a member whose contact is not known by its email, where that is kept.
    pub(super) fn name(&self, mut member: Member) -> Member {
        if let Some(email) = self.0.get(&member.key).filter(|_| member.contact_id.is_unknown()) {
            member.contact_id = ContactId::from(email.as_str());
        }
        member
    }

    /// Keeps the emails of these members, their own or else as they were kept before; says where.
    pub(super) async fn keep(
        &self,
        store: &impl Store,
        key: String,
        members: &[(ProfileKey, Option<String>)],
    ) -> Result<Option<String>> {
        if members.is_empty() {
            return Ok(None);
        }
        let email = |key, own: &Option<String>| own.as_ref().or_else(|| self.0.get(key)).cloned();
        let lines = members.iter().filter_map(|(key, own)| Some(Line { k: hex(key), e: email(key, own)? }));
        let text: Result<String, _> = lines.map(|line| serde_json::to_string(&line).map(|line| line + "\n")).collect();
        let text =
            text.map_err(|cause| Error::new(Kind::Bug, "finish", &key, "cannot be written").with_source(cause))?;
        store.put(&key, text.into(), PutMode::Overwrite).await?;
        Ok(Some(key))
    }
}

fn read(line: &str) -> Option<(ProfileKey, String)> {
    let Line { k, e } = serde_json::from_str(line).ok()?;
    Some((unhex(&k)?, e))
}
