//! What the run came to for each person: what prepare planned, with the answers of the destination, in place of the plan's
//! record. It is written before the state, from what the lanes stored: finished once more, a run writes the same again.

use std::fs::File;

use super::change::{Change, ChangeKind, slice_of, slices};
use crate::error::{Kind, Result};
use crate::plan::history::{Answer, Header, NotSent, Record, Writer};
use crate::ports::{ObjectMeta, PutMode, Store};
use crate::run::{RunRecord, keys};
use crate::state::half;
use crate::steps::history::HistoryStream;
use crate::steps::temporary::temporary;

/// The verdicts of a run while they are put together.
pub(super) struct Verdicts<'r> {
    plan: ObjectMeta,
    /// The guards that stopped the run.
    guards: &'r [String],
    writer: Option<Writer<File>>,
}

impl<'r> Verdicts<'r> {
    /// Begins them; none of a run that planned nothing for anybody.
    pub(super) async fn begin(store: &impl Store, run: &RunRecord, guards: &'r [String]) -> Result<Option<Self>> {
        if run.recorded.unwrap_or_default() == 0 {
            return Ok(None);
        }
        let plan = store.head(&keys::history(&run.request.run_id)).await?;
        Ok(plan.map(|plan| Self { plan, guards, writer: None }))
    }

    /// Adds those of one slice of the keys; the changes are in order of theirs. `false` where the plan's record is damaged:
    /// a run does not fail for it.
    pub(super) async fn add(
        &mut self,
        store: &impl Store,
        slice: usize,
        slices: usize,
        mut changes: &[Change],
    ) -> Result<bool> {
        let (header, mut records) = match planned(store, &self.plan, slice, slices).await {
            Ok(planned) => planned,
            Err(error) if error.kind == Kind::Config => {
                tracing::warn!(error.kind = error.kind.name(), "{}", error.chain());
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        records
            .sort_unstable_by_key(|record| (u128::from_be_bytes(record.key), record.segment, record.act, record.line));
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let header = Header { is_planned: false, guards: self.guards.to_vec(), ..header };
                Writer::new(&header, temporary("history")?)?
            }
        };
        let unsent = if self.guards.is_empty() { NotSent::Ended } else { NotSent::Guard };
        for record in records {
            while let Some((first, rest)) = changes.split_first()
                && half(&first.key) < record.key
            {
                changes = rest;
            }
            let own = changes.iter().take_while(|change| half(&change.key) == record.key);
            let own = own.filter(|change| change.act == record.act && change.segment == usize::from(record.segment));
            writer.record(&record.settled(own.filter_map(answer), unsent))?;
        }
        self.writer = Some(writer);
        Ok(true)
    }

    /// Stores them.
    pub(super) async fn write(self, store: &impl Store) -> Result<()> {
        let Some(writer) = self.writer else { return Ok(()) };
        store.put_file(&self.plan.key, &writer.finish()?, PutMode::Overwrite).await.map(drop)
    }
}

/// Says of a run of which nothing was sent what it came to for whom.
pub(super) async fn write_unsent(store: &impl Store, run: &RunRecord, guards: &[String]) -> Result<()> {
    let Some(mut verdicts) = Verdicts::begin(store, run, guards).await? else { return Ok(()) };
    let slices = slices(run.recorded.unwrap_or_default());
    for number in 0..slices {
        if !verdicts.add(store, number, slices, &[]).await? {
            return Ok(());
        }
    }
    verdicts.write(store).await
}

/// The plan's record of one slice, not in order.
async fn planned(store: &impl Store, plan: &ObjectMeta, slice: usize, slices: usize) -> Result<(Header, Vec<Record>)> {
    let mut stream = HistoryStream::open(store, plan).await?;
    let mut records = Vec::new();
    loop {
        let read = stream.next().await?;
        if read.is_empty() {
            return Ok((stream.header, records));
        }
        records.extend(read.into_iter().filter(|record| slices == 1 || slice_of(&record.key, slices) == slice));
    }
}

/// What a change says of the row.
fn answer(change: &Change) -> Option<Answer> {
    match change.what {
        ChangeKind::Delivered { .. } | ChangeKind::Left | ChangeKind::GoesOn => Some(Answer::Done),
        ChangeKind::Doubted | ChangeKind::Unconfirmed { .. } | ChangeKind::MayGoOn | ChangeKind::MayTakeOver => {
            Some(Answer::Unconfirmed)
        }
        ChangeKind::OptedOut | ChangeKind::Refused | ChangeKind::Apart => Some(Answer::Refused),
        ChangeKind::Suppressed | ChangeKind::Withdrawn => Some(Answer::Suppressed),
        ChangeKind::Anew | ChangeKind::TakesOver | ChangeKind::Found { .. } => None,
    }
}
