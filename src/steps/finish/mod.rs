//! finish: judges the run, merges what was confirmed into the state, writes report and rejects, gives the lease back.

use jiff::Timestamp;
use secrecy::ExposeSecret;

mod addresses;
mod asking;
mod change;
mod closing;
mod doubted;
mod guards;
mod history;
mod look_back;
mod lost;
mod members_there;
mod merge;
mod order;
mod refusals;
mod results;
mod totals;
mod verdicts;

use addresses::Apart;
use asking::SentRun;
use closing::close;
use guards::{note_passed_guard, stopped_by};
use lost::lost_with_lanes;
use members_there::MembersThere;
use merge::{MemberCount, merge};
use order::{keep_order, write_corrections};
use results::{RejectsFile, RunResults};
use totals::Totals;
use verdicts::write_unsent;

pub(in crate::steps) use look_back::doubt_unseen;
pub use look_back::{LookedBack, look_back};

use crate::chunk::Operation;
use crate::config::{Config, Connection, Export, connection_of};
use crate::delivery::pace::{after, window};
use crate::destination::KnownContacts;
use crate::error::{AtStage, Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::ports::{Freshness, Leases, PutMode, SecretSource, Store};
use crate::report::rejects::Rejects;
use crate::report::timeline::Traffic;
use crate::report::{self, Failed, Report, html};
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, RunRequest, Stage, keys};
use crate::state::{Digester, ProfileKey};
use crate::steps::documents::{read_json, write_json_if};
use crate::steps::environment::Environment;
use crate::steps::failure::Failure;
use crate::steps::lease::lost_lease;
use crate::steps::stop::{is_stopped, stopped};
use crate::steps::temporary::temporary;

/// The error when a spot check failed during the run.
const NO_LONGER: &str = "the account stopped adding joiners to the list that their rows name; the joiners of this run count as \
                         pending, and the next run sends them again and adds them";

/// Finishes a run, whatever became of it. A finished run keeps its report.
///
/// # Errors
/// Kind `unavailable`, where the store fails or another run has the connection; then nothing is lost: the next
/// prepare finishes the run.
pub async fn finish<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    failure: Option<Failure>,
) -> Result<Report> {
    let finished = async {
        if failure.is_some() {
            doubt_unseen(env, config, request, &request.run_id).await?;
        }
        finish_run(env, config, request, failure, &request.run_id).await
    };
    finished.await.at("finish")
}

/// Finishes a run that never got there, under the lease of another, which keeps it.
pub(super) async fn finish_under<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    failure: Option<Failure>,
    holder: &str,
) -> Result<Report> {
    finish_run(env, config, request, failure, holder).await.at("finish")
}

