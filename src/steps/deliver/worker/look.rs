//! A look at the configuration in mid-call: what makes the run more careful counts from then on.

use super::super::assignment::Assignment;
use super::super::rate::{current, lane_rate};
use super::Worker;
use crate::error::Result;
use crate::steps::environment::Environment;

impl<E: Environment> Worker<'_, E> {
    /// Stops where the export or its connection may no longer send, and slows down where the rate was lowered.
    pub(super) async fn apply_current_config(&mut self) -> Result<()> {
        let Assignment { export, connection, opened, number, .. } = self.assignment;
        let Some(config) = current(self.env.store()).await? else { return Ok(()) };
        let (Some(export), Some(connection)) =
            (config.exports.get(&export.name), config.connections.get(&connection.name))
        else {
            return Ok(());
        };
        connection.may_send(export, self.clock().now())?;
        let (rate, share) = lane_rate(opened, connection, number)?;
        if rate < self.rate {
            self.rate = rate;
            self.pace = self.pace.slowed(rate, share);
        }
        Ok(())
    }
}
