//! Stores what the planner wrote, while rows are being read.

use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt, TryStreamExt};

use super::planned_history::PlannedHistory;
use super::rehearsal::Rehearsal;
use crate::chunk;
use crate::error::Result;
use crate::plan::lanes::Chunk;
use crate::plan::{ChunkKind, PlanOutput};
use crate::ports::{PutMode, PutOutcome, Store};
use crate::run::{RunRecord, keys};

/// How many objects are written at once.
const WRITING: usize = 4;

/// Whether the plan is also stored, or only looked at.
#[derive(Clone, Copy)]
pub(super) enum PlanMode<'a> {
    Persist(&'a Mutex<PlannedHistory>),
    DryRun(&'a Mutex<Rehearsal>),
}

impl PlanMode<'_> {
    pub(super) fn is_stored(self) -> bool {
        matches!(self, Self::Persist(_))
    }

    /// Does something with what a plan that is not stored keeps.
    pub(super) fn keep(self, what: impl FnOnce(&mut Rehearsal) -> Result<()>) -> Result<()> {
        match self {
            Self::Persist(_) => Ok(()),
            Self::DryRun(rehearsal) => what(&mut rehearsal.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Does something with the history of a plan that is stored.
    pub(super) fn record(self, what: impl FnOnce(&mut PlannedHistory) -> Result<()>) -> Result<()> {
        match self {
            Self::Persist(history) => what(&mut history.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::DryRun(_) => Ok(()),
        }
    }
}

/// What one segment's planner wrote, on its way into the store.
pub(super) struct Storing<'s, S> {
    store: &'s S,
    segment: usize,
    mode: PlanMode<'s>,
    writing: FuturesUnordered<BoxFuture<'s, Result<PutOutcome>>>,
}

impl<'s, S: Store> Storing<'s, S> {
    pub(super) fn new(store: &'s S, segment: usize, mode: PlanMode<'s>) -> Self {
        Self { store, segment, mode, writing: FuturesUnordered::new() }
    }

    /// Begins to store what came out of the planner; what was begun before goes on meanwhile.
    pub(super) async fn store(&mut self, record: &mut RunRecord, written: Vec<PlanOutput>) -> Result<()> {
        self.mode.keep(|rehearsal| rehearsal.take(self.segment, &written))?;
        for written in written {
            let (name, body) = match written {
                PlanOutput::Chunk(kind, rows, text) => {
                    let name = format!("chunks/{:06}.tsv", record.chunks.len());
                    let (operation, opt_outs) = (kind.operation(), kind == ChunkKind::OptOuts);
                    let address_changes = kind == ChunkKind::AddressChanges;
                    let segment = self.segment;
                    record.chunks.push(Chunk {
                        name: name.clone(),
                        segment,
                        operation,
                        rows,
                        opt_outs,
                        address_changes,
                    });
                    (name, chunk::seal(&text))
                }
                PlanOutput::Records(records) => {
                    self.mode.record(|history| history.add(self.segment, records))?;
                    continue;
                }
                PlanOutput::Rejects(text) => {
                    record.reject_parts += 1;
                    (format!("rejects/{:06}.ndjson", record.reject_parts - 1), text.into_bytes())
                }
            };
            if self.mode.is_stored() {
                let (store, key) = (self.store, keys::of_run(&record.request.run_id, &name));
                let writing = async move { store.put(&key, Bytes::from(body), PutMode::Overwrite).await };
                self.writing.push(Box::pin(writing));
                while self.writing.len() >= WRITING {
                    self.writing.try_next().await?;
                }
            }
        }
        // A write that is not polled does not go on.
        while let Poll::Ready(Some(written)) = futures_util::poll!(self.writing.next()) {
            written?;
        }
        Ok(())
    }

    /// Waits for everything that was begun.
    pub(super) async fn end(mut self) -> Result<()> {
        while self.writing.try_next().await?.is_some() {}
        Ok(())
    }
}
