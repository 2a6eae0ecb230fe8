//! What the function's log says of a run as it goes: counts and names only.

use crate::ports::{Event, Observer};

/// Logs what happens.
#[derive(Debug)]
pub struct Logged;

impl Observer for Logged {
    fn notify(&self, event: Event<'_>) {
        match event {
            Event::Waits(wait, why) => tracing::info!(wait_seconds = wait.as_secs(), why, "the run waits"),
            Event::Reads(rows) => tracing::info!(rows, "rows are being read"),
            Event::Planned(rows) => tracing::info!(rows, "the plan is made"),
            Event::Warns(text) => tracing::warn!("{text}"),
            Event::Request => tracing::trace!("a request leaves"),
            Event::Retries { rate_limited } => tracing::debug!(rate_limited, "a request is to be retried"),
            Event::Settled(rows) => tracing::debug!(rows, "rows are settled"),
        }
    }
}
