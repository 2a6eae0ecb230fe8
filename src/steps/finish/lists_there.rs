//! Whether the lists that joiners were put on are still there. Calls that name a list may be answered as before once it is gone;
//! the spot checks between them see that late.

use jiff::Timestamp;

use crate::chunk::Operation;
use crate::config::{Connection, Export};
use crate::error::{Error, Kind, Result};
use crate::ledger::Sent;
use crate::membership::MembershipTarget;
use crate::run::RunRecord;
use crate::run::opening::OpenRecord;
use crate::steps::environment::Environment;
use crate::steps::session::Session;
use crate::steps::turn::{self, account_is_busy};

/// How many seconds the account has to list its lists: a run ends without it.
const PATIENCE_SECONDS: u64 = 10;

/// A run whose rows were sent.
pub(super) struct ListsThere<'r> {
    pub(super) export: &'r Export,
    pub(super) connection: &'r Connection,
    pub(super) run: &'r RunRecord,
    pub(super) opened: &'r OpenRecord,
}

/// What the account said.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) sent: Sent,
    /// Why the run fails.
    pub(super) error: Option<Error>,
}

impl ListsThere<'_> {
    /// Asks for the lists, not before `from`, where joiners were sent in calls that name one. An account that does not answer
    /// is taken at its word.
    pub(super) async fn look<E: Environment>(&self, env: &E, from: Timestamp) -> Looked {
        let destination = env.destination(self.connection.api);
        let targets = self.joined();
        if targets.is_empty() || !self.opened.is_assigned() || !destination.may_lose_marks(&self.opened.setup) {
            return Looked::default();
        }
        let mut sent = Sent::default();
        let lost = self.ask(env, &targets, from, &mut sent).await.unwrap_or_else(|error| {
            tracing::warn!(error.kind = error.kind.name(), "the lists could not be read: {}", error.chain());
            None
        });
        let error = lost.map(|name| {
            Error::new(Kind::Config, destination.name(), format!("the list \"{name}\" is gone since the run began"))
                .hint("whom it was to have is pending; run again, which says how to go on")
        });
        Looked { sent, error }
    }

    /// The marks that joiners were to have.
    fn joined(&self) -> Vec<MembershipTarget> {
        let joining = |segment: usize| {
            let mut chunks = self.run.chunks.iter().filter(|chunk| chunk.segment == segment && chunk.rows > 0);
            chunks.any(|chunk| chunk.operation == Operation::Join)
        };
        let targets = self.opened.targets.iter().enumerate().filter(|(segment, _)| joining(*segment));
        let lists = targets.filter(|(_, target)| matches!(target, MembershipTarget::List { .. }));
        lists.map(|(_, target)| target.clone()).collect()
    }

    async fn ask<E: Environment>(
        &self,
        env: &E,
        targets: &[MembershipTarget],
        from: Timestamp,
        sent: &mut Sent,
    ) -> Result<Option<String>> {
        // What was disabled since asks nothing more.
        self.connection.may_send(self.export, env.clock().now())?;
        let patience_seconds = self.connection.patience_seconds.min(PATIENCE_SECONDS);
        let connection = Connection { patience_seconds, ..self.connection.clone() };
        if !turn::take_account(env, &connection.name, &self.run.request.run_id).await? {
            return Err(account_is_busy(&connection.title()));
        }
        let mut session = Session::new(env, &connection, from).await?;
        if session.key_fingerprint()? != self.opened.key {
            session.check_account(&self.opened.account).await?;
        }
        session.expect_account(&self.opened.account);
        let lost = env.destination(connection.api).lost_mark(&mut session, targets).await;
        *sent = session.sent.clone();
        lost
    }
}
