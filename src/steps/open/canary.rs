//! The canary: a few joiners are sent ahead, each way in turn, and the list is read back, to learn the cheapest way
//! onto a list that this account honours.

use crate::chunk::{self, Operation, Row};
use crate::delivery::call::{Call, Payload, Response};
use crate::delivery::lane::{ListStrategy, with_list};
use crate::error::Result;
use crate::plan::lanes::Chunk;
use crate::ports::{Environment, Store};
use crate::run::opening::{CANARY_ROWS, OpenRecord};
use crate::run::{LearnedStrategy, RunRecord, keys};
use crate::state::MembershipTarget;
use crate::steps::documents::{read_json, write_json};
use crate::steps::session::Session;

/// Fewer joiners than this are put on their list one by one: that costs less than to learn.
const WORTH_IT: u64 = 8;
/// The way onto lists that was learnt of this account before.
pub(super) async fn learnt(store: &impl Store, connection: &str, account: &str) -> Result<Option<ListStrategy>> {
    let learnt: Option<LearnedStrategy> = read_json(store, &keys::learnt(connection)).await?;
    Ok(learnt.filter(|learnt| learnt.account == account).map(|learnt| learnt.way))
}

/// The chunk whose first [`CANARY_ROWS`] rows are to be sent ahead; none where it is not worth it.
pub(super) fn chunk(run: &RunRecord, marked: &[MembershipTarget]) -> Option<usize> {
    let joins = |chunk: &Chunk| {
        chunk.operation == Operation::Join && matches!(marked.get(chunk.segment), Some(MembershipTarget::List { .. }))
    };
    let joining = || run.chunks.iter().enumerate().filter(|(_, chunk)| joins(chunk));
    let joiners: u64 = joining().map(|(_, chunk)| u64::from(chunk.rows)).sum();
    let (number, _) = joining().max_by_key(|(_, chunk)| chunk.rows).filter(|_| joiners >= WORTH_IT)?;
    Some(number)
}

/// Learns the way onto lists from rows of this chunk.
pub(super) async fn learn<W: Environment>(
    env: &W,
    session: &mut Session<'_, W>,
    run: &RunRecord,
    chunk: usize,
    opened: &mut OpenRecord,
) -> Result<()> {
    let (store, run_id) = (env.store(), run.request.run_id.as_str());
    let Some(chunk) = run.chunks.get(chunk) else { return Ok(()) };
    let Some(MembershipTarget::List { id: list, .. }) = opened.marked.get(chunk.segment) else { return Ok(()) };
    let key = keys::of_run(run_id, &chunk.name);
    let Some(object) = store.get(&key).await? else { return Ok(()) };
    let rows = chunk::read(&key, &object.body, 0, CANARY_ROWS as usize)?;
    match play(session, list, rows).await? {
        Some(way) => {
            opened.way = way;
            let learnt = LearnedStrategy { account: opened.account.clone(), way, at: env.clock().now() };
            write_json(store, &keys::learnt(&run.connection), &learnt).await?;
        }
        None => {
            let warning = "the canary found no joiners to learn from; they are put on their list one by one";
            opened.warnings.push(warning.into());
        }
    }
    Ok(())
}

/// Joiners that are not on the list yet: those that Autopilot does not know, and those that it does.
#[derive(Debug, Default)]
struct Candidates {
    new: Vec<Row>,
    existing: Vec<Row>,
}

/// Sends candidates each way; `None` where there were none.
async fn play<W: Environment>(
    session: &mut Session<'_, W>,
    list: &str,
    rows: Vec<Row>,
) -> Result<Option<ListStrategy>> {
    let mut candidates = look(session, list, rows).await?;
    for way in [ListStrategy::Bulk, ListStrategy::Single] {
        // A contact that is to be new and one that exists: the second newcomer is made to exist, where none did.
        if candidates.existing.is_empty()
            && candidates.new.len() > 1
            && let Some(row) = candidates.new.pop()
        {
            send(session, ListStrategy::BulkThenList, list, &[&row]).await?;
            candidates.existing.extend(exists(session, &row).await?.then_some(row));
        }
        let (new, existing) = (candidates.new.pop(), candidates.existing.pop());
        let sent: Vec<&Row> = new.iter().chain(&existing).collect();
        if existing.is_none() {
            return Ok(None);
        }
        send(session, way, list, &sent).await?;
        let mut arrived = 0;
        for row in &sent {
            arrived += usize::from(is_member(session, list, row).await?);
        }
        if arrived == sent.len() {
            return Ok(Some(way));
        }
        // Whoever did not arrive can be tried the next way, unless the row itself was lost.
        for row in new.into_iter().chain(existing) {
            if !is_member(session, list, &row).await? && exists(session, &row).await? {
                candidates.existing.push(row);
            }
        }
    }
    Ok(Some(ListStrategy::BulkThenList))
}

async fn look<W: Environment>(session: &mut Session<'_, W>, list: &str, rows: Vec<Row>) -> Result<Candidates> {
    let mut found = Candidates::default();
    let mut rows = rows.into_iter();
    while found.new.len() < 2 || found.existing.is_empty() {
        let Some(row) = rows.next() else { break };
        match session.ask(Call::Contact { contact: row.email.to_string() }).await? {
            Response::NotFound => found.new.push(row),
            Response::Done(Payload::Contact { lists: Some(lists), .. }) if lists.iter().any(|id| id == list) => {}
            Response::Done(Payload::Contact { lists: None, .. }) if is_member(session, list, &row).await? => {}
            Response::Done(_) => found.existing.push(row),
            _ => {}
        }
    }
    Ok(found)
}

async fn exists<W: Environment>(session: &mut Session<'_, W>, row: &Row) -> Result<bool> {
    Ok(matches!(session.ask(Call::Contact { contact: row.email.to_string() }).await?, Response::Done(_)))
}

async fn is_member<W: Environment>(session: &mut Session<'_, W>, list: &str, row: &Row) -> Result<bool> {
    let call = Call::Member { list: list.into(), contact: row.email.to_string() };
    Ok(matches!(session.ask(call).await?, Response::Done(_)))
}

async fn send<W: Environment>(
    session: &mut Session<'_, W>,
    way: ListStrategy,
    list: &str,
    rows: &[&Row],
) -> Result<()> {
    match way {
        ListStrategy::Bulk | ListStrategy::BulkThenList => {
            let bodies: Vec<String> = rows
                .iter()
                .map(|row| if way == ListStrategy::Bulk { with_list(&row.body, list) } else { row.body.to_string() })
                .collect();
            let body = format!(r#"{{"contacts":[{}]}}"#, bodies.join(","));
            session.ask(Call::UpsertMany { body: body.into(), rows: rows.len() }).await?;
        }
        ListStrategy::Single => {
            for row in rows {
                let body = format!(r#"{{"contact":{}}}"#, with_list(&row.body, list));
                session.ask(Call::UpsertOne { body: body.into() }).await?;
            }
        }
    }
    Ok(())
}
