//! reconcile: compares the state with what the account holds, segment by segment; takes it over where that is asked for.

mod adopt;
mod compare;
mod files;
mod found_history;
mod index;
mod mode;
mod spool;

use secrecy::ExposeSecret;

use compare::Comparison;
use files::Rows;

pub use mode::Mode;

use crate::config::{Config, Connection, Export, Segment, export_of};
use crate::error::{AtStage, Error, Kind, Result};
use crate::membership::Membership;
use crate::ports::{Freshness, PutMode, SecretSource, Store};
use crate::report::{self, Failed, Outcome, Report, html};
use crate::run::{RunRecord, RunRequest, keys};
use crate::state::{Digester, FORMAT, Header};
use crate::steps::cancel::Cancellation;
use crate::steps::documents::write_json_if;
use crate::steps::environment::Environment;
use crate::steps::erased::erased;
use crate::steps::failure::Failure;
use crate::steps::lease::with_lease;
use crate::steps::opt_outs::OptOuts;
use crate::steps::prepare::recovery::{Recovery, finish_abandoned};
use crate::steps::quiet::quiet_until;
use crate::steps::session::Session;
use crate::steps::turn;
use crate::steps::unfinished::unfinished;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct ReconcileRequest<'a> {
    /// The export, and the id of the run that the comparison is.
    pub run: &'a RunRequest,
    /// Only this segment.
    pub segment: Option<&'a str>,
    /// What becomes of differences.
    pub mode: Mode,
}

/// Compares an export's state with its account, in the turn and at the pace of its connection. Gives the report, which is
/// written.
///
/// # Errors
/// Kind `bad_request` for a name that is unknown; `unavailable`, where a run has the connection; those of the store. What
/// goes wrong later is in the report.
pub async fn reconcile<E: Environment>(
    env: &E,
    config: &Config,
    asked: ReconcileRequest<'_>,
    stop: &Cancellation,
) -> Result<Report> {
    in_turn(env, config, asked, stop).await.at("reconcile")
}

async fn in_turn<E: Environment>(
    env: &E,
    config: &Config,
    asked: ReconcileRequest<'_>,
    stop: &Cancellation,
) -> Result<Report> {
    let (export, connection) = export_of(config, &asked.run.export)?;
    let segments = chosen(export, asked.segment)?;
    let run_id = asked.run.run_id.as_str();
    if !turn::take(env, &connection.name, run_id).await? {
        let problem = "a run has the connection, or its account";
        return Err(Error::new(Kind::Unavailable, connection.title(), problem).hint("try again once it has ended"));
    }
    let done = report_of(env, (config, export, connection), asked, &segments, stop).await;
    turn::release(env, &connection.name, run_id).await?;
    done
}

/// The segments that are compared.
fn chosen<'c>(export: &'c Export, name: Option<&str>) -> Result<Vec<&'c Segment>> {
    let is_chosen = |segment: &&Segment| name.is_none_or(|name| segment.name == name);
    let segments: Vec<&Segment> = export.segments.iter().filter(is_chosen).collect();
    match name {
        Some(name) if segments.is_empty() => {
            let names: Vec<&str> = export.segments.iter().map(|segment| segment.name.as_str()).collect();
            Err(Error::new(Kind::BadRequest, name, "unknown segment")
                .hint(format!("name one of: {}", names.join(", "))))
        }
        _ => Ok(segments),
    }
}

async fn report_of<E: Environment>(
    env: &E,
    (config, export, connection): (&Config, &Export, &Connection),
    asked: ReconcileRequest<'_>,
    segments: &[&Segment],
    stop: &Cancellation,
) -> Result<Report> {
    let (store, run_id) = (env.store(), asked.run.run_id.as_str());
    let began = env.clock().now();
    let digest = config.digest(&export.name);
    let run = RunRecord::begin(asked.run, &connection.name, digest, Vec::new(), Vec::new(), began);
    let mut sums = report::Confirmed::default();
    let mut reconciled = Vec::new();
    let comparing = compare_all(env, (config, export, connection), asked, segments, (&mut sums, &mut reconciled));
    let compared = tokio::select! {
        biased;
        () = stop.cancelled() => Err(Error::new(Kind::Interrupted, &export.name, "was interrupted").hint("reconcile again")),
        compared = with_lease(env, config, asked.run, comparing) => compared,
    };
    let error = compared.at("reconcile").err().map(|error| Failure::of(&error));
    let error = error.map(|failure| Failed { kind: failure.kind, message: failure.message });
    let mut report = Report::of(&run, sums, error, env.clock().now());
    report.reconciled = reconciled;
    if report.error.is_none() {
        let differences: u64 = report.reconciled.iter().map(report::Reconciled::differences).sum();
        report.outcome = match asked.mode {
            Mode::Adopt => Outcome::Succeeded,
            _ if differences > 0 => Outcome::DifferencesFound,
            _ => Outcome::NothingToDo,
        };
    }
    let page = html::page(&report);
    store.put(&keys::of_run(run_id, "report.html"), page.into(), PutMode::Overwrite).await?;
    write_json_if(store, &keys::of_run(run_id, "report.json"), &report, PutMode::Create).await?;
    Ok(report)
}

