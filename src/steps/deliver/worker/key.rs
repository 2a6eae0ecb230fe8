//! A key that is new to a deliver call: before anything is sent with it, the account that it opens is asked.

use secrecy::{ExposeSecret, SecretString};

use super::super::assignment::Assignment;
use super::Worker;
use crate::error::Result;
use crate::ports::{Freshness, SecretSource, Secrets};
use crate::steps::environment::Environment;
use crate::steps::session::Session;

impl<E: Environment> Worker<'_, E> {
    /// Whether there is another key than the one that was refused. Of several requests on their way the first to be
    /// refused finds the new one.
    pub(super) async fn is_renewed(&mut self, range: usize, refused: &SecretString) -> Result<bool> {
        if self.secrets.api_key.expose_secret() != refused.expose_secret() {
            return Ok(true);
        }
        let connection = self.assignment.connection;
        let again = self.env.secrets().secrets(&connection.name, &connection.secret, Freshness::Newest).await?;
        let is_renewed = again.api_key.expose_secret() != refused.expose_secret();
        if is_renewed {
            self.check_account(range, again).await?;
        }
        Ok(is_renewed)
    }

    /// Asks whether the account that a key opens is the run's, and takes the key from then on. Where the call ends first,
    /// nothing more is sent in it.
    pub(super) async fn check_account(&mut self, range: usize, secrets: Secrets) -> Result<()> {
        let Assignment { connection, opened, .. } = self.assignment;
        let mut session = Session::paced(self.env, connection, secrets, self.pace.clone())?;
        let (stop, clock) = (&self.limit.stop, self.clock());
        let checked = tokio::select! {
            checked = session.check_account(&opened.account) => Some(checked),
            () = stop.cancelled() => None,
            () = clock.sleep_until(self.deadline.expires()) => None,
        };
        let (secrets, pace, sent) = session.into_parts();
        self.pace = pace;
        self.checkpoints.sent(range).add(&sent);
        if let Some(checked) = checked {
            checked?;
            (self.secrets, self.is_account_checked) = (secrets, true);
        }
        Ok(())
    }
}
