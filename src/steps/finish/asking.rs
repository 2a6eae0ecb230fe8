//! What the account is asked once a run's rows are sent.

use jiff::Timestamp;

use crate::config::{Connection, Export};
use crate::error::Result;
use crate::run::RunRecord;
use crate::run::opening::OpenRecord;
use crate::steps::environment::Environment;
use crate::steps::session::Session;
use crate::steps::turn::{self, account_is_busy};

/// How many seconds the account has to answer: a run ends without it.
const PATIENCE_SECONDS: u64 = 10;

/// A run whose rows were sent.
#[derive(Clone, Copy)]
pub(super) struct SentRun<'r> {
    pub(super) export: &'r Export,
    pub(super) connection: &'r Connection,
    pub(super) run: &'r RunRecord,
    pub(super) opened: &'r OpenRecord,
    /// Who has its lease: itself, or the run that finishes it.
    pub(super) holder: &'r str,
}

impl SentRun<'_> {
    /// Its connection, with little patience.
    pub(super) fn connection(&self) -> Connection {
        let patience_seconds = self.connection.patience_seconds.min(PATIENCE_SECONDS);
        Connection { patience_seconds, ..self.connection.clone() }
    }

    /// A session through that connection, which asks nothing before `from`, and no other account than the run's.
    pub(super) async fn session<'e, E: Environment>(
        &self,
        env: &'e E,
        connection: &'e Connection,
        from: Timestamp,
    ) -> Result<Session<'e, E>> {
        // What was disabled since asks nothing more.
        self.connection.may_send(self.export, env.clock().now())?;
        if !turn::take_account(env, &connection.name, self.holder).await? {
            return Err(account_is_busy(&connection.title()));
        }
        let mut session = Session::new(env, connection, from).await?;
        if session.key_fingerprint()? != self.opened.key {
            session.check_account(&self.opened.account).await?;
        }
        session.expect_account(&self.opened.account);
        Ok(session)
    }
}
