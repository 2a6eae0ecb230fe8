//! The canary: a few joiners are sent ahead, each way in turn, and the list is read back, to learn the cheapest way
//! onto a list that this account honours.

use super::ask::Asker;
use super::open::OpenRecord;
use super::{read_json, write_json};
use crate::delivery::call::{Answer, Call, Reply};
use crate::delivery::lane::{Way, with_list};
use crate::delivery::row::{self, Errand, Row};
use crate::error::Result;
use crate::plan::deal::Chunk;
use crate::ports::{Store, World};
use crate::run::{Learnt, RunRecord, keys};
use crate::state::Marked;

/// Fewer joiners than this are put on their list one by one: that costs less than to learn.
const WORTH_IT: u64 = 8;
/// How many joiners are looked at for one that exists and one that does not; no other is sent ahead.
pub(super) const CANARY_ROWS: u32 = 6;

/// The way onto lists that was learnt of this account before.
pub(super) async fn learnt(store: &impl Store, connection: &str, account: &str) -> Result<Option<Way>> {
    let learnt: Option<Learnt> = read_json(store, &keys::learnt(connection)).await?;
    Ok(learnt.filter(|learnt| learnt.account == account).map(|learnt| learnt.way))
}

/// The chunk whose first [`CANARY_ROWS`] rows are to be sent ahead; none where it is not worth it.
pub(super) fn chunk(run: &RunRecord, marked: &[Marked]) -> Option<usize> {
    let joins = |chunk: &Chunk| {
        chunk.errand == Errand::Joiner && matches!(marked.get(chunk.segment), Some(Marked::List { .. }))
    };
    let joining = || run.chunks.iter().enumerate().filter(|(_, chunk)| joins(chunk));
    let joiners: u64 = joining().map(|(_, chunk)| u64::from(chunk.rows)).sum();
    let (number, _) = joining().max_by_key(|(_, chunk)| chunk.rows).filter(|_| joiners >= WORTH_IT)?;
    Some(number)
}

/// Learns the way onto lists from rows of this chunk.
pub(super) async fn learn<W: World>(
    world: &W,
    asker: &mut Asker<'_, W>,
    run: &RunRecord,
    chunk: usize,
    opened: &mut OpenRecord,
) -> Result<()> {
    let (store, run_id) = (world.store(), run.request.run_id.as_str());
    let Some(chunk) = run.chunks.get(chunk) else { return Ok(()) };
    let Some(Marked::List { id: list, .. }) = opened.marked.get(chunk.segment) else { return Ok(()) };
    let key = keys::of_run(run_id, &chunk.name);
    let Some(object) = store.get(&key).await? else { return Ok(()) };
    let rows = row::read(&key, &object.body, 0, CANARY_ROWS as usize)?;
    match play(asker, list, rows).await? {
        Some(way) => {
            opened.way = way;
            let learnt = Learnt { account: opened.account.clone(), way, at: world.clock().now() };
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
async fn play<W: World>(asker: &mut Asker<'_, W>, list: &str, rows: Vec<Row>) -> Result<Option<Way>> {
    let mut candidates = look(asker, list, rows).await?;
    for way in [Way::Bulk, Way::Single] {
        // A contact that is to be new and one that exists: the second newcomer is made to exist, where none did.
        if candidates.existing.is_empty()
            && candidates.new.len() > 1
            && let Some(row) = candidates.new.pop()
        {
            send(asker, Way::BulkThenList, list, &[&row]).await?;
            candidates.existing.extend(exists(asker, &row).await?.then_some(row));
        }
        let (new, existing) = (candidates.new.pop(), candidates.existing.pop());
        let sent: Vec<&Row> = new.iter().chain(&existing).collect();
        if existing.is_none() {
            return Ok(None);
        }
        send(asker, way, list, &sent).await?;
        let mut arrived = 0;
        for row in &sent {
            arrived += usize::from(is_member(asker, list, row).await?);
        }
        if arrived == sent.len() {
            return Ok(Some(way));
        }
        // Whoever did not arrive can be tried the next way, unless the row itself was lost.
        for row in new.into_iter().chain(existing) {
            if !is_member(asker, list, &row).await? && exists(asker, &row).await? {
                candidates.existing.push(row);
            }
        }
    }
    Ok(Some(Way::BulkThenList))
}

async fn look<W: World>(asker: &mut Asker<'_, W>, list: &str, rows: Vec<Row>) -> Result<Candidates> {
    let mut found = Candidates::default();
    let mut rows = rows.into_iter();
    while found.new.len() < 2 || found.existing.is_empty() {
        let Some(row) = rows.next() else { break };
        match asker.ask(Call::Contact { contact: row.email.to_string() }).await? {
            Answer::NotFound => found.new.push(row),
            Answer::Done(Reply::Contact { lists: Some(lists), .. }) if lists.iter().any(|id| id == list) => {}
            Answer::Done(Reply::Contact { lists: None, .. }) if is_member(asker, list, &row).await? => {}
            Answer::Done(_) => found.existing.push(row),
            _ => {}
        }
    }
    Ok(found)
}

async fn exists<W: World>(asker: &mut Asker<'_, W>, row: &Row) -> Result<bool> {
    Ok(matches!(asker.ask(Call::Contact { contact: row.email.to_string() }).await?, Answer::Done(_)))
}

async fn is_member<W: World>(asker: &mut Asker<'_, W>, list: &str, row: &Row) -> Result<bool> {
    let call = Call::Member { list: list.into(), contact: row.email.to_string() };
    Ok(matches!(asker.ask(call).await?, Answer::Done(_)))
}

async fn send<W: World>(asker: &mut Asker<'_, W>, way: Way, list: &str, rows: &[&Row]) -> Result<()> {
    match way {
        Way::Bulk | Way::BulkThenList => {
            let bodies: Vec<String> = rows
                .iter()
                .map(|row| if way == Way::Bulk { with_list(&row.body, list) } else { row.body.to_string() })
                .collect();
            let body = format!(r#"{{"contacts":[{}]}}"#, bodies.join(","));
            asker.ask(Call::UpsertMany { body: body.into(), rows: rows.len() }).await?;
        }
        Way::Single => {
            for row in rows {
                let body = format!(r#"{{"contact":{}}}"#, with_list(&row.body, list));
                asker.ask(Call::UpsertOne { body: body.into() }).await?;
            }
        }
    }
    Ok(())
}
