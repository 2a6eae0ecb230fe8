//! What the requests of a lane are called, and what they count as.

use crate::destination::RequestKind;

/// Merges rows.
pub(super) const MERGE: &str = "merge";
/// Merges rows again that a merge did not confirm.
pub(super) const AGAIN: &str = "merge_again";
/// Merges one row.
pub(super) const ALONE: &str = "merge_alone";
/// Lists the custom fields, before a refusal counts that names one.
pub(super) const FIELDS: &str = "list_fields";
/// Takes the permission away.
pub(super) const OPT_OUT: &str = "opt_out";
/// The same of rows that were refused.
pub(super) const OPT_OUT_OF_REFUSED: &str = "opt_out_of_refused";
/// Reads who a merge confirmed.
pub(super) const READ: &str = "read_back";
/// Reads who has the addresses of rows that a merge accepted.
pub(super) const SEEK: &str = "seek";
/// Looks up the addresses of leavers.
pub(super) const LOOK: &str = "look_up";
/// Reads everybody, for leavers whose own ids the state does not have.
pub(super) const SCAN: &str = "scan";
/// Takes the mark off leavers.
pub(super) const UNMARK: &str = "unmark";
/// Reads whether leavers still have the mark.
pub(super) const CHECK: &str = "check_mark";
/// The same of one leaver, by its address.
pub(super) const FIND: &str = "find";

/// What a request counts as.
pub(super) fn kind(step: &str) -> RequestKind {
    match step {
        MERGE | AGAIN | OPT_OUT | OPT_OUT_OF_REFUSED => RequestKind::Bulk,
        ALONE | FIND => RequestKind::Single,
        _ => RequestKind::List,
    }
}
