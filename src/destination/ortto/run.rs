//! What the requests of a run share: their steps and limits, and what is known of the account and its people.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use super::person::{PersonWriter, is_member};
use super::setup::Setup;
use crate::chunk::{FieldSpec, Row};
use crate::destination::{Caution, Group, Known, Limits, RequestKind};
use crate::membership::MembershipTarget;
use crate::state::{OPT_OUT_ALONE, ProfileKey, half};

/// How requests are cut, and how the account is approached. Source: ORTTO_API 2.1 for rows and bytes, 2.3 for the few in
/// flight, 3 for the 15 bad requests in 15 s that ban an address, of which other programs behind it make some. What is
/// written of a row is longer than what the limit counts of it, so a quarter of the 2 MB is kept free.
pub(super) const LIMITS: Limits = Limits {
    batch_rows: 100,
    batch_bytes: 1_400_000,
    in_flight: 12,
    caution: Some(Caution {
        in_flight_first: 2,
        lanes: 4,
        settle: Duration::from_secs(5),
        refusals: 6,
        within: Duration::from_millis(15_500),
    }),
};

/// Merges rows.
pub(super) const MERGE: &str = "merge";
/// Merges rows again that a merge did not confirm.
pub(super) const AGAIN: &str = "merge_again";
/// Merges one row.
pub(super) const ALONE: &str = "merge_alone";
/// Takes the permission away.
pub(super) const OPT_OUT: &str = "opt_out";
/// Reads who a merge confirmed.
pub(super) const READ: &str = "read_back";
/// Looks up the addresses of leavers.
pub(super) const LOOK: &str = "look_up";
/// Takes the mark off leavers.
pub(super) const UNMARK: &str = "unmark";
/// Reads whether leavers still have the mark.
pub(super) const CHECK: &str = "check_mark";
/// The same of one leaver, by its address.
pub(super) const FIND: &str = "find";

/// The protocol of one run.
pub(super) struct OrttoProtocol {
    pub(super) writer: PersonWriter,
    pub(super) setup: Setup,
    pub(super) known: Known,
    pub(super) withheld: HashSet<[u8; 16]>,
    pub(super) archived: HashSet<[u8; 16]>,
    pub(super) found: Mutex<Found>,
}

/// Whose ids turned out to be whose.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Ids and addresses, by profile.
    pub(super) people: HashMap<[u8; 16], (String, String)>,
    /// Those that the state has wrong and that nobody has fetched yet.
    pub(super) news: Vec<(ProfileKey, String)>,
}

impl OrttoProtocol {
    pub(super) fn new(fields: &[FieldSpec], setup: Setup, known: Known) -> Self {
        Self {
            writer: PersonWriter::new(fields, &setup.ortto_fields),
            withheld: setup.withheld.keys(),
            archived: setup.archived.keys(),
            found: Mutex::default(),
            setup,
            known,
        }
    }

    pub(super) fn is_archived(&self, row: &Row) -> bool {
        self.archived.contains(&half(&row.key))
    }

    /// The id of the field that marks members, where one does.
    pub(super) fn mark_field(&self, group: &Group) -> Option<&str> {
        let MembershipTarget::Field(name) = &group.target else { return None };
        self.setup.ortto_fields.get(name).map(|field| field.id.as_str())
    }

    /// The member of the fields that says whether a person is one of the segment.
    pub(super) fn mark(&self, group: &Group, is: bool) -> Option<String> {
        self.mark_field(group).map(|id| is_member(id, is))
    }
}

/// Whether a row is sent for its opt-out alone.
pub(super) fn is_opt_out(row: &Row) -> bool {
    row.digest == OPT_OUT_ALONE
}

/// What a request counts as.
pub(super) fn kind(step: &str) -> RequestKind {
    match step {
        MERGE | AGAIN | OPT_OUT => RequestKind::Bulk,
        ALONE | FIND => RequestKind::Single,
        _ => RequestKind::List,
    }
}
