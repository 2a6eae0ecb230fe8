//! Leases: one run at a time speaks to an account.

use std::future::Future;

use crate::error::Result;

/// The right to speak to a connection's account: one run at a time.
pub trait Leases: Send + Sync {
    /// Takes the lease for `holder` (a run id), or renews it where that holder has it; `false` where another has it.
    fn take(&self, connection: &str, holder: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Renews the lease; `false` where the holder has lost it and must stop.
    fn renew(&self, connection: &str, holder: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Gives the lease back; giving back what one does not hold is success.
    fn release(&self, connection: &str, holder: &str) -> impl Future<Output = Result<()>> + Send;
}
