//! What is kept of people: a record for each row that a person's address is read of, unless the row leaves a member as is.

use super::Planner;
use crate::contact::MatchResult;
use crate::plan::history::{Act, Record, Suppressed, Verdict, Withheld};
use crate::segment;
use crate::state::{ProfileKey, half};

impl Planner<'_> {
    /// Records what becomes of a person, by the row at this line; without a row, of whom the state alone knows. Of who was
    /// erased nothing is kept, and where one profile is sent, nothing of others.
    pub(super) fn record(&mut self, key: &ProfileKey, line: Option<u64>, what: (Act, Verdict)) {
        if !self.known.erased.contains(key) {
            self.record_half(half(key), line, what);
        }
    }

    pub(super) fn record_half(&mut self, key: [u8; 16], line: Option<u64>, (act, verdict): (Act, Verdict)) {
        if self.only.is_some_and(|only| half(&only) != key) {
            return;
        }
        let source = line.and_then(|_| u32::try_from(self.source).ok());
        let line = line.map_or(0, |line| u32::try_from(line).unwrap_or(u32::MAX));
        self.output.record(Record { key, segment: 0, act, verdict, source, line });
    }

    /// Records a row that is not to be sent, with what keeps it.
    pub(super) fn record_suppressed(
        &mut self,
        row: &segment::Row<'_>,
        key: &ProfileKey,
        outcome: &MatchResult,
        is_listed: bool,
    ) {
        let rule = || self.matching.as_ref().and_then(|matching| matching.deciding(&|at| row.get(at)));
        let why = match outcome {
            MatchResult::Suppressed | MatchResult::NoConsent => rule().map_or(Suppressed::AnotherRow, Suppressed::rule),
            _ if is_listed && self.known.suppression.is_known(&self.contact.normal) => Suppressed::OptedOut,
            _ if is_listed => Suppressed::File,
            MatchResult::UnreadableConsent(_) if !self.members.is_known(key) => Suppressed::Unreadable,
            _ => Suppressed::AnotherRow,
        };
        self.record(key, Some(row.line), (Act::Nothing, Verdict::Suppressed(why)));
    }

    /// Records the members that are gone from the drop and stay.
    pub(super) fn record_withheld(&mut self, why: Withheld) {
        let gone: Vec<[u8; 16]> = self.members.who_is_gone().copied().collect();
        for key in gone {
            self.record_half(key, None, (Act::Nothing, Verdict::Withheld(why)));
        }
    }
}
