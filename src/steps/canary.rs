//! The canary: a few joiners are sent ahead, each way in turn, and the list is read back, to learn the cheapest way
//! onto a list that this account honours.

use super::ask::Asker;
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
/// How many joiners are looked at for one that exists and one that does not.
const LOOK_AT: usize = 6;

/// The way onto lists for this run.
pub(super) async fn learn<W: World>(
    world: &W,
    asker: &mut Asker<'_, W>,
    run: &RunRecord,
    account: &str,
    marked: &[Marked],
    warnings: &mut Vec<String>,
) -> Result<Way> {
    let joins = |chunk: &&Chunk| {
        chunk.errand == Errand::Joiner && matches!(marked.get(chunk.segment), Some(Marked::List { .. }))
    };
    let joiners: u64 = run.chunks.iter().filter(joins).map(|chunk| u64::from(chunk.rows)).sum();
    let key = keys::learnt(&run.connection);
    if let Some(learnt) = read_json::<Learnt>(world.store(), &key).await?
        && learnt.account == account
    {
        return Ok(learnt.way);
    }
    let largest = run.chunks.iter().filter(joins).max_by_key(|chunk| chunk.rows);
    let (Some(chunk), true) = (largest, joiners >= WORTH_IT) else { return Ok(Way::BulkThenList) };
    let Some(Marked::List { id: list, .. }) = marked.get(chunk.segment) else { return Ok(Way::BulkThenList) };
    let rows = first_rows(world.store(), &run.request.run_id, chunk).await?;
    let way = play(asker, list, rows).await?;
    match way {
        Some(way) => {
            let learnt = Learnt { account: account.into(), way, at: world.clock().now() };
            write_json(world.store(), &key, &learnt).await?;
            Ok(way)
        }
        None => {
            warnings.push("the canary found no joiners to learn from; they are put on their list one by one".into());
            Ok(Way::BulkThenList)
        }
    }
}

async fn first_rows(store: &impl Store, run_id: &str, chunk: &Chunk) -> Result<Vec<Row>> {
    let key = keys::of_run(run_id, &chunk.name);
    let Some(object) = store.get(&key).await? else { return Ok(Vec::new()) };
    row::read(&key, &String::from_utf8_lossy(&object.body), 0, 2 * LOOK_AT)
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
    let mut rows = rows.into_iter().take(LOOK_AT);
    while found.new.len() < 2 || found.existing.is_empty() {
        let Some(row) = rows.next() else { break };
        match asker.ask(Call::Contact { contact: row.email.clone() }).await? {
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
    Ok(matches!(asker.ask(Call::Contact { contact: row.email.clone() }).await?, Answer::Done(_)))
}

async fn is_member<W: World>(asker: &mut Asker<'_, W>, list: &str, row: &Row) -> Result<bool> {
    let call = Call::Member { list: list.into(), contact: row.email.clone() };
    Ok(matches!(asker.ask(call).await?, Answer::Done(_)))
}

async fn send<W: World>(asker: &mut Asker<'_, W>, way: Way, list: &str, rows: &[&Row]) -> Result<()> {
    match way {
        Way::Bulk | Way::BulkThenList => {
            let bodies: Vec<String> = rows
                .iter()
                .map(|row| if way == Way::Bulk { with_list(&row.body, list) } else { row.body.clone() })
                .collect();
            let body = format!(r#"{{"contacts":[{}]}}"#, bodies.join(","));
            asker.ask(Call::UpsertMany { body, rows: rows.len() }).await?;
        }
        Way::Single => {
            for row in rows {
                let body = format!(r#"{{"contact":{}}}"#, with_list(&row.body, list));
                asker.ask(Call::UpsertOne { body }).await?;
            }
        }
    }
    Ok(())
}
