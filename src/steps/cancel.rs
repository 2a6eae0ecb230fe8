//! Cancelling a run: asked for once, seen by every step.

use std::sync::Arc;

/// A cancellation token: cancelled once, seen by every step.
#[derive(Clone, Debug)]
pub struct Cancellation(Arc<tokio::sync::watch::Sender<bool>>);

impl Default for Cancellation {
    fn default() -> Self {
        Self(Arc::new(tokio::sync::watch::Sender::new(false)))
    }
}

impl Cancellation {
    /// Asks every step to stop.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether the run is to stop.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the run is to stop.
    pub async fn cancelled(&self) {
        let mut wish = self.0.subscribe();
        if wish.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