/// Sees to it that the state holds what an earlier run confirmed that never reached its end. Gives what can no longer be
/// known of it.
async fn end_earlier_run<E: Environment>(
    env: &E,
    config: &Config,
    connection: &Connection,
    asked: ReconcileRequest<'_>,
) -> Result<Vec<String>> {
    let export = &asked.run.export;
    match asked.mode {
        Mode::Look => {
            let Some(run) = unfinished(env.store(), export).await? else { return Ok(Vec::new()) };
            let problem = "has not reached its end: what it confirmed is not in the state";
            Err(Error::new(Kind::Unavailable, run, problem).hint("run the export first"))
        }
        Mode::Adopt | Mode::Repair => {
            let objects = env.store().list(&keys::runs(export)).await?;
            if let Recovery::Done { lost, .. } = finish_abandoned(env, config, connection, asked.run, &objects).await? {
                return Ok(lost);
            }
            let problem = "another run has the connection of a run that never reached its end";
            Err(Error::new(Kind::Unavailable, export, problem).hint("try again once it has ended"))
        }
    }
}

/// Compares every segment, and writes the files.
async fn compare_all<E: Environment>(
    env: &E,
    (config, export, connection): (&Config, &Export, &Connection),
    asked: ReconcileRequest<'_>,
    segments: &[&Segment],
    (sums, reconciled): (&mut report::Confirmed, &mut Vec<report::Reconciled>),
) -> Result<()> {
    let (store, run_id) = (env.store(), asked.run.run_id.as_str());
    let destination = env.destination(connection.api);
    let no_census = || {
        Error::new(Kind::Config, destination.name(), "does not tell who has a list or tag")
            .hint("nothing; what was sent is in the reports")
    };
    let census = destination.census().ok_or_else(no_census)?;
    sums.warnings.extend(end_earlier_run(env, config, connection, asked).await?);
    let secrets = env.secrets().secrets(&connection.name, &connection.secret, Freshness::MayBeKept).await?;
    let fingerprint = Digester::new(secrets.state_key.expose_secret())?.fingerprint();
    let connection = &turn::at_lowest_rate(store, config, connection).await?;
    let from = quiet_until(env, connection, run_id).await?;
    let mut session = Session::new(env, connection, from).await?;
    let now = env.clock().now();
    let mut comparison = Comparison {
        env,
        connection,
        census,
        session: &mut session,
        now,
        mode: asked.mode,
        export: &export.name,
        run_id,
        rows: Rows::of_differences()?,
        returns: Rows::of_opt_outs()?,
        opt_outs: OptOuts::of(store, &connection.name).await?,
        erased: erased(store).await?,
        seen: Default::default(),
    };
    let comparing = async {
        let account = destination.survey(comparison.session).await?;
        comparison.session.expect_account(account.id());
        comparison.session.take_turn(config, account.id(), run_id).await?;
        for segment in segments {
            if segment.membership == Membership::None {
                sums.warnings
                    .push(format!("{}: its members are not marked, so nobody can tell who is one", segment.name));
                continue;
            }
            let empty = Header {
                format: FORMAT,
                account: account.id().to_owned(),
                key_fingerprint: fingerprint.clone(),
                segments: Vec::new(),
            };
            reconciled.push(comparison.segment(segment, account.as_ref(), empty).await?);
        }
        comparison.ask_of_others().await
    };
    let compared = comparing.await;
    let Comparison { rows, returns, opt_outs, .. } = comparison;
    sums.requests = session.sent.requests.clone();
    sums.requests.peak_per_second = session.sent.seconds.peak();
    turn::note_end(env, connection, run_id).await?;
    compared?;
    opt_outs.write(store, &connection.name).await?;
    if returns.count > 0 {
        let key = keys::returns(&export.name, now);
        store.put_file(&key, &returns.finish()?, PutMode::Overwrite).await?;
    }
    if rows.count > 0 {
        store.put_file(&keys::of_run(run_id, keys::DIFFERENCES), &rows.finish()?, PutMode::Overwrite).await?;
    }
    Ok(())
}
