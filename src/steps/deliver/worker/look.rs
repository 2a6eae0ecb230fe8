//! A renewed lease, and a look at the configuration in mid-call: what makes the run more careful counts from then on.

use super::super::assignment::{Assignment, disabled, may_go_on};
use super::super::rate::{current, lane_rate};
use super::Worker;
use crate::error::{Error, Kind, Result};
use crate::steps::environment::Environment;
use crate::steps::lease::lost_lease;
use crate::steps::suppression::version;
use crate::steps::turn;

impl<E: Environment> Worker<'_, E> {
    /// Renews the lease, or stops: another run has it, or another call of this very lane is at work.
    pub(super) async fn renew(&mut self) -> Result<()> {
        let Assignment { connection, run, number, attempts, .. } = self.assignment;
        let run_id = run.request.run_id.as_str();
        if !turn::renew(self.env, &connection.name, run_id).await? {
            self.replaced = true;
            return Err(lost_lease(&connection.title()));
        }
        self.replaced = !attempts.is_current(self.env.store(), run_id, number).await?;
        if self.replaced {
            let problem = format!("a later call works on lane {number}");
            return Err(Error::new(Kind::Unavailable, run_id, problem).hint("no action needed: that call goes on"));
        }
        self.renewed_at = self.clock().wall();
        self.apply_current_config().await?;
        self.is_outdated |= self.has_other_suppression().await?;
        Ok(())
    }

    /// Whether the suppression file is another than the one that this call read.
    async fn has_other_suppression(&self) -> Result<bool> {
        let Assignment { config, export, suppression_version, .. } = self.assignment;
        Ok(version(self.env.store(), config, export).await?.as_deref() != suppression_version)
    }

    /// Stops where the export or its connection may no longer send, or planned rows may no longer be sent, and slows down
    /// where the rate was lowered.
    async fn apply_current_config(&mut self) -> Result<()> {
        let Assignment { export, connection, run, opened, number, .. } = self.assignment;
        let Some(config) = current(self.env.store()).await? else { return Ok(()) };
        let (Some(export), Some(connection)) =
            (config.exports.get(&export.name), config.connections.get(&connection.name))
        else {
            return Err(disabled(export));
        };
        may_go_on(export, connection, self.clock().now())?;
        run.check_conditions(&config)?;
        let connection = turn::at_lowest_rate(self.env.store(), &config, connection).await?;
        let (rate, share) = lane_rate(opened, &connection, number)?;
        if rate < self.rate {
            self.rate = rate;
            self.pace = self.pace.slowed(rate, share);
        }
        Ok(())
    }
}
