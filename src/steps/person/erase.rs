//! Out of everything: the lists, the state, what runs left behind, and what later drops may bring.
//!
//! The order matters where the command dies and is given once more. The digest comes first, so that no run in between
//! brings the person back; the account before the state, which knows the contact.

use jiff::Timestamp;
use serde::Serialize;

use super::account::{check_accounts, people, proves_ids, session, used};
use super::needles::Needles;
use super::scrub::{Person, Scrubbed, scrub};
use super::turn::Turn;
use super::{Holding, Keyring, Sought, held};
use crate::config::{Config, Connection};
use crate::destination::PersonSought;
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::ports::{Event, Store};
use crate::run::{RunRecord, keys};
use crate::state::MatchId;
use crate::steps::documents::read_json;
use crate::steps::environment::Environment;
use crate::steps::erased;
use crate::steps::failure::Failure;
use crate::steps::finish::{doubt_unseen, finish_under};
use crate::steps::turn::{at_lowest_rate, note_end};
use crate::steps::unfinished::unfinished;

/// What an erasure did. No personal data.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// When it was done.
    pub at: Timestamp,
    /// The exports whose state held the person.
    pub exports: Vec<String>,
    /// The connections whose account was asked to take the person off, and the marks.
    pub taken_off: Vec<TakenOff>,
    /// How many contacts were deleted; none where that was not asked for.
    pub contacts_deleted: Option<u64>,
    /// What became of the store's objects.
    #[serde(flatten)]
    pub scrubbed: Scrubbed,
}

/// Marks of an account that the person does not have any longer.
#[derive(Clone, Debug, Serialize)]
pub struct TakenOff {
    pub connection: String,
    /// How many contacts of the person were found.
    pub contacts_found: u64,
    /// The marks, by their names; none where nobody was found.
    pub marks: Vec<String>,
    /// The state's contacts of the person that were not found under the address, and stay as they are.
    pub contacts_not_found: Vec<String>,
    /// How many contacts were deleted.
    #[serde(skip)]
    deleted: u64,
}

/// Erases a person: from now on no export of the store sends them.
///
/// # Errors
/// Kind `unavailable`, where a run has a connection; those of the store and of the session. Given once more, the command
/// ends as if it had never stopped.
pub async fn erase<E: Environment>(env: &E, config: &Config, sought: &Sought, deletes: bool) -> Result<Receipt> {
    let names = config.connections.keys().cloned().collect();
    let turn = Turn::take(env, "erase", names).await?;
    let erased = erase_under(env, config, &turn, sought, deletes).await;
    turn.end(erased).await
}

async fn erase_under<E: Environment>(
    env: &E,
    config: &Config,
    turn: &Turn<'_, E>,
    sought: &Sought,
    deletes: bool,
) -> Result<Receipt> {
    let keyring = Keyring::of(env, config).await?;
    let keys = keyring.keys(sought);
    if keys.is_empty() {
        return Err(Error::new(
            Kind::Config,
            "erase",
            "the store has no state key, so no digest can keep the person out",
        )
        .hint("name the store with --store"));
    }
    erased::add(env.store(), &keys, &[]).await?;
    for export in config.exports.keys() {
        end_unfinished(env, config, export, turn.holder()).await?;
    }
    let holdings = held(env, config, &keyring, sought).await?;
    let ids: Vec<MatchId> = holdings.iter().filter_map(|holding| holding.match_id).collect();
    erased::add(env.store(), &keys, &ids).await?;
    let (mut taken_off, mut deleted) = (Vec::new(), 0);
    for connection in used(config, &holdings) {
        turn.keep().await?;
        let connection = &at_lowest_rate(env.store(), config, connection).await?;
        let own: Vec<&Holding> =
            holdings.iter().filter(|holding| holding.connection.as_deref() == Some(&connection.name)).collect();
        let off = from_account(env, connection, turn, sought, &own, deletes).await?;
        deleted += off.deleted;
        taken_off.push(off);
    }
    let needles = Needles::new(sought, &keys);
    let scrubbed = scrub(env, config, turn, Person { needles: &needles, keys: &keys }).await?;
    Ok(Receipt {
        at: env.clock().now(),
        exports: holdings.into_iter().filter(|holding| holding.held).map(|holding| holding.export).collect(),
        taken_off,
        contacts_deleted: deletes.then_some(deleted),
        scrubbed,
    })
}

/// Takes the person off the marks of an account's exports, and deletes the contact where that is asked for.
async fn from_account<E: Environment>(
    env: &E,
    connection: &Connection,
    turn: &Turn<'_, E>,
    sought: &Sought,
    holdings: &[&Holding],
    deletes: bool,
) -> Result<TakenOff> {
    let people = people(env, connection)?;
    let mut session = session(env, connection, turn).await?;
    let ids: Vec<String> = holdings.iter().filter_map(|holding| holding.contact_id.clone()).collect();
    let targets: Vec<MembershipTarget> =
        holdings.iter().flat_map(|holding| &holding.segments).map(|segment| segment.target.clone()).collect();
    let working = async {
        let accounts: Vec<String> = holdings.iter().map(|holding| holding.account.clone()).collect();
        check_accounts(env, connection, &mut session, &accounts).await?;
        let person = PersonSought { email: &sought.email, ids: &ids };
        let off = people.take_off(&mut session, person, &targets).await?;
        let deleted = if deletes { people.delete(&mut session, person).await? } else { Vec::new() };
        Ok((off, deleted))
    };
    let worked = working.await;
    note_end(env, connection, turn.holder()).await?;
    let (off, deleted) = worked?;
    // Where an id of the state may be somebody else's, one that was found by its address is all there is.
    let is_whole = !off.is_empty() && !proves_ids(env, connection);
    let is_found = |id: &String| is_whole || if deletes { deleted.contains(id) } else { off.contains(id) };
    let mut contacts_not_found: Vec<String> = ids.into_iter().filter(|id| !is_found(id)).collect();
    contacts_not_found.sort_unstable();
    contacts_not_found.dedup();
    Ok(TakenOff {
        connection: connection.name.clone(),
        contacts_found: off.len() as u64,
        marks: if off.is_empty() { Vec::new() } else { targets.iter().filter_map(name).collect() },
        contacts_not_found,
        deleted: deleted.len() as u64,
    })
}

fn name(target: &MembershipTarget) -> Option<String> {
    match target {
        MembershipTarget::List { title, .. } => Some(format!("list {title}")),
        MembershipTarget::Tag(name) => Some(format!("tag {name}")),
        MembershipTarget::Field(name) => Some(format!("field {name}")),
        MembershipTarget::None => None,
    }
}

/// Ends a run that never reached its end: its rows are among what is looked at then.
async fn end_unfinished<E: Environment>(env: &E, config: &Config, export: &str, holder: &str) -> Result<()> {
    let store = env.store();
    let Some(run) = unfinished(store, export).await? else { return Ok(()) };
    let Some(record) = read_json::<RunRecord>(store, &keys::of_run(&run, "run.json")).await? else {
        return store.delete(&keys::unfinished(export)).await;
    };
    let error = Error::new(Kind::Interrupted, &run, "the run never reached its finish")
        .hint("nothing: what it had confirmed is kept, the rest is sent by the next run")
        .at("finish");
    doubt_unseen(env, config, &record.request, holder).await?;
    let report = finish_under(env, config, &record.request, Some(Failure::of(&error)), holder).await?;
    report.lost.iter().for_each(|lost| env.observer().notify(Event::Warns(lost)));
    Ok(())
}
