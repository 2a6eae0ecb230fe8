//! Everything of the outside world that steps need.

use crate::destination::{self, Api, Destination};
use crate::ports::{Clock, Http, Leases, Observer, SecretSource, Store};

/// One of each port, and the destinations that there are.
pub trait Environment: Send + Sync {
    /// Objects.
    type Store: Store;
    /// Leases.
    type Leases: Leases;
    /// Secrets.
    type Secrets: SecretSource;
    /// HTTP.
    type Http: Http;

    /// Objects.
    fn store(&self) -> &Self::Store;
    /// Leases.
    fn leases(&self) -> &Self::Leases;
    /// Secrets.
    fn secrets(&self) -> &Self::Secrets;
    /// HTTP.
    fn http(&self) -> &Self::Http;
    /// The clock.
    fn clock(&self) -> &Clock;
    /// Who looks on.
    fn observer(&self) -> &dyn Observer;

    /// The destination behind an API. A test may bring one of its own.
    fn destination(&self, api: Api) -> &dyn Destination {
        destination::of(api)
    }
}