async fn finish_run<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    failure: Option<Failure>,
    holder: &str,
) -> Result<Report> {
    let run_id = request.run_id.as_str();
    let store = env.store();
    let export = config.exports.get(&request.export);
    let run: Option<RunRecord> = read_json(store, &keys::of_run(run_id, "run.json")).await?;
    // A run keeps its connection, whatever the configuration says since.
    let name = run.as_ref().map(|run| &run.connection).or(export.map(|export| &export.connection));
    let name = name.cloned().unwrap_or_default();
    let name = name.as_str();
    if let Some(report) = read_json::<Report>(store, &keys::of_run(run_id, "report.json")).await? {
        close(env, name, request, holder).await?;
        return Ok(report);
    }
    let error = failed(store, request, failure).await?;
    let now = env.clock().now();
    let Some(mut run) = run else {
        // The run did not get as far as fixing what it reads.
        let run = RunRecord::begin(request, name, String::new(), Vec::new(), Vec::new(), now);
        let report = Report::of(&run, report::Confirmed::default(), error, now);
        let report = write(store, export, report).await?;
        close(env, name, request, holder).await?;
        return Ok(report);
    };
    if !env.leases().take(name, holder).await? {
        let title = config.connections.get(name).map(Connection::title);
        return Err(lost_lease(title.as_deref().unwrap_or(name)));
    }
    let opened: Option<OpenRecord> = read_json(store, &keys::of_run(run_id, "open.json")).await?;
    let reads_from = after(now, window(opened.as_ref().map_or(1.0, |opened| opened.rate)));
    let mut rejects = Rejects::new(&run, temporary("rejects.csv")?)?;
    if run.stage == Stage::Ready || run.reject_parts > 0 {
        found_rejects(store, &run, &mut rejects).await?;
    }
    let merged = match &opened {
        Some(opened) => {
            let connection = connection_of(config, name)?;
            // The run may be ended by another one, days later, which has its results to go by.
            let at = (holder == run_id).then_some(now);
            let end = End { at, guards: stopped_by(&run, error.as_ref()) };
            merge_results(env, connection, export, &run, opened, end, &mut rejects).await?
        }
        None => {
            write_unsent(store, &run, &stopped_by(&run, error.as_ref())).await?;
            Merged { lost: lost_with_lanes(store, &run).await?.into_iter().collect(), ..Merged::default() }
        }
    };
    if opened.is_none() && run.stage == Stage::Preparing && error.is_none() {
        keep_order(store, &run).await?;
    }
    note_passed_guard(&mut run, export, merged.totals.refused);
    let error = error.or_else(|| {
        let failed = |message: &str| Failed { kind: Kind::Unavailable, message: format!("finish: {message}") };
        (merged.totals.doubted > 0).then(|| failed(NO_LONGER))
    });
    let mut sums = merged.sums();
    if let Some(opened) = &opened {
        let lists = opened.targets.iter().any(|target| matches!(target, MembershipTarget::List { .. }));
        let connection = config.connections.get(name).filter(|_| lists && opened.is_assigned());
        sums.list_strategy = connection.and_then(|connection| env.destination(connection.api).strategy(&opened.setup));
        sums.warnings.splice(..0, opened.warnings.iter().cloned());
    }
    sums.warnings.extend(rejects.warning());
    sums.causes = rejects.causes();
    let mut report = Report::of(&run, sums, error, env.clock().now());
    if let Some(opened) = &opened {
        report.traffic = Traffic::of(&merged.totals.sent.seconds, opened.rate);
    }
    let is_sent = holder == run_id && report.error.is_none() && report.rows.pending == 0;
    if let Some((opened, export)) = opened.zip(export).filter(|_| is_sent) {
        let connection = connection_of(config, name)?;
        let sent = SentRun { export, connection, run: &run, opened: &opened, holder };
        MembersThere { sent, members: &merged.members }.remark(env, reads_from, &mut report).await;
    }
    if !report.rows.add_up() {
        return Err(Error::new(Kind::Bug, run_id, format!("rows do not add up: {:?}", report.rows)));
    }
    if report.rows.rejected > 0 {
        let file = rejects.finish()?;
        store.put_file(&keys::of_run(run_id, "rejects.csv"), &file, PutMode::Overwrite).await?;
    }
    let report = write(store, export, report).await?;
    close(env, name, request, holder).await?;
    Ok(report)
}

/// Why the run did not come to its end. One that a person has stopped says so, whatever else happened.
async fn failed(store: &impl Store, request: &RunRequest, failure: Option<Failure>) -> Result<Option<Failed>> {
    let failure = match failure {
        None | Some(Failure { kind: Kind::Interrupted, .. }) if is_stopped(store, &request.run_id).await? => {
            Some(Failure::of(&stopped(&request.export).at("run")))
        }
        failure => failure,
    };
    Ok(failure.map(Failed::from))
}

/// What came of merging a run's results into the state.
#[derive(Default)]
struct Merged {
    totals: Totals,
    /// The members of each of the run's segments.
    members: Vec<MemberCount>,
    /// How many contacts keep their addresses, as another has the new one or nobody is to be sent under it.
    apart: Apart,
    /// What can no longer be known of the run.
    lost: Vec<String>,
}

impl Merged {
    /// What the report says of it.
    fn sums(&self) -> report::Confirmed {
        let Self { totals, .. } = self;
        let mut warnings = Vec::new();
        if totals.suppressed_late > 0 {
            let people = totals.suppressed_late;
            warnings.push(format!(
                "{people} people were suppressed after they may have been sent; the next run takes them off"
            ));
        }
        warnings.extend(self.apart.warnings());
        report::Confirmed {
            lost: self.lost.clone(),
            delivered: totals.delivered,
            by_segment: totals.delivered_by_segment.clone(),
            refused: totals.refused,
            suppressed: totals.suppressed,
            left: totals.left,
            stayed: totals.stayed,
            opt_outs: totals.opt_outs,
            opt_outs_of_refused: totals.opt_outs_of_refused,
            opt_outs_refused: totals.opt_outs_refused,
            opt_outs_suppressed: totals.opt_outs_suppressed,
            requests: totals.sent.requests.clone(),
            warnings,
            ..report::Confirmed::default()
        }
    }
}

/// How a run ends.
struct End {
    /// When, where it does so itself.
    at: Option<Timestamp>,
    /// What stopped it.
    guards: Vec<String>,
}

