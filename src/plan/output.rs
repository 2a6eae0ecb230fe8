//! What comes out of a planner: chunks of rows to send, and lines of rejects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chunk::Operation;
use crate::contact::RejectCode;

/// Rows in one chunk: small enough to hold several in memory, large enough that a run has few objects.
const CHUNK_ROWS: u32 = 1000;

/// What the rows of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChunkKind {
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
            Self::Joiners => Operation::Join,
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
}

/// The chunks that are being filled.
#[derive(Debug, Default)]
pub(super) struct Chunks(BTreeMap<ChunkKind, (u32, String)>);

impl Chunks {
    /// Adds a row; gives the chunk that is full with it.
    pub(super) fn add(&mut self, kind: ChunkKind, write: impl FnOnce(&mut String)) -> Option<PlanOutput> {
        let (rows, text) = self.0.entry(kind).or_default();
        write(text);
        *rows += 1;
        if *rows < CHUNK_ROWS {
            return None;
        }
        // The next is likely as long: it needs not grow, which takes up to three times the room.
        let next = String::with_capacity(text.len() + text.len() / 8);
        Some(PlanOutput::Chunk(kind, std::mem::take(rows), std::mem::replace(text, next)))
    }

    /// Gives out the chunks that are not full.
    pub(super) fn rest(self) -> impl Iterator<Item = PlanOutput> {
        let begun = self.0.into_iter().filter(|(_, (rows, _))| *rows > 0);
        begun.map(|(kind, (rows, text))| PlanOutput::Chunk(kind, rows, text))
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
