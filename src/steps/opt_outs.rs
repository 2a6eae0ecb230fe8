//! Who opted out in an account, as it was last looked at: keyed digests, with the contacts' ids.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ports::Store;
use crate::run::keys;
use crate::state::{ProfileKey, half, hex, unhex};
use crate::steps::documents::{read_json, write_json};

/// One person who opted out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OptOut {
    /// When that was first seen.
    pub(super) since: Timestamp,
    /// The contact's id.
    pub(super) contact: String,
}

/// Those of one connection's account, by half the profile's key in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OptOuts(BTreeMap<String, OptOut>);

impl OptOuts {
    pub(super) async fn of(store: &impl Store, connection: &str) -> Result<Self> {
        Ok(read_json(store, &keys::opted_out(connection)).await?.unwrap_or_default())
    }

    pub(super) async fn write(&self, store: &impl Store, connection: &str) -> Result<()> {
        write_json(store, &keys::opted_out(connection), self).await.map(drop)
    }

    /// Records what a person says now; returns since when they have been opted out.
    pub(super) fn note(
        &mut self,
        key: &ProfileKey,
        is_opted_out: bool,
        contact: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let key = hex(&half(key));
        if !is_opted_out {
            self.0.remove(&key);
            return None;
        }
        let opt_out = self.0.entry(key).or_insert_with(|| OptOut { since: now, contact: String::new() });
        contact.clone_into(&mut opt_out.contact);
        Some(opt_out.since)
    }

    /// All contacts' ids.
    pub(super) fn contacts(&self) -> HashSet<String> {
        self.0.values().map(|opt_out| opt_out.contact.clone()).collect()
    }

    /// All of them, by half the profile's key.
    pub(super) fn keys(&self) -> HashSet<[u8; 16]> {
        self.0.keys().filter_map(|key| unhex(key)).collect()
    }
}
