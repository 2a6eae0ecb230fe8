//! `watch`: a run that another process carries out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::code::Code;
use super::history::{View, dead, id_of, is_dead, no_run, report};
use crate::destination::Usage;
use crate::entry::args::Common;
use crate::entry::show::{Seen, Shown};
use crate::error::{Kind, Result};
use crate::ledger;
use crate::ports::Store;
use crate::report::Report;
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, export_of_run, keys, time_of};
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, read_if_whole, read_json};

/// Time between two looks at a run.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a run may wait before it begins.
const MAY_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Follows a run until its report is there.
pub(super) async fn watch<W: Environment>(env: &W, common: &Common, run: &str, stop: &Cancellation) -> Code {
    let run = id_of(env, run, None).await?;
    export_of_run(&run).ok_or_else(|| no_run(&run))?;
    match follow(env, common, &run, stop).await? {
        Some(code) => {
            report(env, common, &run, View::Text).await?;
            Ok(code)
        }
        None => Ok(Kind::Interrupted.exit_code()),
    }
}

/// Shows a run until it has ended; its exit code, or none where somebody stopped the watching.
async fn follow<W: Environment>(env: &W, common: &Common, run: &str, stop: &Cancellation) -> Result<Option<u8>> {
    let shown = (!common.quiet).then(|| Shown::new(None));
    let mut said = None;
    let mut say = |text: String| {
        if let (Some(shown), true) = (&shown, said.as_ref() != Some(&text)) {
            shown.say(&text);
            said = Some(text);
        }
    };
    loop {
        if let Some(done) = read_json::<Report>(env.store(), &keys::of_run(run, "report.json")).await? {
            return Ok(Some(done.exit_code()));
        }
        match read_json::<RunRecord>(env.store(), &keys::of_run(run, "run.json")).await? {
            Some(record) if is_dead(env, &record).await? => return Err(dead(Kind::Interrupted, run)),
            Some(record) => {
                let total = record.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
                match seen(env, run, total).await {
                    Ok(seen) => shown.iter().for_each(|shown| shown.look(seen)),
                    // Results hold personal data, which not everyone may read who follows a run.
                    Err(error) if error.kind == Kind::Access => say(format!("{total} rows to send")),
                    Err(error) => return Err(error),
                }
            }
            // A run that was started on AWS waits for its drop to be whole, and for the connection.
            None if common.store.starts_with("s3://") && is_recent(run, env.clock().now()) => {
                say("not begun yet".to_owned());
            }
            None => return Err(no_run(run)),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Whether a run may yet begin.
fn is_recent(run: &str, now: Timestamp) -> bool {
    time_of(run).is_some_and(|at| now.duration_since(at) < MAY_WAIT)
}

/// How far a run has come with its rows.
async fn seen<W: Environment>(env: &W, run: &str, total: u64) -> Result<Seen> {
    let (mut settled, mut requests) = (0, Usage::default());
    for meta in env.store().list(&keys::of_run(run, "results/")).await? {
        if meta.key.ends_with(".tsv")
            && let Some(object) = env.store().get(&meta.key).await?
        {
            // Of a damaged object nothing is known to be confirmed; finish says so.
            let results = ledger::read(&meta.key, &object.body).unwrap_or_default();
            settled += results.entries.len() as u64;
            requests.add(&results.sent.requests);
        }
    }
    let open: Option<OpenRecord> = read_if_whole(env.store(), &keys::of_run(run, "open.json")).await?;
    let Usage { total: sent, retried, throttled, .. } = requests;
    let rate = open.map(|open| open.rate);
    Ok(Seen { total, settled, requests: sent, retried, rate_limited: throttled, rate })
}
