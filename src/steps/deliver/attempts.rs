//! A lane's deliver calls: how many there were, that one alone is at work, and what the last knew.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::ports::{PutMode, Store};
use crate::run::keys;
use crate::steps::calls::Calls;
use crate::steps::documents::{read_if_whole, write_json, write_json_if};

/// Attempts to take a number.
const TRIES: u32 = 5;

/// `calls.json` of a lane.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct LaneAttempts {
    #[serde(flatten)]
    pub(super) calls: Calls,
    /// The last that ended so, and knew what became of all that it and the calls before it had sent.
    #[serde(default)]
    clear: u32,
}

impl LaneAttempts {
    /// Takes the next number.
    pub(super) async fn begin(store: &impl Store, run_id: &str, lane: u32) -> Result<Self> {
        let key = keys::calls(run_id, lane);
        for _ in 0..TRIES {
            let condition = match store.head(&key).await? {
                Some(held) => PutMode::Update(held.version),
                None => PutMode::Create,
            };
            let before: Self = read_if_whole(store, &key).await?.unwrap_or_default();
            let now = Self { calls: before.calls.next(), ..before };
            // Two calls that begin at once have two numbers.
            if write_json_if(store, &key, &now, condition).await? {
                return Ok(now);
            }
        }
        Err(Error::new(Kind::Unavailable, key, "is written by other calls at the same time").hint("run again"))
    }

    /// Whether this is the lane's first call.
    pub(super) fn is_first(&self) -> bool {
        self.calls.number == 1
    }

    /// Whether no row without a verdict was sent by a call before.
    pub(super) fn knows_what_was_sent(&self) -> bool {
        self.clear + 1 == self.calls.number
    }

    /// Whether no other call has begun since.
    pub(super) async fn is_current(&self, store: &impl Store, run_id: &str, lane: u32) -> Result<bool> {
        let last: Self = read_if_whole(store, &keys::calls(run_id, lane)).await?.unwrap_or_default();
        Ok(last.calls.number <= self.calls.number)
    }

    /// Says that the call has ended in order.
    ///
    /// # Errors
    /// Kind `unavailable`, where two calls in a row confirmed nothing; those of the store.
    pub(super) async fn end(
        &mut self,
        store: &impl Store,
        run_id: &str,
        lane: u32,
        destination: &str,
        has_progress: bool,
        is_clear: bool,
    ) -> Result<()> {
        self.calls.end(has_progress);
        self.clear = if is_clear { self.calls.number } else { 0 };
        write_json(store, &keys::calls(run_id, lane), self).await?;
        if !self.calls.are_in_vain() {
            return Ok(());
        }
        let what = "confirmed nothing in two calls in a row";
        Err(Error::new(Kind::Unavailable, destination, what).hint("what is pending is sent by the next run"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Memory;

    #[tokio::test]
    async fn two_calls_that_begin_at_once_have_two_numbers() {
        let store = Memory::default();
        let begin = || LaneAttempts::begin(&store, "20261125T000000Z-news-00000000", 0);
        let (one, other) = tokio::join!(begin(), begin());
        let mut calls = [one.unwrap().calls.number, other.unwrap().calls.number];
        calls.sort_unstable();
        assert_eq!(calls, [1, 2]);
    }
}
