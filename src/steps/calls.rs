//! A lane's deliver calls: how many there were, and that one alone is at work.
//!
//! A call may be made again while it still works: the workflow does so when it lost sight of a function. Both hold the
//! run's lease. So each call has a number; who begins while another has not ended waits until that one must have looked
//! here, and who finds a later number than its own stops without another word.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::deliver::{Limit, RENEW_EVERY};
use super::{read_json, write_json};
use crate::delivery::pace::after;
use crate::error::{Error, Kind, Result};
use crate::ports::{Store, World};
use crate::run::keys;

/// What a call that is told to stop may still take for a checkpoint that is under way.
const LAST_CHECKPOINT: Duration = Duration::from_secs(5);

/// `calls.json` of a lane.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Calls {
    /// How many there were.
    calls: u32,
    /// Calls in a row that confirmed nothing.
    barren: u32,
    /// Whether the last one has ended.
    #[serde(default)]
    ended: bool,
}

impl Calls {
    /// Takes the next number; in a function waits until a call before this one must have stopped. On one machine the
    /// lease is one process's own, and a call before this one is gone with its process.
    pub(super) async fn begin<W: World>(world: &W, run_id: &str, lane: u32, limit: &Limit) -> Result<Self> {
        let key = keys::calls(run_id, lane);
        let before: Self = read_json(world.store(), &key).await?.unwrap_or_default();
        let now = Self { calls: before.calls + 1, ended: false, ..before };
        write_json(world.store(), &key, &now).await?;
        if before.calls > 0 && !before.ended && limit.until.is_some() {
            world.clock().sleep_until(after(world.clock().now(), RENEW_EVERY + LAST_CHECKPOINT)).await;
        }
        Ok(now)
    }

    /// Whether this is the lane's first call.
    pub(super) fn is_first(&self) -> bool {
        self.calls == 1
    }

    /// Whether no other call has begun since.
    pub(super) async fn is_the_last(&self, store: &impl Store, run_id: &str, lane: u32) -> Result<bool> {
        let last: Self = read_json(store, &keys::calls(run_id, lane)).await?.unwrap_or_default();
        Ok(last.calls <= self.calls)
    }

    /// Says that the call has ended in order.
    ///
    /// # Errors
    /// Kind `unavailable`, where two calls in a row confirmed nothing; those of the store.
    pub(super) async fn end(&mut self, store: &impl Store, run_id: &str, lane: u32, barren: bool) -> Result<()> {
        self.barren = if barren { self.barren + 1 } else { 0 };
        self.ended = true;
        write_json(store, &keys::calls(run_id, lane), self).await?;
        if self.barren < 2 {
            return Ok(());
        }
        let what = "confirmed nothing in two calls in a row";
        Err(Error::new(Kind::Unavailable, "deliver", "Autopilot", what)
            .to_do("what is pending is sent by the next run"))
    }
}
