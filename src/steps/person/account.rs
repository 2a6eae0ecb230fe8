//! What the accounts hold of a person.

use serde::Serialize;

use super::turn::Turn;
use super::{Holding, Sought};
use crate::config::{Config, Connection};
use crate::destination::{Census, People, PersonSought};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::steps::environment::Environment;
use crate::steps::quiet::quiet_until;
use crate::steps::session::Session;
use crate::steps::turn::{at_lowest_rate, note_end};

/// What an account holds of a person.
#[derive(Clone, Debug, Serialize)]
pub struct ContactStatus {
    pub connection: String,
    /// The contact's id; none where nobody has the address.
    pub contact_id: Option<String>,
    /// Whether the contact opted out, where the account says so.
    pub opted_out: Option<bool>,
}

/// Asks the account of every connection that has a state what it holds of a person, in the connection's turn: an entry for
/// each contact, or one that says that there is none. Notes in `holdings` which marks the contacts have.
///
/// # Errors
/// Kind `unavailable`, where a run has a connection; those of the session.
pub async fn ask_accounts<E: Environment>(
    env: &E,
    config: &Config,
    holdings: &mut [Holding],
    sought: &Sought,
) -> Result<Vec<ContactStatus>> {
    let mut connections = Vec::new();
    for connection in used(config, holdings) {
        connections.push(at_lowest_rate(env.store(), config, connection).await?);
    }
    let turn =
        Turn::take(env, "person", connections.iter().map(|connection| connection.name.clone()).collect()).await?;
    let asking = async {
        let mut all = Vec::new();
        for connection in &connections {
            all.extend(ask(env, connection, &turn, sought, holdings).await?);
        }
        Ok(all)
    };
    let asked = asking.await;
    turn.end(asked).await
}

async fn ask<E: Environment>(
    env: &E,
    connection: &Connection,
    turn: &Turn<'_, E>,
    sought: &Sought,
    holdings: &mut [Holding],
) -> Result<Vec<ContactStatus>> {
    let people = people(env, connection)?;
    let mut own: Vec<&mut Holding> =
        holdings.iter_mut().filter(|holding| holding.connection.as_deref() == Some(&connection.name)).collect();
    let targets: Vec<MembershipTarget> =
        own.iter().flat_map(|holding| &holding.segments).map(|segment| segment.target.clone()).collect();
    let accounts: Vec<String> = own.iter().map(|holding| holding.account.clone()).collect();
    let ids: Vec<String> = own.iter().filter_map(|holding| holding.contact_id.clone()).collect();
    let mut session = session(env, connection, turn).await?;
    let looking = async {
        check_accounts(env, connection, &mut session, &accounts).await?;
        people.look_up(&mut session, PersonSought { email: &sought.email, ids: &ids }, &targets).await
    };
    let found = looking.await;
    note_end(env, connection, turn.holder()).await?;
    let found = found?;
    if let Some(there) = found.first().filter(|_| !proves_ids(env, connection)) {
        let is_there = |id: &String| found.iter().any(|there| there.id == *id);
        let wrong = own.iter_mut().filter_map(|holding| holding.contact_id.as_mut()).filter(|id| !is_there(id));
        wrong.for_each(|id| id.clone_from(&there.id));
    }
    let segments = own.iter_mut().flat_map(|holding| &mut holding.segments);
    segments.enumerate().for_each(|(n, segment)| {
        let is_marked = found.iter().any(|there| there.marked.get(n) == Some(&true));
        segment.marked_there = (segment.target != MembershipTarget::None).then_some(is_marked);
    });
    let status = |contact_id, opted_out| ContactStatus { connection: connection.name.clone(), contact_id, opted_out };
    Ok(match found.is_empty() {
        true => vec![status(None, None)],
        false => found.into_iter().map(|there| status(Some(there.id), there.opted_out)).collect(),
    })
}

/// The connections of the exports that have a state.
pub(super) fn used<'c>(config: &'c Config, holdings: &[Holding]) -> Vec<&'c Connection> {
    let is_used = |name: &String| holdings.iter().any(|holding| holding.connection.as_ref() == Some(name));
    config.connections.iter().filter(|(name, _)| is_used(name)).map(|(_, connection)| connection).collect()
}

pub(super) fn people<'e, E: Environment>(env: &'e E, connection: &Connection) -> Result<&'e dyn People> {
    let destination = env.destination(connection.api);
    destination.people().ok_or_else(|| {
        Error::new(Kind::BadRequest, destination.name(), "cannot be asked for one person").hint("look there by hand")
    })
}

/// Whether a contact's id in the state is that of the person for certain.
pub(super) fn proves_ids<E: Environment>(env: &E, connection: &Connection) -> bool {
    env.destination(connection.api).census().is_none_or(Census::proves_ids)
}

/// Checks that the key opens the accounts that the states are of: in another, the address may be somebody else's.
pub(super) async fn check_accounts<E: Environment>(
    env: &E,
    connection: &Connection,
    session: &mut Session<'_, E>,
    accounts: &[String],
) -> Result<()> {
    let destination = env.destination(connection.api);
    let account = destination.survey(session).await?;
    match accounts.iter().all(|known| account.is(known)) {
        true => Ok(()),
        false => {
            let problem = "the key opens another account than the one that the exports of this connection were sent to";
            Err(Error::new(Kind::Access, destination.name(), problem)
                .hint("give the connection a key of that account, and try again"))
        }
    }
}

/// Begins to speak through a connection.
pub(super) async fn session<'e, E: Environment>(
    env: &'e E,
    connection: &'e Connection,
    turn: &Turn<'_, E>,
) -> Result<Session<'e, E>> {
    let from = quiet_until(env, connection, turn.holder()).await?;
    Session::new(env, connection, from).await
}
