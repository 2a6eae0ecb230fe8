//! What a plan decides of each person, in a file until the plan is whole.

use std::fs::File;

use crate::config::Export;
use crate::error::Result;
use crate::plan::history::{FORMAT, Header, Record, Writer, rules};
use crate::ports::{PutMode, Store};
use crate::run::{RunRecord, keys};
use crate::state::Digester;
use crate::steps::temporary::temporary;

/// The history of a run while its plan is made.
pub(super) struct PlannedHistory {
    header: Header,
    writer: Writer<File>,
    records: u64,
}

impl PlannedHistory {
    pub(super) fn new(run: &RunRecord, export: &Export, digester: &Digester) -> Result<Self> {
        let header = Header {
            format: FORMAT,
            key_fingerprint: digester.fingerprint(),
            run_id: run.request.run_id.clone(),
            export: export.name.clone(),
            began: run.started_at,
            is_planned: true,
            segments: run.segments.iter().map(|segment| segment.name.clone()).collect(),
            sources: run.sources.iter().map(|source| source.key.clone()).collect(),
            rules: rules(export),
            guards: Vec::new(),
        };
        let writer = Writer::new(&header, temporary("history")?)?;
        Ok(Self { header, writer, records: 0 })
    }

    /// Begins with the first segment, or begins once more.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.records > 0 {
            self.writer = Writer::new(&self.header, temporary("history")?)?;
            self.records = 0;
        }
        Ok(())
    }

    /// Adds what was decided in a segment.
    pub(super) fn add(&mut self, segment: usize, records: Vec<Record>) -> Result<()> {
        self.records += records.len() as u64;
        let segment = u16::try_from(segment).unwrap_or(u16::MAX);
        records.into_iter().try_for_each(|record| self.writer.record(&Record { segment, ..record }))
    }

    /// Stores it; gives how many records it has. A run that decided nothing of anybody has none.
    pub(super) async fn write(self, store: &impl Store) -> Result<u64> {
        if self.records > 0 {
            let key = keys::history(&self.header.run_id);
            store.put_file(&key, &self.writer.finish()?, PutMode::Overwrite).await?;
        }
        Ok(self.records)
    }
}
