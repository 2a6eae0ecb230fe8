//! Recovery: an earlier run of the export that never reached its finish is finished first.

use crate::config::{Config, Connection};
use crate::error::{AtStage, Error, Kind, Result};
use crate::ports::{ObjectMeta, Store};
use crate::run::{RunRecord, RunRequest, keys};
use crate::steps::documents::{read_json, write_json};
use crate::steps::environment::Environment;
use crate::steps::failure::Failure;
use crate::steps::finish::{doubt_unseen, finish_under};
use crate::steps::kept::config_of;
use crate::steps::turn;
use crate::steps::unfinished::{Unfinished, unfinished_in, without_record};

/// What came of looking for an earlier run that never reached its end.
pub(in crate::steps) enum Recovery {
    /// Its connection, which may be another, is busy.
    Busy,
    /// There is none any more.
    Done {
        /// Whether there was one.
        had_some: bool,
        /// What can no longer be known of it.
        lost: Vec<String>,
    },
}

/// Merges what an earlier run of this export had confirmed when it was stopped for good. `objects` are those of its runs.
pub(in crate::steps) async fn finish_abandoned<W: Environment>(
    env: &W,
    config: &Config,
    connection: &Connection,
    request: &RunRequest,
    objects: &[ObjectMeta],
) -> Result<Recovery> {
    let (store, run_id, export) = (env.store(), request.run_id.as_str(), request.export.as_str());
    let mut lost = Vec::new();
    for gone in without_record(objects) {
        lost.push(format!(
            "{gone}: its run.json is gone, so it is not known what it sent; this run sends the rows of its own drop, and \
             autopilot-export reconcile {export} names the others as extra"
        ));
        for name in ["lanes.json", "open.json"] {
            store.delete(&keys::of_run(&gone, name)).await?;
        }
    }
    let Unfinished { run, is_noted } = unfinished_in(store, export, objects).await?;
    let Some(earlier) = run else {
        if is_noted {
            store.delete(&keys::unfinished(export)).await?;
        }
        return Ok(Recovery::Done { had_some: false, lost });
    };
    if earlier == run_id {
        return Ok(Recovery::Done { had_some: false, lost });
    }
    let Some(mut record) = read_json::<RunRecord>(store, &keys::of_run(&earlier, "run.json")).await? else {
        return Ok(Recovery::Done { had_some: true, lost });
    };
    if request.full && !record.request.full {
        // A state that fits no more must not keep the earlier run from its end, nor this one from beginning.
        record.request.full = true;
        write_json(store, &keys::of_run(&earlier, "run.json"), &record).await?;
    }
    let its_own = record.connection != connection.name;
    if its_own && !turn::take(env, &record.connection, run_id).await? {
        return Ok(Recovery::Busy);
    }
    // By today's configuration, which says whether and how fast the account may be asked.
    doubt_unseen(env, config, &record.request, run_id).await.at("finish")?;
    let kept = config_of(store, &earlier).await?.map(|kept| Config { folder: config.folder.clone(), ..kept });
    let config = kept.as_ref().unwrap_or(config);
    let error = Error::new(Kind::Interrupted, &earlier, "the run never reached its finish")
        .hint("nothing: what it had confirmed is kept, the rest is sent by the next run")
        .at("finish");
    let finished = Box::pin(finish_under(env, config, &record.request, Some(Failure::of(&error)), run_id)).await;
    if its_own {
        turn::release(env, &record.connection, run_id).await?;
    }
    lost.extend(finished?.lost.iter().map(|lost| format!("{earlier}, which never reached its end: {lost}")));
    Ok(Recovery::Done { had_some: true, lost })
}
