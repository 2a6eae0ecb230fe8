//! What was learnt of the account turns out to be no longer so.

use super::Worker;
use crate::destination::Finding;
use crate::error::Result;
use crate::ports::Store;
use crate::run::keys;
use crate::steps::documents::write_json;
use crate::steps::environment::Environment;

impl<E: Environment> Worker<'_, E> {
    /// Forgets what is no longer so, once. Joiners who were believed before to be marked are doubted from then on.
    pub(super) async fn heed_finding(&mut self) -> Result<()> {
        let Finding::NoLonger { believed } = self.lane.protocol().finding() else { return Ok(()) };
        if std::mem::replace(&mut self.is_learnt_anew, true) {
            return Ok(());
        }
        let (store, run) = (self.env.store(), self.assignment.run);
        store.delete(&keys::learnt(&run.connection)).await?;
        if believed || !self.assignment.attempts.is_first() {
            write_json(store, &keys::doubted(&run.request.run_id), &true).await?;
        }
        Ok(())
    }
}
