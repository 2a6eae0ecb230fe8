//! Reads everything that is to be compared, and stores what was found.

use super::answer_log::AnswerLog;
use super::chosen::{asked, chosen};
use super::compare::Comparison;
use super::files::Rows;
use super::found::Found;
use super::progress::Progress;
use crate::config::{Config, Connection, export_of};
use crate::error::{Error, Kind, Result};
use crate::membership::Membership;
use crate::ports::{PutMode, Store};
use crate::run::{RunRequest, keys};
use crate::steps::environment::Environment;
use crate::steps::erased::erased;
use crate::steps::opt_outs::OptOuts;
use crate::steps::quiet::quiet_until;
use crate::steps::session::Session;
use crate::steps::turn;

/// Compares every segment, and stores what was found.
pub(super) async fn read_all<E: Environment>(
    env: &E,
    config: &Config,
    connection: &Connection,
    request: &RunRequest,
    fingerprint: &str,
    progress: &Progress,
    log: &mut AnswerLog<'_, E::Store>,
) -> Result<Found> {
    let (store, run_id, asked) = (env.store(), request.run_id.as_str(), asked(request)?);
    let (export, _) = export_of(config, &request.export)?;
    let destination = env.destination(connection.api);
    let no_census = || {
        Error::new(Kind::Config, destination.name(), "does not tell who has a list or tag")
            .hint("nothing; what was sent is in the reports")
    };
    let census = destination.census().ok_or_else(no_census)?;
    let proves_ids = census.proves_ids();
    let mut found = Found { warnings: progress.warnings.clone(), proves_ids, ..Found::default() };
    let connection = &turn::at_lowest_rate(store, config, connection).await?;
    let from = quiet_until(env, connection, run_id).await?;
    let mut session = Session::new(env, connection, from).await?;
    let account = destination.survey(&mut session).await?;
    session.expect_account(account.id());
    session.take_turn(config, account.id(), run_id).await?;
    let mut comparison = Comparison {
        env,
        connection,
        census,
        session: &mut session,
        log,
        account: account.id().to_owned(),
        now: progress.began,
        mode: asked.mode,
        export: &export.name,
        run_id,
        rows: Rows::of_differences()?,
        returns: Rows::of_opt_outs()?,
        opt_outs: OptOuts::of(store, &connection.name).await?,
        erased: erased(store).await?,
        seen: Default::default(),
        taken_over: Vec::new(),
    };
    for segment in chosen(export, asked)? {
        if segment.membership == Membership::None {
            found.warnings.push(format!("{}: its members are not marked, so nobody can tell who is one", segment.name));
            continue;
        }
        found.reconciled.push(comparison.segment(segment, account.as_ref(), fingerprint).await?);
    }
    comparison.ask_of_others().await?;
    let requests = comparison.requests();
    comparison.log.count(&requests);
    let Comparison { log, rows, returns, opt_outs, taken_over, account, .. } = comparison;
    turn::note_end(env, connection, run_id).await?;
    if returns.count > 0 {
        let key = keys::returns(&export.name, progress.began);
        store.put_file(&key, &returns.finish()?, PutMode::Overwrite).await?;
    }
    if rows.count > 0 {
        store.put_file(&keys::of_run(run_id, keys::DIFFERENCES), &rows.finish()?, PutMode::Overwrite).await?;
    }
    let found = Found { account, opt_outs, taken_over, requests: log.requests().clone(), ..found };
    found.store(store, run_id).await?;
    Ok(found)
}
