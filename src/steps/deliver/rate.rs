//! The rate that a lane keeps: that of the run's opening, or a lower one that the configuration has since.

use crate::config::{Config, Connection, parse};
use crate::delivery::pace::shares;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::run::keys;
use crate::run::opening::OpenRecord;

/// The rate of all lanes, and this lane's share of it. A rate that was raised counts from the next run on.
///
/// # Errors
/// Kind `config`, where there are more lanes than the rate has requests a second: their shares would exceed it.
pub(super) fn lane_rate(opened: &OpenRecord, connection: &Connection, lane: u32) -> Result<(f64, u32)> {
    let lane = lane as usize;
    let rate = connection.requests_per_second;
    if rate >= opened.rate {
        return Ok((opened.rate, opened.shares.get(lane).copied().unwrap_or(1)));
    }
    let lanes = opened.lanes.len();
    let shares = shares(rate, u32::try_from(lanes).unwrap_or(u32::MAX));
    if shares.len() < lanes {
        let problem = format!("requests_per_second is now less than the run's {lanes} lanes");
        return Err(Error::new(Kind::Config, connection.title(), problem)
            .hint("run again: what was confirmed is kept, the rest is sent at the lower rate"));
    }
    Ok((rate, shares.get(lane).copied().unwrap_or(1)))
}

/// The configuration as the store holds it now; none where it holds none that can be read, as on one machine.
pub(super) async fn current(store: &impl Store) -> Result<Option<Config>> {
    let Some(object) = store.get(keys::CONFIG).await? else { return Ok(None) };
    Ok(parse(&String::from_utf8_lossy(&object.body)).ok())
}
