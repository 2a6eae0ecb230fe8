//! What the protocol of a run needs to know of its account.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::state::{ProfileKey, half, push_hex, unhex};

/// A custom field of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccountField {
    pub(super) id: String,
    pub(super) name: String,
    /// What it holds, in Ortto's words.
    pub(super) display_type: String,
    /// What a select field may hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) choices: Vec<String>,
}

impl AccountField {
    /// Whether it is not another data source's, which alone may fill it. Source: ORTTO_API 4 for the middle part of its id.
    pub(super) fn is_fillable(&self) -> bool {
        self.id.split(':').nth(1) == Some("cm")
    }
}

/// People by keyed digests of their addresses: halves of 32 hexadecimal digits, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct People(String);

impl People {
    pub(super) fn add(&mut self, key: &ProfileKey) {
        push_hex(&half(key), &mut self.0);
    }

    pub(super) fn keys(&self) -> HashSet<[u8; 16]> {
        self.0.as_bytes().chunks(32).filter_map(|key| unhex(std::str::from_utf8(key).ok()?)).collect()
    }
}

/// What the protocol of a run needs to know of its account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setup {
    /// The custom fields that the run fills, by their names in the configuration.
    pub(super) ortto_fields: BTreeMap<String, AccountField>,
    /// People suppressed by Ortto, and people archived after opting out.
    pub(super) withheld: People,
    /// Who is archived.
    pub(super) archived: People,
}

impl Setup {
    /// Reads a setup.
    ///
    /// # Errors
    /// Kind `bug`, where it is another destination's.
    pub(super) fn read(setup: &Value) -> Result<Self> {
        Self::deserialize(setup)
            .map_err(|cause| Error::new(Kind::Bug, "setup", "does not belong to Ortto").with_source(cause))
    }

    /// As it is stored.
    pub(super) fn write(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
