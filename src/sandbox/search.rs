//! Finding people on the page.

use serde::Deserialize;

use super::contents::HeldContact;

/// What a person looks for on the page.
#[derive(Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    pub(super) q: String,
}

impl Search {
    /// Whether a contact holds the text anywhere, in any case.
    pub(super) fn finds(&self, contact: &HeldContact) -> bool {
        let held = || serde_json::to_string(contact).unwrap_or_default().to_lowercase();
        self.q.is_empty() || held().contains(&self.q.to_lowercase())
    }
}
