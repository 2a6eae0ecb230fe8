//! What the tests are built of: accounts, stores and processes that fail on demand.

pub(crate) mod fixture;
pub(crate) mod flaky_store;
pub(crate) mod kill;
pub(crate) mod lease_checked_store;
pub(crate) mod sim;
