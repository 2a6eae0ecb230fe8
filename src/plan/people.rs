//! Whose rows a rejects file has, and what the rows of these people in a drop say.

use std::collections::{HashMap, HashSet};

use super::fingerprint::{Fingerprint, RowDigest};
use super::objection::Objection;
use super::retry::RETRY_COLUMNS;
use crate::config::Export;
use crate::contact::{Contact, MatchResult, Matching};
use crate::error::Result;
use crate::segment::{Columns, Flaw, Row, Sink};
use crate::state::{Digester, MatchId, half};

/// The people whose rows are sent again.
#[derive(Debug, Default)]
pub struct Wanted {
    /// By half their profiles' keys.
    pub people: HashSet<[u8; 16]>,
    /// By their customer ids.
    pub ids: HashSet<MatchId>,
    /// The rows that were rejected.
    pub rows: HashSet<RowDigest>,
}

/// What a drop has of one of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// What any row says.
    pub says: Objection,
    /// Whether the row that counts can be sent, and is none of those that were rejected.
    pub has_own_row: bool,
}

/// Reads rows for the people in them.
#[derive(Debug)]
struct Reading<'a> {
    export: &'a Export,
    digester: &'a Digester,
    matching: Option<Matching>,
    contact: Contact,
}

impl<'a> Reading<'a> {
    fn new(export: &'a Export, digester: &'a Digester) -> Self {
        Self { export, digester, matching: None, contact: Contact::default() }
    }

    /// What becomes of a row, the person's key and its id; `None` where the file lacks columns, so that nobody can be identified.
    fn row(&mut self, row: &Row<'_>) -> Option<(MatchResult, Option<[u8; 16]>, Option<MatchId>)> {
        let outcome = self.matching.as_ref()?.apply(|at| row.get(at), &mut self.contact);
        let Contact { normal, id, .. } = &self.contact;
        let key = (!normal.is_empty()).then(|| half(&self.digester.profile(normal)));
        Some((outcome, key, (!id.is_empty()).then(|| self.digester.match_id(id))))
    }

    fn columns(&mut self, columns: &Columns) {
        self.matching = Matching::new(self.export, &columns.names).ok();
    }
}

/// Finds who is in a rejects file.
#[derive(Debug)]
pub struct RetriedPeople<'a> {
    reading: Reading<'a>,
    fingerprint: Option<usize>,
    /// Who was found.
    pub wanted: Wanted,
}

impl<'a> RetriedPeople<'a> {
    /// Nobody was found yet.
    pub fn new(export: &'a Export, digester: &'a Digester) -> Self {
        Self { reading: Reading::new(export, digester), fingerprint: None, wanted: Wanted::default() }
    }
}

impl Sink for RetriedPeople<'_> {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        self.fingerprint = columns.names.iter().rposition(|name| name == RETRY_COLUMNS[0]);
        self.reading.columns(columns);
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        if let Some((_, key, id)) = self.reading.row(&row) {
            self.wanted.people.extend(key);
            self.wanted.ids.extend(id);
        }
        let before = self.fingerprint.and_then(|at| Fingerprint::parse(row.get(at)));
        self.wanted.rows.extend(before.map(|before| before.row));
        Ok(())
    }

    fn malformed(&mut self, _line: u64, _raw: &str, _flaw: Flaw) -> Result<()> {
        Ok(())
    }
}

/// Finds these people in a drop.
#[derive(Debug)]
pub struct People<'a> {
    reading: Reading<'a>,
    wanted: &'a Wanted,
    /// Who was found.
    pub found: HashMap<[u8; 16], Found>,
    /// What is said of their ids.
    pub ids: HashMap<MatchId, Objection>,
}

impl<'a> People<'a> {
    /// Nobody was found yet.
    pub fn new(export: &'a Export, digester: &'a Digester, wanted: &'a Wanted) -> Self {
        Self { reading: Reading::new(export, digester), wanted, found: HashMap::new(), ids: HashMap::new() }
    }
}

impl Sink for People<'_> {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        self.reading.columns(columns);
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let Some((outcome, key, id)) = self.reading.row(&row) else { return Ok(()) };
        let key = key.filter(|key| self.wanted.people.contains(key));
        let id = id.filter(|id| self.wanted.ids.contains(id));
        let Reading { digester, matching: Some(matching), contact, .. } = &self.reading else { return Ok(()) };
        if key.is_none() && id.is_none() {
            return Ok(());
        }
        let is_rejected = self.wanted.rows.contains(&digester.row(&matching.read_cells(|at| row.get(at))));
        let mut says = Objection::of_row(matching.consent(&|at| row.get(at)), contact.opt_out);
        // In a row that was rejected it may be what was corrected.
        says.unreadable &= !is_rejected;
        if let Some(key) = key {
            let own = Found { says, has_own_row: outcome == MatchResult::Contact && !is_rejected };
            let found = self.found.entry(key).or_insert(own);
            found.says = found.says.and(says);
        }
        if let Some(id) = id {
            let known = self.ids.entry(id).or_default();
            *known = known.and(says);
        }
        Ok(())
    }

    fn malformed(&mut self, _line: u64, _raw: &str, _flaw: Flaw) -> Result<()> {
        Ok(())
    }
}
