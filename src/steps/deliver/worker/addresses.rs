//! What a lane does before it sends its first row: contacts get their new addresses.

use tokio::sync::OnceCell;

use super::super::addresses::{AddressChanges, Changing};
use super::super::assignment::RENEW_EVERY;
use super::super::deadline::TimeLeft;
use super::Worker;
use crate::chunk::{AddressChange, AddressOutcome};
use crate::delivery::pace::after;
use crate::error::Result;
use crate::state::half;
use crate::steps::environment::Environment;
use crate::steps::session::Session;

impl<E: Environment> Worker<'_, E> {
    /// Changes the addresses that are to change; `false` where the call ends before all are.
    pub(super) async fn change_addresses(&mut self) -> Result<bool> {
        let (assignment, store) = (self.assignment, self.env.store());
        let Some(addresses) = self.destination.addresses() else { return Ok(true) };
        let Some(mut changes) = AddressChanges::of(store, &assignment).await? else { return Ok(true) };
        let (run_id, number) = (assignment.run.request.run_id.as_str(), assignment.number);
        if !self.is_account_checked && !changes.are_done() {
            self.check_account(0, self.secrets.clone()).await?;
        }
        let withheld = addresses.withheld(&assignment.opened.setup)?;
        let (profiles, found) = (changes.profiles(), OnceCell::new());
        let changing = Changing { addresses, assignment, withheld: &withheld, profiles, found };
        while !changes.are_done() {
            let is_sending = self.deadline.time_left(self.clock().now()) == TimeLeft::Sending;
            if !is_sending || self.limit.stop.is_cancelled() || self.is_outdated || !self.is_account_checked {
                return Ok(false);
            }
            let next = changes.next();
            // Should nothing more be heard of these: they may have either address.
            next.iter().for_each(|change| changes.note(change, AddressOutcome::Begun));
            changes.save(store, run_id, number).await?;
            let Some(changed) = self.change_some(&changing, next).await? else { return Ok(false) };
            changed.iter().for_each(|(change, outcome)| changes.note(change, *outcome));
            self.confirmed += changed.len() as u64;
        }
        changes.save(store, run_id, number).await?;
        self.withdrawn = changes.withdrawn().map(|key| half(&key)).collect();
        Ok(true)
    }

    /// Changes some of them, with a lease that is renewed meanwhile; none where the call ends first.
    async fn change_some(
        &mut self,
        changing: &Changing<'_>,
        changes: Vec<AddressChange>,
    ) -> Result<Option<Vec<(AddressChange, AddressOutcome)>>> {
        let (connection, opened) = (self.assignment.connection, self.assignment.opened);
        let (secrets, pace) = (self.secrets.clone(), self.pace.clone());
        let mut session = Session::paced(self.env, connection, secrets, pace)?;
        session.expect_account(&opened.account);
        let (stop, clock, expires) = (&self.limit.stop, self.clock(), self.deadline.expires());
        let changed = {
            let mut change = std::pin::pin!(changing.change(&mut session, changes));
            loop {
                tokio::select! {
                    changed = &mut change => break Some(changed),
                    () = stop.cancelled() => break None,
                    () = clock.sleep_until(expires) => break None,
                    () = clock.sleep_until(after(clock.now(), RENEW_EVERY)) => self.renew().await?,
                }
            }
        };
        let (secrets, pace, sent) = session.into_parts();
        (self.secrets, self.pace) = (secrets, pace);
        self.checkpoints.sent(0).add(&sent);
        changed.transpose()
    }
}
