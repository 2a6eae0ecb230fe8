//! What happens when a spot check disproves the learned setup.

use super::super::assignment::Assignment;
use super::Worker;
use crate::destination::SetupCheck;
use crate::error::Result;
use crate::ports::Store;
use crate::run::keys;
use crate::steps::documents::write_json;
use crate::steps::environment::Environment;

impl<E: Environment> Worker<'_, E> {
    /// Deletes a setup that failed a spot check, once. If joiners were trusted before, here or in another lane, finish counts
    /// all of the run's as unconfirmed.
    pub(super) async fn apply_setup_check(&mut self) -> Result<()> {
        let SetupCheck::Failed { some_trusted } = self.lane.protocol().setup_check() else { return Ok(()) };
        if std::mem::replace(&mut self.has_forgotten_setup, true) {
            return Ok(());
        }
        let Assignment { connection, run, opened, number, attempts, .. } = self.assignment;
        let store = self.env.store();
        store.delete(&keys::learned_setup(&keys::account(connection.api, &opened.account))).await?;
        // Nobody keeps count of what an earlier call trusted.
        let trusted = some_trusted || !attempts.is_first();
        write_json(store, &keys::doubted(&run.request.run_id, number), &trusted).await?;
        Ok(())
    }
}
