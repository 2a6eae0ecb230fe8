//! Out of everything: the lists, the state, what runs left behind, and what later drops may bring.
//!
//! The order matters where the command dies and is given once more. The digest comes first, so that no run in between
//! brings the person back; the account before the state, which knows the contact.

use jiff::Timestamp;
use serde::Serialize;

use super::account::{check_accounts, people, session, used};
use super::needles::Needles;
use super::scrub::{Person, Scrubbed, scrub};
use super::turn::Turn;
use super::{Holding, Keyring, Sought, held};
use crate::config::{Config, Connection};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::ports::{Event, Store};
use crate::run::{RunRecord, keys};
use crate::steps::documents::read_json;
use crate::steps::environment::Environment;
use crate::steps::erased;
use crate::steps::failure::Failure;
use crate::steps::finish::finish_under;
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
    /// The marks, by their names.
    pub marks: Vec<String>,
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
    erased::add(env.store(), &keys).await?;
    for export in config.exports.keys() {
        end_unfinished(env, config, export, turn.holder()).await?;
    }
    let holdings = held(env, config, &keyring, sought).await?;
    let (mut taken_off, mut deleted) = (Vec::new(), 0);
    for connection in used(config, &holdings) {
        turn.keep().await?;
        let connection = &at_lowest_rate(env.store(), config, connection).await?;
        let own: Vec<&Holding> =
            holdings.iter().filter(|holding| holding.connection.as_deref() == Some(&connection.name)).collect();
        let (marks, gone) = from_account(env, connection, turn, sought, &own, deletes).await?;
        deleted += u64::from(gone);
        taken_off.push(TakenOff { connection: connection.name.clone(), marks });
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
) -> Result<(Vec<String>, bool)> {
    let people = people(env, connection)?;
    let mut session = session(env, connection, turn).await?;
    let mut marks = Vec::new();
    let working = async {
        let accounts: Vec<String> = holdings.iter().map(|holding| holding.account.clone()).collect();
        check_accounts(env, connection, &mut session, &accounts).await?;
        for holding in holdings {
            let targets: Vec<MembershipTarget> =
                holding.segments.iter().map(|segment| segment.target.clone()).collect();
            people.take_off(&mut session, &sought.email, holding.contact_id.as_deref(), &targets).await?;
            marks.extend(targets.iter().filter_map(|target| match target {
                MembershipTarget::List { title, .. } => Some(format!("list {title}")),
                MembershipTarget::Tag(name) => Some(format!("tag {name}")),
                MembershipTarget::Field(name) => Some(format!("field {name}")),
                MembershipTarget::None => None,
            }));
        }
        if deletes { people.delete(&mut session, &sought.email).await } else { Ok(false) }
    };
    let worked = working.await;
    note_end(env, connection, turn.holder()).await?;
    worked.map(|gone| (marks, gone))
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
    let report = finish_under(env, config, &record.request, Some(Failure::of(&error)), holder).await?;
    report.lost.iter().for_each(|lost| env.observer().notify(Event::Warns(lost)));
    Ok(())
}
