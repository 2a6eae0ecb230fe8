//! What the requests of a run share: what is known of the account and its people.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::contact::{ContactWriter, is_member};
use super::setup::Setup;
use super::trials::{FieldCheck, Trials};
use crate::chunk::{FieldSpec, Row};
use crate::destination::{Group, KnownContacts, RowId};
use crate::membership::MembershipTarget;
use crate::state::{OPT_OUT_ALONE, ProfileKey, half};

/// How long reading may lag behind writing before it is read once more. How long it does is unknown. Source: ORTTO_API 7.
pub(super) const LAG: Duration = Duration::from_secs(3);

/// The protocol of one run.
pub(super) struct OrttoProtocol {
    pub(super) writer: ContactWriter,
    pub(super) setup: Setup,
    pub(super) known: KnownContacts,
    pub(super) withheld: HashSet<[u8; 16]>,
    pub(super) archived: HashSet<[u8; 16]>,
    pub(super) found: Mutex<Found>,
    pub(super) trials: Mutex<Trials>,
    pub(super) field_check: Mutex<FieldCheck>,
}

/// Contact ids that were found to belong to other profiles.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Ids and addresses, by profile.
    pub(super) people: HashMap<[u8; 16], Identity>,
    /// Those that the state has wrong and that were not passed on yet.
    pub(super) news: Vec<(ProfileKey, String)>,
    /// Rows that were merged, or not: no answer says which. They were not passed on yet either.
    pub(super) unclear: Vec<RowId>,
}

/// A person's id and address.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) email: String,
}

impl OrttoProtocol {
    pub(super) fn new(fields: &[FieldSpec], setup: Setup, known: KnownContacts) -> Self {
        Self {
            writer: ContactWriter::new(fields, &setup.ortto_fields),
            withheld: setup.withheld.keys(),
            archived: setup.archived.keys(),
            found: Mutex::default(),
            trials: Mutex::default(),
            field_check: Mutex::default(),
            setup,
            known,
        }
    }

    /// Notes that rows may have been merged.
    pub(super) fn are_unclear(&self, rows: &[RowId]) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).unclear.extend(rows);
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
