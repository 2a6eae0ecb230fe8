//! Requests apart from any run, in the connection's turn and at its pace.

use crate::chunk::{FieldSpec, Row};
use crate::config::{Config, Connection};
use crate::destination::{Account, ReadBack};
use crate::error::{AtStage, Result};
use crate::steps::environment::Environment;
use crate::steps::quiet::quiet_until;
use crate::steps::session::Session;
use crate::steps::turn;

/// Asks the account apart from any run, in the connection's turn and pace; none where a run has the connection.
///
/// # Errors
/// Those of the account, and of the store.
pub async fn survey<E: Environment>(
    env: &E,
    config: &Config,
    connection: &Connection,
    purpose: &'static str,
) -> Result<Option<Box<dyn Account>>> {
    let holder = format!("{purpose}-{:016x}", fastrand::u64(..));
    if !turn::take(env, &connection.name, &holder).await? {
        return Ok(None);
    }
    let surveying = async {
        let connection = &turn::at_lowest_rate(env.store(), config, connection).await?;
        let from = quiet_until(env, connection, &holder).await?;
        let mut session = Session::new(env, connection, from).await?;
        let account = env.destination(connection.api).survey(&mut session).await;
        if let Ok(account) = &account {
            turn::meet(env, connection, account.id(), &holder).await?;
        }
        turn::note_end(env, connection, &holder).await?;
        account
    };
    let account = surveying.await.at(purpose);
    turn::release(env, &connection.name, &holder).await?;
    account.map(Some)
}

/// Asks the account for the person of a row, in the connection's turn and pace; none where a run has the connection.
///
/// # Errors
/// As [`survey`].
pub async fn read_back<E: Environment>(
    env: &E,
    config: &Config,
    connection: &Connection,
    fields: &[FieldSpec],
    row: &Row,
) -> Result<Option<ReadBack>> {
    let holder = format!("try-{:016x}", fastrand::u64(..));
    if !turn::take(env, &connection.name, &holder).await? {
        return Ok(None);
    }
    let reading = async {
        let connection = &turn::at_lowest_rate(env.store(), config, connection).await?;
        let from = quiet_until(env, connection, &holder).await?;
        let mut session = Session::new(env, connection, from).await?;
        let back = env.destination(connection.api).read_back(&mut session, fields, row).await;
        turn::note_end(env, connection, &holder).await?;
        back
    };
    let back = reading.await.at("try");
    turn::release(env, &connection.name, &holder).await?;
    back.map(Some)
}
