//! A range that was fetched: its rows go to the lane, what is known of them to its ledger.

use super::super::ranges::LoadedRange;
use super::Worker;
use crate::chunk::Row;
use crate::error::Result;
use crate::ports::Event;
use crate::state::half;
use crate::steps::environment::Environment;

impl<E: Environment> Worker<'_, E> {
    pub(super) async fn loaded(&mut self, loaded: LoadedRange) -> Result<()> {
        let LoadedRange { index, mut span, results, suppressed, sent, is_begun } = loaded;
        self.is_begun = is_begun;
        if !results.entries.is_empty() && !self.limit.goes_on {
            self.env.observer().notify(Event::Settled(results.entries.len() as u64));
        }
        self.checkpoints.resume(index, &results);
        self.checkpoints.suppress(index, &suppressed, &sent, self.clock().now());
        if !self.withdrawn.is_empty() {
            let is_withdrawn = |(_, row): &(u32, Row)| self.withdrawn.contains(&half(&row.key));
            let (withdrawn, rows): (Vec<_>, Vec<_>) = span.rows.into_iter().partition(is_withdrawn);
            span.rows = rows;
            // Nothing of them is ever sent.
            self.checkpoints.suppress(index, &withdrawn, &(0..0), self.clock().now());
        }
        if !self.is_account_checked && !span.rows.is_empty() {
            self.check_account(index, self.secrets.clone()).await?;
        }
        if self.is_account_checked {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            self.lane.load(number, span);
            self.lane.may_be_sent(number, sent);
            self.enter(self.clock().now());
        }
        Ok(())
    }
}
