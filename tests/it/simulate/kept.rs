//! What the drops of a segment say of people, as long as they are the last that were applied.

use std::collections::BTreeMap;

use autopilot_export::run::{AppliedDrop, RunRequest, keys};

use super::disk::Disk;
use super::drops::Drop;
use super::model::{Known, StoredObjections};
use crate::support::fixture::EXPORT;

/// What is known of one segment.
pub(super) struct Kept {
    name: &'static str,
    /// By the run that applied the drop.
    by_run: BTreeMap<Option<String>, Known<StoredObjections>>,
    /// Before the run that goes on: how many rows of nobody the drop may have, and what was said.
    before: (u64, Known<StoredObjections>),
}

impl Kept {
    pub(super) fn new(name: &'static str) -> Self {
        let nothing = Known::Is(StoredObjections::default());
        Self { name, by_run: [(None, nothing.clone())].into(), before: (0, nothing) }
    }

    fn applied(&self, disk: &Disk) -> Option<AppliedDrop> {
        disk.body(&keys::order(EXPORT, self.name)).map(|body| serde_json::from_slice(&body).unwrap())
    }

    /// A run begins.
    pub(super) fn begin(&mut self, disk: &Disk) {
        let measure = self.applied(disk).map_or(0, |applied| applied.unreadable_rows);
        // A run that is finished first may apply another drop.
        let is_sure = disk.body(&keys::unfinished(EXPORT)).is_none();
        self.before = (measure + measure / 20, if is_sure { self.objections(disk) } else { Known::Unsure });
    }

    /// What is said by the drop that was applied last.
    pub(super) fn objections(&self, disk: &Disk) -> Known<StoredObjections> {
        let run = self.applied(disk).and_then(|applied| applied.run_id);
        self.by_run.get(&run).cloned().unwrap_or(Known::Unsure)
    }

    /// A run that took this drop is over, or was killed.
    pub(super) fn ran(&mut self, disk: &Disk, (request, is_whole): (&RunRequest, bool), drop: &Drop) {
        let found = Known::Is(StoredObjections::of(drop));
        let (allowed, before) = self.before.clone();
        let allowed = if request.full { 0 } else { allowed };
        if request.keep_leavers {
            let run = self.applied(disk).and_then(|applied| applied.run_id);
            let now = self.by_run.get(&run).cloned().unwrap_or(Known::Unsure);
            let now = if is_whole { Self::both(now, found) } else { Known::Unsure };
            self.by_run.insert(run, now);
            return;
        }
        let is_sure = before != Known::Unsure;
        let said = match drop.unidentified {
            0 => found,
            // Rows that nobody can tell a person of may have said no.
            unidentified if is_sure && unidentified <= allowed => found,
            _ => Self::both(before, found),
        };
        self.by_run.insert(Some(request.run_id.clone()), said);
    }

    pub(super) fn both(one: Known<StoredObjections>, other: Known<StoredObjections>) -> Known<StoredObjections> {
        match (one, other) {
            (Known::Is(mut one), Known::Is(other)) => {
                one.extend(&other);
                Known::Is(one)
            }
            _ => Known::Unsure,
        }
    }
}