/// Merges what the run confirmed into the state, with what follows from it: refusals and corrections.
async fn merge_results<W: Environment>(
    env: &W,
    connection: &Connection,
    export: Option<&Export>,
    run: &RunRecord,
    opened: &OpenRecord,
    end: End,
    rejects: &mut RejectsFile,
) -> Result<Merged> {
    let store = env.store();
    let mut totals = Totals { sent: opened.sent.clone(), ..Totals::default() };
    let digester = digester(env, connection).await?;
    let mut results = RunResults::of(store, run, opened, export.zip(Some(&digester))).await?;
    results.guards = end.guards;
    let has_rows = run.chunks.iter().any(|chunk| chunk.operation != Operation::Leave && !chunk.opt_outs);
    results.sent_at = end.at.or(results.sent_at).filter(|_| has_rows);
    let destination = env.destination(connection.api);
    let lasts = destination.refusals_last();
    let before = refusals::EarlierRefusals::of(store, run).await?;
    if lasts.is_some() {
        let known = KnownContacts::new(|_| ProfileKey::default(), []);
        results.protocol = Some(destination.protocol(&run.fields, &opened.setup, known)?);
        totals.refused_before = before.profiles();
    }
    let members = merge(&results, &digester, &mut totals, rejects).await?;
    if let Some(lasts) = lasts {
        before.write(store, run, &totals, lasts, env.clock().now()).await?;
    }
    for segment in &run.segments {
        write_corrections(store, run, segment, &totals.delivered_again).await?;
    }
    let lost = totals.lost.warnings(&run.request.export).collect();
    let apart = results.addresses.apart();
    Ok(Merged { totals, members, apart, lost })
}

/// By the state key, which who ends a run may have without the API key.
async fn digester<W: Environment>(env: &W, connection: &Connection) -> Result<Digester> {
    let (name, secret) = (&connection.name, &connection.secret);
    let key = match env.secrets().secrets(name, secret, Freshness::MayBeKept).await {
        Ok(secrets) => secrets.state_key,
        Err(error) => env.secrets().state_key(name, secret).await.ok().flatten().ok_or(error)?,
    };
    Digester::new(key.expose_secret())
}

/// Lists the run and writes the report; its JSON last, which says that the run is finished. Where another call has finished the run
/// meanwhile, its report is the one that stays.
async fn write(store: &impl Store, export: Option<&Export>, mut report: Report) -> Result<Report> {
    history::enter(store, export, &mut report).await;
    write_page(store, &report).await?;
    let key = keys::of_run(&report.run_id, "report.json");
    if write_json_if(store, &key, &report, PutMode::Create).await? {
        return Ok(report);
    }
    let Some(mut first) = read_json::<Report>(store, &key).await? else { return Ok(report) };
    history::enter(store, export, &mut first).await;
    write_page(store, &first).await?;
    Ok(first)
}

async fn write_page(store: &impl Store, report: &Report) -> Result<()> {
    let page = html::page(report);
    store.put(&keys::of_run(&report.run_id, "report.html"), page.into(), PutMode::Overwrite).await?;
    Ok(())
}

/// Rejects that prepare found.
async fn found_rejects(store: &impl Store, run: &RunRecord, rejects: &mut RejectsFile) -> Result<()> {
    for part in 0..run.reject_parts {
        let key = keys::of_run(&run.request.run_id, &format!("rejects/{part:06}.ndjson"));
        let Some(object) = store.get(&key).await? else { continue };
        for line in String::from_utf8_lossy(&object.body).lines() {
            rejects.line(line)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    use crate::ports::Memory;

    #[tokio::test]
    async fn of_two_reports_of_a_run_the_first_stays() {
        let store = Memory::default();
        let request = RunRequest::new("20261125T000000Z-news-00000000", "news", crate::run::Trigger::Command);
        let run = RunRecord::begin(&request, "eu", String::new(), Vec::new(), Vec::new(), Timestamp::UNIX_EPOCH);
        let failed = Failed { kind: Kind::OutOfTime, message: "too late".into() };
        let report = |error| Report::of(&run, report::Confirmed::default(), error, Timestamp::UNIX_EPOCH);
        let text = async |key: &str| {
            let body = store.get(key).await.unwrap().unwrap().body;
            String::from_utf8(body.to_vec()).unwrap()
        };
        let first = write(&store, None, report(None)).await.unwrap();
        assert_eq!(write(&store, None, report(Some(failed))).await.unwrap().outcome, first.outcome);
        let page = keys::of_run(&first.run_id, "report.html");
        assert!(!text(&page).await.contains("too late"));
        assert!(!text(keys::LISTED).await.contains("\"failed\""));
    }
}
