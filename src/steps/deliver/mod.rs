//! deliver: works through one lane's ranges, judges every row, checkpoints, and stops short of its time limit.

mod addresses;
mod assignment;
mod attempts;
mod checkpoints;
mod deadline;
mod known;
mod ranges;
mod rate;
mod refusals;
mod worker;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Connection, connection_of, export_of};
use crate::delivery::pace::{Pace, after, history, offset, window};
use crate::destination::{Caution, Destination};
use crate::error::{AtStage, Error, Kind, Result};
use crate::ports::{Clock, Freshness, SecretSource};
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, RunRequest, keys};
use crate::steps::documents::read_json;
use crate::steps::environment::Environment;
use crate::steps::suppression::{listed, version};
use crate::steps::turn;
use assignment::{Assignment, LaneStatus, may_go_on};
use attempts::LaneAttempts;
use known::known;
use rate::lane_rate;
use worker::Worker;

pub use assignment::Limit;

/// What deliver says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Whether the lane is through.
    pub done: bool,
    pub run_id: String,
    pub lane: u32,
}

/// Goes on with a lane until it is through or the limit is near.
///
/// # Errors
/// Kind `access`, `throttled`, `unavailable`, `guard`; what was confirmed until then is saved.
pub async fn deliver<E: Environment>(
    env: &E,
    config: &Config,
    request: &RunRequest,
    lane: u32,
    limit: &Limit,
) -> Result<Delivered> {
    work(env, config, request, lane, limit).await.at("deliver")
}

async fn work<E: Environment>(
    env: &E,
    config: &Config,
    request: &RunRequest,
    lane: u32,
    limit: &Limit,
) -> Result<Delivered> {
    let run_id = request.run_id.as_str();
    let store = env.store();
    let response = |status| Delivered { done: status == LaneStatus::Finished, run_id: run_id.into(), lane };
    let missing = || Error::new(Kind::BadRequest, run_id, "is not open").hint("open it first");
    let run: RunRecord = read_json(store, &keys::of_run(run_id, "run.json")).await?.ok_or_else(missing)?;
    // A run keeps its connection, whatever the configuration says since.
    let ((export, _), connection) = (export_of(config, &request.export)?, connection_of(config, &run.connection)?);
    may_go_on(export, connection, env.clock().now())?;
    run.check_conditions(config)?;
    // A late or repeated call, after the run's end or beside another run, does nothing.
    if !turn::renew(env, &connection.name, run_id).await? {
        return Ok(response(LaneStatus::Finished));
    }
    let opened: Option<OpenRecord> = read_json(store, &keys::of_run(run_id, "open.json")).await?;
    let opened = opened.filter(OpenRecord::is_assigned).ok_or_else(missing)?;
    let Some(ranges) = opened.lanes.get(lane as usize) else {
        return Err(Error::new(Kind::BadRequest, run_id, format!("has no lane {lane}")));
    };
    let mut attempts = LaneAttempts::begin(store, run_id, lane).await?;
    // On one machine, having the lease means that the other is gone.
    if let Some(until) = limit.until {
        attempts.calls.let_predecessor_end(env, until).await;
    }
    let connection = &turn::at_lowest_rate(store, config, connection).await?;
    let secrets = env.secrets().secrets(&connection.name, &connection.secret, Freshness::MayBeKept).await?;
    let known = known(env, connection, &run, &opened, ranges, &secrets).await?;
    let destination = env.destination(connection.api);
    let pace = pace(destination, &opened, connection, lane, &attempts, env.clock())?;
    // Before the file is read: where it changes in between, the next look finds another version.
    let suppression_version = version(store, config, export).await?;
    let suppression = listed(store, config, export).await?;
    let assignment = Assignment {
        config,
        export,
        connection,
        run: &run,
        opened: &opened,
        number: lane,
        ranges,
        attempts,
        suppression: &suppression,
        suppression_version: suppression_version.as_deref(),
    };
    let mut worker = Worker::new(env, assignment, limit, secrets, pace, known)?;
    let worked = worker.work_and_save().await;
    if worker.is_replaced() {
        return worked.map(response);
    }
    worker.save_all().await?;
    let has_progress =
        worker.confirmed() > 0 || !matches!(worked, Ok(LaneStatus::Yielded)) || limit.stop.is_cancelled();
    let is_clear = worker.knows_what_was_sent();
    attempts.end(store, run_id, lane, env.destination(connection.api).name(), has_progress, is_clear).await?;
    worked.map(response)
}

/// The lane's slots. Its first call goes on from open's requests, where it goes by the same clock; a later one, or one at a
/// lower rate, keeps quiet for a window, as it does not know when the call before it sent last.
fn pace(
    destination: &dyn Destination,
    opened: &OpenRecord,
    connection: &Connection,
    number: u32,
    attempts: &LaneAttempts,
    clock: &Clock,
) -> Result<Pace> {
    let now = clock.now();
    let (rate, share) = lane_rate(opened, connection, number)?;
    let caution = destination.limits().caution;
    let is_first = attempts.is_first() && Some(clock.read_at()) == opened.clock;
    let pace = if !is_first || rate < opened.rate {
        // A call that was killed may have been refused as often as may be.
        let settle = |caution: Caution| if attempts.calls.may_be_beside() { caution.within } else { caution.settle };
        let settle = caution.map(settle).unwrap_or_default();
        Pace::new(rate, share, &[], after(now, window(rate).max(settle)))
    } else {
        let from = after(now, offset(rate, number));
        Pace::new(rate, share, &history(&opened.last_sent, &opened.shares, number as usize), from)
    };
    Ok(if caution.is_some() { pace.wide(rate) } else { pace })
}
