//! The few small traits of the outside world. `steps` call them, `adapters` and tests implement them.

mod clock;
mod executions;
mod http;
mod leases;
#[cfg(test)]
mod memory;
mod observer;
mod secrets;
mod store;

pub use self::http::{Http, NoResponse};
pub use clock::Clock;
#[cfg(test)]
pub(crate) use clock::Reading;
pub use executions::Executions;
pub use leases::Leases;
#[cfg(test)]
pub(crate) use memory::Memory;
pub use observer::{Event, Observer};
pub use secrets::{Freshness, SecretSource, Secrets};
pub use store::{Object, ObjectMeta, PutMode, PutOutcome, Reader, Store};
