//! Whether the lists that joiners were put on are still there. Calls that name a list may be answered as before once it is gone;
//! the spot checks between them see that late.

use jiff::Timestamp;

use super::asking::SentRun;
use crate::chunk::Operation;
use crate::error::{Error, Kind, Result};
use crate::ledger::Sent;
use crate::membership::MembershipTarget;
use crate::steps::environment::Environment;

/// What the account said.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) sent: Sent,
    /// Why the run fails.
    pub(super) error: Option<Error>,
}

/// The lists of a run.
pub(super) struct ListsThere<'r>(pub(super) SentRun<'r>);

impl ListsThere<'_> {
    /// Asks for the lists, not before `from`, where joiners were sent in calls that name one. An account that does not answer
    /// is taken at its word.
    pub(super) async fn look<E: Environment>(&self, env: &E, from: Timestamp) -> Looked {
        let destination = env.destination(self.0.connection.api);
        let targets = self.joined();
        if targets.is_empty() || !self.0.opened.is_assigned() || !destination.may_lose_marks(&self.0.opened.setup) {
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
            let mut chunks = self.0.run.chunks.iter().filter(|chunk| chunk.segment == segment && chunk.rows > 0);
            chunks.any(|chunk| chunk.operation == Operation::Join)
        };
        let targets = self.0.opened.targets.iter().enumerate().filter(|(segment, _)| joining(*segment));
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
        let connection = self.0.connection();
        let mut session = self.0.session(env, &connection, from).await?;
        let lost = env.destination(connection.api).lost_mark(&mut session, targets).await;
        *sent = session.sent.clone();
        lost
    }
}
