//! Plans one segment: rows come in, chunks of contacts to send, rejects and counts come out.
//!
//! It is the [`Sink`] of a segment's decoder, so nothing holds the segment as a whole. What has come out so far is
//! fetched with [`Planner::written`] between two pieces of input.
//!
//! Here are the planner's state and the order of its calls. What becomes of a row is decided in `judge`; `corrected`
//! looks first whether somebody corrected it, `retry` is for rows that are sent again, `opting_out` sends opt-outs
//! of rows that are not sent, and `recording` keeps what was decided of whom.

mod corrected;
mod judge;
mod opting_out;
mod recording;
mod retry;

use super::address_changes::{AddressChanges, KeptAs};
use super::columns::unknown_columns;
use super::corrections::{Corrections, NewCorrection};
use super::counts::Counts;
use super::erased::Erased;
use super::history::{Act, Verdict, Withheld as Kept};
use super::ids::{ListedIds, LostRows};
use super::members::{Leaving, MemberIndex, Seen};
use super::objections::Objections;
use super::output::{ChunkKind, Output, PlanOutput};
use super::refusals::Refusals;
use super::retry::{AppliedPeople, RETRY_COLUMNS, Retry};
use super::stored_objections::StoredObjections;
use crate::chunk::{LeaverName, write_leaver};
use crate::config::Export;
use crate::contact::{Contact, MatchResult, Matching, SuppressionList, UnknownColumn};
use crate::error::{Error, Kind, Result};
use crate::segment::{self, Columns, Sink};
use crate::state::{Digester, FIELDS_UNCONFIRMED, Profile, ProfileKey};

/// Which members that are gone from a drop stay in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Withheld {
    Nobody,
    /// Those with the ids of rows without a readable address.
    ByIds,
    Everybody,
}

/// What is known before the rows are read.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The run, which rejected rows name.
    pub run_id: &'a str,
    pub export: &'a Export,
    /// Makes digests under the connection's state key.
    pub digester: &'a Digester,
    /// Who is not sent to.
    pub suppression: &'a SuppressionList,
    /// The customer ids of people who are on a list by another address.
    pub listed_ids: &'a ListedIds,
    /// Who was erased.
    pub erased: &'a Erased,
    /// Which rows were refused not long ago.
    pub refusals: &'a Refusals,
}

/// What a planner came to.
#[derive(Debug)]
pub struct Finished {
    pub counts: Counts,
    /// What came out last.
    pub written: Vec<PlanOutput>,
    /// The corrections, of which those last whose row was read.
    pub corrections: Corrections,
    /// The corrections that the rows are themselves.
    pub made: Vec<NewCorrection>,
    /// What the drop says of people, for the runs to come.
    pub stored_objections: StoredObjections,
}

/// The plan of one segment in the making.
#[derive(Debug)]
pub struct Planner<'a> {
    known: PlanInput<'a>,
    members: &'a mut MemberIndex,
    objections: &'a mut Objections,
    changes: &'a mut AddressChanges,
    corrections: Corrections,
    retry: Option<Retry>,
    /// How many rows may yet be sent; none of a run without a limit.
    room: Option<u64>,
    /// The one profile that is sent.
    only: Option<ProfileKey>,
    source: usize,
    columns: Vec<String>,
    matching: Option<Matching>,
    contact: Contact,
    counts: Counts,
    output: Output,
    /// Which members that are gone from the drop stay.
    withheld: Withheld,
    lost: LostRows,
    /// Leavers that nothing names.
    unnamed: u64,
    /// What the drop says of people.
    stored_objections: StoredObjections,
}

impl<'a> Planner<'a> {
    /// Begins the plan of a segment, which `members`, `objections` and `changes` have begun. Where one of the latter two has
    /// something new after the last row, the rows are to be planned once more.
    pub fn new(
        known: PlanInput<'a>,
        members: &'a mut MemberIndex,
        objections: &'a mut Objections,
        changes: &'a mut AddressChanges,
        corrections: Corrections,
    ) -> Self {
        let counts = Counts { members: members.members(), ..Counts::default() };
        Self {
            known,
            members,
            objections,
            changes,
            corrections,
            retry: None,
            room: None,
            only: None,
            source: 0,
            columns: Vec::new(),
            matching: None,
            contact: Contact::default(),
            counts,
            output: Output::default(),
            withheld: Withheld::Nobody,
            lost: LostRows::default(),
            unnamed: 0,
            stored_objections: StoredObjections::default(),
        }
    }

