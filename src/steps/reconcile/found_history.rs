//! Whom a comparison found there or gone, and took over: what a run's history is, of the members of one segment.

use std::fs::File;

use jiff::Timestamp;

use crate::error::Result;
use crate::plan::history::{Act, FORMAT, Header, Record, Verdict, Writer};
use crate::ports::{PutMode, Store};
use crate::run::keys;
use crate::state::{ProfileKey, half};
use crate::steps::temporary::temporary;

/// The history of a segment while it is taken over.
pub(super) struct FoundHistory {
    key: String,
    writer: Writer<File>,
    records: u64,
}

impl FoundHistory {
    pub(super) fn new(
        run_id: &str,
        began: Timestamp,
        export: &str,
        segment: &str,
        key_fingerprint: &str,
    ) -> Result<Self> {
        let header = Header {
            format: FORMAT,
            key_fingerprint: key_fingerprint.to_owned(),
            run_id: run_id.to_owned(),
            export: export.to_owned(),
            began,
            is_planned: false,
            segments: vec![segment.to_owned()],
            sources: Vec::new(),
            rules: Vec::new(),
            guards: Vec::new(),
        };
        let writer = Writer::new(&header, temporary("history")?)?;
        Ok(Self { key: keys::found_history(run_id, segment), writer, records: 0 })
    }

    /// Adds a person whom the account has otherwise than the state. They come in order of their keys.
    pub(super) fn add(&mut self, key: &ProfileKey, was_member: bool, is_member: bool) -> Result<()> {
        let act = match (was_member, is_member) {
            (false, true) => Act::Join,
            (true, false) => Act::Leave,
            _ => return Ok(()),
        };
        self.records += 1;
        let (key, verdict) = (half(key), Verdict::Found);
        self.writer.record(&Record { key, segment: 0, act, verdict, source: None, line: 0 })
    }

    /// Stores it, where there is anybody in it. It comes before the state, so that who is in that has a history.
    pub(super) async fn write(self, store: &impl Store) -> Result<()> {
        if self.records > 0 {
            store.put_file(&self.key, &self.writer.finish()?, PutMode::Overwrite).await?;
        }
        Ok(())
    }
}
