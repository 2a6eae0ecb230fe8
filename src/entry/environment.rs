//! The outside world put together of its parts.

use crate::ports::{Clock, Http, Leases, Observer, SecretSource, Store};
use crate::steps::environment::Environment;

/// One of each port.
pub struct Adapters<S, L, K, A> {
    /// Objects.
    pub store: S,
    pub leases: L,
    pub secrets: K,
    pub http: A,
    pub clock: Clock,
    /// Who looks on.
    pub observer: Box<dyn Observer>,
}

impl<S: Store, L: Leases, K: SecretSource, A: Http> Environment for Adapters<S, L, K, A> {
    type Store = S;
    type Leases = L;
    type Secrets = K;
    type Http = A;

    fn store(&self) -> &S {
        &self.store
    }

    fn leases(&self) -> &L {
        &self.leases
    }

    fn secrets(&self) -> &K {
        &self.secrets
    }

    fn http(&self) -> &A {
        &self.http
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn observer(&self) -> &dyn Observer {
        self.observer.as_ref()
    }
}