    /// Says that the rows are those of a rejects file, with [`RETRY_COLUMNS`] behind their own.
    pub fn retries(&mut self, applied: AppliedPeople) {
        self.retry = Some(Retry { applied, made: Vec::new(), has_columns: false });
    }

    /// Sets that at most this many rows are sent, or `only` those of one profile, and that nobody is removed.
    pub fn sends_at_most(&mut self, rows: u64, only: Option<ProfileKey>) {
        self.room = Some(rows);
        self.only = only;
    }

    /// Says that the rows to come are of this source of the run.
    pub fn source(&mut self, number: usize) {
        self.source = number;
        self.columns.clear();
        self.matching = None;
    }

    /// The columns of the source that was read last; empty where it had none.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What has come out since the last time.
    pub fn written(&mut self) -> Vec<PlanOutput> {
        self.output.take()
    }

    /// Checks the keys that rows of JSON lines have: one that no row has is missing, unless its field has a default.
    ///
    /// # Errors
    /// Kind `config`.
    pub fn check_keys(&self, keys: &Columns) -> Result<()> {
        let mut unknown = self.matching_for(keys).err().unwrap_or_default();
        unknown.retain(|key| !key.has_default);
        if unknown.is_empty() { Ok(()) } else { Err(unknown_columns(&unknown, keys)) }
    }

    fn matching_for(&self, columns: &Columns) -> Result<Matching, Vec<UnknownColumn>> {
        Matching::new(self.known.export, &columns.names)
    }

    /// The counts so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends the rows; `withhold` says why it keeps the members that are gone from the drop. So do more than
    /// `unreadable_allowed` rows without a readable identity: they may be those of the missing, or where each has a
    /// customer's id, those of that customer. Members that are suppressed leave in any case.
    ///
    /// Where [`Planner::needs_members`], the state's profiles follow with [`Planner::leaver`].
    pub fn rows_done(&mut self, withhold: Option<Kept>, unreadable_allowed: u64) {
        self.keep_old_addresses();
        self.apply_other_rows();
        let gone = self.members.gone();
        let has_ids = self.matching.as_ref().is_some_and(Matching::has_ids);
        let too_many_unreadable = self.counts.unreadable_rows() > unreadable_allowed;
        self.withheld = if withhold.is_some() || (too_many_unreadable && !(has_ids && self.lost.are_known())) {
            Withheld::Everybody
        } else if too_many_unreadable {
            Withheld::ByIds
        } else {
            Withheld::Nobody
        };
        if self.withheld == Withheld::Everybody && self.retry.is_none() {
            self.record_withheld(withhold.unwrap_or(Kept::UnreadableRows));
        }
        self.members.end_segment(self.withheld == Withheld::Everybody);
        if self.room.is_some() {
            self.counts.leavers_withheld = gone + self.members.suppressed();
            return;
        }
        self.counts.leavers = self.members.suppressed();
        match self.withheld {
            // Nobody could leave.
            Withheld::Everybody if self.retry.is_some() => {}
            Withheld::Everybody => self.counts.leavers_withheld += gone,
            Withheld::Nobody | Withheld::ByIds => self.counts.leavers += gone,
        }
    }

    /// Keeps the members whose row has another address now.
    fn keep_old_addresses(&mut self) {
        for (key, kept) in self.changes.kept_here() {
            if !self.members.observe_unseen(&key, Seen::Rejected) {
                continue;
            }
            match kept {
                KeptAs::OldAddress => self.record_half(key, None, Act::OldAddress.planned()),
                KeptAs::Member => {}
                KeptAs::Withheld => {
                    self.counts.leavers_withheld += 1;
                    self.record_half(key, None, (Act::Nothing, Verdict::Withheld(Kept::NoContact)));
                }
            }
        }
    }

