//! What a plan that is not carried out keeps of its rows: why some are rejected, and how others would be sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Seek, Write};

use crate::chunk;
use crate::contact::RejectCode;
use crate::error::{Error, Kind, Result};
use crate::plan::{ChunkKind, PlanOutput, RejectLine};
use crate::steps::temporary::temporary;

/// The most different causes that are counted for each segment.
const MOST_CAUSES: usize = 10_000;

/// Rows that are rejected for one cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// How many.
    pub rows: u64,
    /// Which of the run's sources the first is in.
    pub source: usize,
    /// The line of the first.
    pub line: u64,
    /// The setting below `match` to which the reason proposes to add something.
    pub setting: Option<String>,
}

/// What is kept of a plan's rows.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// How many rows that would be sent are kept.
    most_rows: usize,
    /// Rejected rows, a line each, where they are kept.
    rejects: Option<File>,
    segments: BTreeMap<usize, OfSegment>,
    columns: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct OfSegment {
    causes: BTreeMap<(RejectCode, String), Cause>,
    rows: Vec<Vec<String>>,
}

impl Rehearsal {
    /// One that keeps at most `most_rows` rows of each segment, and rejected rows where that is wanted.
    ///
    /// # Errors
    /// Kind `unavailable`, where there is no place for them.
    pub fn new(most_rows: usize, keeps_rejects: bool) -> Result<Self> {
        let rejects = if keeps_rejects { Some(temporary("rejects")?) } else { None };
        Ok(Self { most_rows, rejects, ..Self::default() })
    }

    /// Why rows are rejected, the commonest cause first.
    pub fn causes(&self) -> Vec<(RejectCode, String, Cause)> {
        let mut all: BTreeMap<&(RejectCode, String), Cause> = BTreeMap::new();
        for (key, cause) in self.segments.values().flat_map(|segment| &segment.causes) {
            all.entry(key).and_modify(|known| known.rows += cause.rows).or_insert_with(|| cause.clone());
        }
        let mut all: Vec<_> = all.into_iter().map(|((code, why), cause)| (*code, why.clone(), cause)).collect();
        all.sort_by_key(|(.., cause)| std::cmp::Reverse(cause.rows));
        all
    }

    /// Rows that would be sent, of a segment: a value of the run's fields each, as JSON. Personal data.
    pub fn rows(&self, segment: usize) -> &[Vec<String>] {
        self.segments.get(&segment).map_or(&[], |segment| &segment.rows)
    }

    /// The rejected rows, a [`RejectLine`] each, where they were to be kept. Personal data.
    pub fn into_rejects(self) -> Option<File> {
        self.rejects
    }

    /// The columns of all drops, and the keys of their JSON lines, each once.
    pub fn columns(&self) -> impl Iterator<Item = &String> {
        self.columns.iter()
    }

    /// Adds the columns of a segment.
    pub(super) fn add_columns(&mut self, names: &[String]) {
        self.columns.extend(names.iter().cloned());
    }

    /// Begins with the first segment, or begins once more.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.segments.clear();
        let Some(file) = &mut self.rejects else { return Ok(()) };
        file.set_len(0).and_then(|()| file.rewind()).map_err(unwritable)
    }

    /// Takes what came out of the planner.
    pub(super) fn take(&mut self, segment: usize, written: &[PlanOutput]) -> Result<()> {
        let of = self.segments.entry(segment).or_default();
        for written in written {
            match written {
                PlanOutput::Chunk(ChunkKind::Joiners | ChunkKind::Changed | ChunkKind::AddressChanges, _, text)
                    if of.rows.len() < self.most_rows =>
                {
                    let rows = chunk::read("sample", &chunk::seal(text), 0, self.most_rows - of.rows.len())?;
                    of.rows.extend(rows.iter().map(|row| row.values().map(str::to_owned).collect::<Vec<_>>()));
                }
                PlanOutput::Chunk(..) | PlanOutput::Records(_) => {}
                PlanOutput::Rejects(text) => {
                    if let Some(file) = &mut self.rejects {
                        file.write_all(text.as_bytes()).map_err(unwritable)?;
                    }
                    text.lines().try_for_each(|line| of.count(line))?;
                }
            }
        }
        Ok(())
    }
}

impl OfSegment {
    fn count(&mut self, line: &str) -> Result<()> {
        let RejectLine { source, line, code, reason, setting, .. } = serde_json::from_str(line)
            .map_err(|cause| Error::new(Kind::Bug, "rejects", "are damaged").with_source(cause))?;
        let is_full = self.causes.len() >= MOST_CAUSES;
        let key = (code, reason);
        if !is_full || self.causes.contains_key(&key) {
            self.causes.entry(key).or_insert(Cause { rows: 0, source, line, setting }).rows += 1;
        }
        Ok(())
    }
}

fn unwritable(cause: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "rejects", "a temporary file cannot be written")
        .hint("make room for temporary files (TMPDIR) and plan again")
        .with_source(cause)
}
