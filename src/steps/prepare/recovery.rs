//! Recovery: an earlier run of the export that never reached its finish is finished first.

use crate::config::{Config, Connection};
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::run::{RunRecord, RunRequest, keys};
use crate::steps::documents::{read_json, write_json};
use crate::steps::environment::Environment;
use crate::steps::failure::Failure;
use crate::steps::finish::finish_under;
use crate::steps::kept::config_of;
use crate::steps::turn;
use crate::steps::unfinished::unfinished;

/// Merges what an earlier run of this export had confirmed when it was stopped for good; `false` where that run's
/// connection, which may be another, is busy.
pub(in crate::steps) async fn finish_abandoned<W: Environment>(
    env: &W,
    config: &Config,
    connection: &Connection,
    request: &RunRequest,
) -> Result<bool> {
    let (store, run_id) = (env.store(), request.run_id.as_str());
    let Some(earlier) = unfinished(store, &request.export).await? else { return Ok(true) };
    if earlier == run_id {
        return Ok(true);
    }
    let Some(mut record) = read_json::<RunRecord>(store, &keys::of_run(&earlier, "run.json")).await? else {
        store.delete(&keys::unfinished(&request.export)).await?;
        return Ok(true);
    };
    if request.full && !record.request.full {
        // A state that fits no more must not keep the earlier run from its end, nor this one from beginning.
        record.request.full = true;
        write_json(store, &keys::of_run(&earlier, "run.json"), &record).await?;
    }
    let its_own = record.connection != connection.name;
    if its_own && !turn::take(env, &record.connection, run_id).await? {
        return Ok(false);
    }
    let kept = config_of(store, &earlier).await?.map(|kept| Config { folder: config.folder.clone(), ..kept });
    let config = kept.as_ref().unwrap_or(config);
    let error = Error::new(Kind::Interrupted, &earlier, "the run never reached its finish")
        .hint("nothing: what it had confirmed is kept, the rest is sent by the next run")
        .at("finish");
    let finished = Box::pin(finish_under(env, config, &record.request, Some(Failure::of(&error)), run_id)).await;
    if its_own {
        turn::release(env, &record.connection, run_id).await?;
    }
    finished.map(|_| true)
}
