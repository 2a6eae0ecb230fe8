//! Everything of the outside world that steps need.

use crate::destination::{self, Api, Destination};
use crate::ports::{Clock, Http, Leases, Observer, SecretSource, Store};

/// One of each port, and the destinations that there are.
pub trait Environment: Send + Sync {
    /// Objects.
    type Store: Store;
    type Leases: Leases;
    type Secrets: SecretSource;
    type Http: Http;

    /// Objects.
    fn store(&self) -> &Self::Store;
    fn leases(&self) -> &Self::Leases;
    fn secrets(&self) -> &Self::Secrets;
    fn http(&self) -> &Self::Http;
    fn clock(&self) -> &Clock;
    /// Who looks on.
    fn observer(&self) -> &dyn Observer;

    /// The destination behind an API. A test may bring one of its own.
    fn destination(&self, api: Api) -> &dyn Destination {
        destination::of(api)
    }
}
