//! The outside world put together of its parts.

use crate::ports::{Autopilot, Clock, Environment, Leases, Observer, SecretSource, Store};

/// One of each port.
pub struct Adapters<S, L, K, A> {
    /// Objects.
    pub store: S,
    /// Leases.
    pub leases: L,
    /// Secrets.
    pub secrets: K,
    /// Autopilot.
    pub autopilot: A,
    /// The clock.
    pub clock: Clock,
    /// Who looks on.
    pub watcher: Box<dyn Observer>,
}

impl<S: Store, L: Leases, K: SecretSource, A: Autopilot> Environment for Adapters<S, L, K, A> {
    type Store = S;
    type Leases = L;
    type Secrets = K;
    type Autopilot = A;

    fn store(&self) -> &S {
        &self.store
    }

    fn leases(&self) -> &L {
        &self.leases
    }

    fn secrets(&self) -> &K {
        &self.secrets
    }

    fn autopilot(&self) -> &A {
        &self.autopilot
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn watcher(&self) -> &dyn Observer {
        self.watcher.as_ref()
    }
}
