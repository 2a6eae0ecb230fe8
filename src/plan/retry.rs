//! What is known of rows that are sent again.

use std::collections::HashSet;

use super::corrections::NewCorrection;
use super::fingerprint::Fingerprint;

/// What `retry` adds behind the columns of the rows: their fingerprints and codes.
pub const RETRY_COLUMNS: [&str; 2] = ["autopilot_export_fingerprint", "autopilot_export_code"];

/// The drop of a segment that was applied last.
#[derive(Clone, Debug, Default)]
pub struct AppliedPeople {
    /// The run that applied it.
    pub run_id: String,
    /// Who of the people in the rejects file has a row in it.
    pub people: HashSet<[u8; 16]>,
    /// Who of them has a row that counts beside the rejected ones.
    pub with_own_row: HashSet<[u8; 16]>,
    /// Whether the drop is gone, and the members were taken for both.
    pub are_members: bool,
}

impl AppliedPeople {
    /// Whether the drop is newer than the one of the run that rejected a row. Run ids begin with their time.
    pub(super) fn is_newer_than(&self, run_id: &str) -> bool {
        let time = |run_id: &str| run_id.split('-').next().unwrap_or_default().to_owned();
        !self.run_id.is_empty() && self.run_id != run_id && time(&self.run_id) >= time(run_id)
    }
}

/// Set where rows are sent again.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) applied: AppliedPeople,
    pub(super) made: Vec<NewCorrection>,
    /// Whether the file has the columns that say what each row was.
    pub(super) has_columns: bool,
}

/// What the file says of a row.
#[derive(Debug)]
pub(super) struct Retried {
    pub(super) fingerprint: Option<Fingerprint>,
    /// Whether it was rejected for the address of another row.
    pub(super) is_duplicate: bool,
    /// Whether the destination refused it, so that nothing was wrong with the row itself.
    pub(super) is_refused: bool,
    /// Whether no address could be read of it.
    pub(super) had_no_address: bool,
}