    /// Applies what rows elsewhere say of members without a row in this drop.
    fn apply_other_rows(&mut self) {
        for key in self.objections.suppressed() {
            self.members.observe_unseen(key, Seen::Suppressed);
        }
        let unreadable: Vec<_> =
            self.objections.by_id().filter(|(_, said)| said.unreadable).map(|(key, _)| *key).collect();
        for key in unreadable {
            if self.members.observe_unseen(&key, Seen::Rejected) {
                self.counts.unreadable_opt_outs += self.objections.count_unreadable(&key);
            }
        }
    }

    /// Whether the profiles of the state are asked for once more.
    pub fn needs_members(&self) -> bool {
        self.counts.leavers > 0 || self.objections.by_id().any(|(_, said)| said.opted_out)
    }

    /// Takes a profile of the state once more, which may be a leaver's, or opt out. `name` names it at the destination.
    pub fn leaver(&mut self, profile: &Profile, name: Option<LeaverName<'_>>) {
        let key = &profile.key;
        if let Some(name) = name.filter(|_| self.objections.opts_out(key)) {
            self.opt_out_by_contact(key, name.email.unwrap_or(name.contact));
        }
        let is_kept = match (self.members.leaving(key), self.withheld) {
            (None, _) | (Some(Leaving::Gone), Withheld::Everybody) => return,
            (Some(Leaving::Gone), Withheld::ByIds) => self.lost.may_hold(profile.match_id),
            (Some(_), _) => false,
        };
        // Which of the two the contact is, the other's row may tell.
        let is_twin =
            profile.digest == FIELDS_UNCONFIRMED && self.changes.twins(key).any(|twin| self.members.has_row_of(twin));
        let name = name.filter(|_| !is_twin);
        // Without a contact it is unknown who to remove.
        self.unnamed += u64::from(name.is_none() && !is_kept && !is_twin);
        let Some(name) = name.filter(|_| !is_kept) else {
            self.counts.leavers -= 1;
            self.counts.leavers_withheld += 1;
            self.members.keep(key);
            let why = if is_kept { Kept::UnreadableRow } else { Kept::NoContact };
            return self.record(key, None, (Act::Nothing, Verdict::Withheld(why)));
        };
        self.record(key, None, Act::Leave.planned());
        self.output.row(ChunkKind::Leavers, |chunk| write_leaver(chunk, key, name));
    }

    /// How many profiles that are to leave have neither a contact's id nor an address.
    pub fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// Gives out the chunks that are not full, and what else there is.
    pub fn finish(mut self) -> Finished {
        let made = self.retry.map(|retry| retry.made).unwrap_or_default();
        self.stored_objections.settle();
        Finished {
            counts: self.counts,
            written: self.output.finish(),
            corrections: self.corrections,
            made,
            stored_objections: self.stored_objections,
        }
    }
}

impl Sink for Planner<'_> {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        let mut columns = columns.clone();
        if let Some(retry) = &mut self.retry {
            retry.has_columns = columns.names.ends_with(&RETRY_COLUMNS.map(str::to_owned));
            let own = if retry.has_columns { RETRY_COLUMNS.len() } else { 0 };
            columns.names.truncate(columns.names.len() - own);
        }
        let matching = self.matching_for(&columns).map_err(|unknown| unknown_columns(&unknown, &columns))?;
        self.columns = columns.names;
        self.matching = Some(matching);
        Ok(())
    }

    fn row(&mut self, row: segment::Row<'_>) -> Result<()> {
        let Some(matching) = &self.matching else {
            return Err(Error::new(Kind::Bug, "decoder", "gave a row before the columns"));
        };
        self.counts.read += 1;
        let outcome = matching.apply(|at| row.get(at), &mut self.contact);
        if let Some((digest, corrected)) = self.corrected(&row, &outcome) {
            self.stays_corrected(&row, &digest, corrected);
            return Ok(());
        }
        match outcome {
            MatchResult::Reject(reject) if self.contact.normal.is_empty() => {
                self.reject_unaddressed(&row, &reject);
            }
            outcome => self.judge(row, outcome),
        }
        Ok(())
    }

    fn malformed(&mut self, line: u64, raw: &str, why: segment::Flaw) -> Result<()> {
        self.counts.read += 1;
        if self.malformed_stays_corrected(raw) {
            return Ok(());
        }
        self.lost.add(None);
        self.reject_malformed(line, raw, why);
        Ok(())
    }
}
