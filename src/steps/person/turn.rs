//! The turn of several connections at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::pace::after;
use crate::error::{Error, Kind, Result};
use crate::steps::environment::Environment;
use crate::steps::lease::lost_lease;
use crate::steps::turn;

/// Well within the term of a lease.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Holds connections, so that no run is at work through them.
pub(super) struct Turn<'e, E: Environment> {
    env: &'e E,
    holder: String,
    connections: Vec<String>,
    renewed_at: Mutex<Timestamp>,
}

impl<'e, E: Environment> Turn<'e, E> {
    /// Takes all of them, or none.
    ///
    /// # Errors
    /// Kind `unavailable`, where a run has one.
    pub(super) async fn take(env: &'e E, purpose: &str, connections: Vec<String>) -> Result<Self> {
        let holder = format!("{purpose}-{:016x}", fastrand::u64(..));
        let renewed_at = Mutex::new(env.clock().now());
        let mut all = Self { env, holder, connections: Vec::new(), renewed_at };
        for connection in connections {
            if !turn::take(env, &connection, &all.holder).await? {
                let busy = Error::new(Kind::Unavailable, &connection, "a run has the connection, or its account")
                    .hint("try again once it has ended, or stop it with autopilot-export stop");
                return all.end(Err(busy)).await;
            }
            all.connections.push(connection);
        }
        Ok(all)
    }

    /// Who holds them.
    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Renews what is held, where it is time to.
    ///
    /// # Errors
    /// Kind `unavailable`, where it went to another run.
    pub(super) async fn keep(&self) -> Result<()> {
        let now = self.env.clock().now();
        let at = || self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now < after(*at(), RENEW_EVERY) {
            return Ok(());
        }
        for connection in &self.connections {
            if !turn::renew(self.env, connection, &self.holder).await? {
                return Err(lost_lease(connection));
            }
        }
        *at() = now;
        Ok(())
    }

    /// Gives them back, whatever became of the work.
    ///
    /// # Errors
    /// Those of the work, and of the leases.
    pub(super) async fn end<T>(self, worked: Result<T>) -> Result<T> {
        for connection in &self.connections {
            turn::release(self.env, connection, &self.holder).await?;
        }
        worked
    }
}
