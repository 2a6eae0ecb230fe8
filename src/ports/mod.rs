//! The few small traits of the outside world. `steps` call them, `adapters` and tests implement them.

mod clock;
mod executions;
mod http;
mod leases;
mod observer;
mod secrets;
mod store;

pub use self::http::{Http, NoResponse};
pub use clock::Clock;
#[cfg(test)]
pub(crate) use clock::Reading;
pub use executions::Executions;
pub use leases::Leases;
pub use observer::{Event, Observer};
pub use secrets::{SecretSource, Secrets};
pub use store::{Object, ObjectMeta, PutMode, PutOutcome, Reader, Store};
