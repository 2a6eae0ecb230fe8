//! What comes out of a planner: chunks of rows to send, and lines of rejects.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::history::Record;
use crate::chunk::{Operation, quoted};
use crate::contact::{Reject, RejectCode};

/// Rows in one chunk: small enough to hold several in memory, large enough that a run has few objects.
const CHUNK_ROWS: u32 = 1000;
/// Bytes of rejects in one object.
const REJECT_BYTES: usize = 1 << 20;
/// Records that are handed out together.
const RECORDS: usize = 4096;

/// What the rows of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChunkKind {
    /// Of contacts whose address changes.
    AddressChanges,
    /// Members with other fields.
    Changed,
    /// New to the segment.
    Joiners,
    /// To be taken off.
    Leavers,
    /// Contacts that opt out, and nothing else of them.
    OptOuts,
}

impl ChunkKind {
    /// What is to be done for them.
    pub fn operation(self) -> Operation {
        match self {
            Self::Changed | Self::OptOuts => Operation::Update,
            // The contact is put on the list, or gets the tag, wherever it is a member already.
            Self::Joiners | Self::AddressChanges => Operation::Join,
            Self::Leavers => Operation::Leave,
        }
    }
}

/// Something to be stored.
#[derive(Debug)]
pub enum PlanOutput {
    /// A chunk with this many rows.
    Chunk(ChunkKind, u32, String),
    /// Lines of rejects.
    Rejects(String),
    /// What is kept of people; their segment is yet to be filled in.
    Records(Vec<Record>),
}

/// What comes out of a planner: whole chunks and rejects, and those that are being filled.
#[derive(Debug, Default)]
pub(super) struct Output {
    chunks: BTreeMap<ChunkKind, (u32, String)>,
    rejects: String,
    records: Vec<Record>,
    whole: Vec<PlanOutput>,
}

impl Output {
    /// Adds a row to a chunk.
    pub(super) fn row(&mut self, kind: ChunkKind, write: impl FnOnce(&mut String)) {
        let (rows, text) = self.chunks.entry(kind).or_default();
        write(text);
        *rows += 1;
        if *rows == CHUNK_ROWS {
            // The next is likely as long: it needs not grow, which takes up to three times the room.
            let next = String::with_capacity(text.len() + text.len() / 8);
            self.whole.push(PlanOutput::Chunk(kind, std::mem::take(rows), std::mem::replace(text, next)));
        }
    }

    /// Adds a reject of a source's line, a [`RejectLine`]; `original` writes the row as it was.
    pub(super) fn reject(
        &mut self,
        source: usize,
        line: u64,
        reject: &Reject,
        fingerprint: &str,
        original: impl FnOnce(&mut String),
    ) {
        let Self { rejects, whole, .. } = self;
        let (code, reason) = (reject.code, quoted(&reject.reason));
        // Writing to a String cannot fail.
        let _ = write!(
            rejects,
            r#"{{"source":{source},"line":{line},"code":"{code}","reason":{reason},"fingerprint":"{fingerprint}","#
        );
        if let Some(setting) = &reject.setting {
            let _ = write!(rejects, r#""setting":{},"#, quoted(setting));
        }
        rejects.push_str(r#""row":"#);
        original(rejects);
        rejects.push_str("}\n");
        if rejects.len() >= REJECT_BYTES {
            whole.push(PlanOutput::Rejects(std::mem::take(rejects)));
        }
    }

    /// Adds what is kept of a person.
    pub(super) fn record(&mut self, record: Record) {
        self.records.push(record);
        if self.records.len() >= RECORDS {
            self.whole.push(PlanOutput::Records(std::mem::take(&mut self.records)));
        }
    }

    /// What is whole and was not taken before.
    pub(super) fn take(&mut self) -> Vec<PlanOutput> {
        std::mem::take(&mut self.whole)
    }

    /// The rest.
    pub(super) fn finish(mut self) -> Vec<PlanOutput> {
        let begun = self.chunks.into_iter().filter(|(_, (rows, _))| *rows > 0);
        self.whole.extend(begun.map(|(kind, (rows, text))| PlanOutput::Chunk(kind, rows, text)));
        if !self.rejects.is_empty() {
            self.whole.push(PlanOutput::Rejects(self.rejects));
        }
        if !self.records.is_empty() {
            self.whole.push(PlanOutput::Records(self.records));
        }
        self.whole
    }
}

/// A row that was not delivered, as it is kept until the rejects are put together.
#[derive(Debug, Serialize, Deserialize)]
pub struct RejectLine {
    /// Which source of the run.
    pub source: usize,
    /// The line it begins at.
    pub line: u64,
    /// Why.
    pub code: RejectCode,
    /// Why, in words.
    pub reason: String,
    /// The setting below `match` to which `reason` proposes to add something.
    #[serde(default)]
    pub setting: Option<String>,
    /// By which `retry` knows the row again.
    #[serde(default)]
    pub fingerprint: String,
    /// The columns as they were; of a malformed row its text.
    pub row: Box<serde_json::value::RawValue>,
}
