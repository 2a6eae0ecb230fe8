//! A configuration that changes while a run is under way.

use super::Config;

impl Config {
    /// This configuration, which a run of the export began with, with those changes in `now` that make the run more careful. They
    /// apply at once: the export or its connection is disabled or removed, the consent is withdrawn, the rate is lowered, or
    /// more people are left out.
    #[must_use]
    pub fn as_careful_as(mut self, now: &Self, export: &str) -> Self {
        let Some(kept) = self.exports.get_mut(export) else { return self };
        match now.exports.get(export) {
            Some(now) => {
                kept.enabled &= now.enabled;
                kept.suppress.clone_from(&now.suppress);
                kept.require.clone_from(&now.require);
                if now.suppression_file.is_some() {
                    kept.suppression_file.clone_from(&now.suppression_file);
                }
            }
            None => kept.enabled = false,
        }
        let name = kept.connection.clone();
        if let Some(kept) = self.connections.get_mut(&name) {
            match now.connections.get(&name) {
                Some(now) => {
                    kept.enabled &= now.enabled;
                    kept.consent.clone_from(&now.consent);
                    kept.requests_per_second = kept.requests_per_second.min(now.requests_per_second);
                }
                None => kept.enabled = false,
            }
        }
        self
    }
}
