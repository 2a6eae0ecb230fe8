//! Secrets: the API key, and the key of the state's digests.

use std::future::Future;

use crate::error::Result;

/// The secrets of a connection.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Opens the account.
    pub api_key: secrecy::SecretString,
    /// Keys the digests in the state.
    pub state_key: secrecy::SecretString,
}

/// Where secrets come from.
pub trait SecretSource: Send + Sync {
    /// The secrets of `connection`, whose configured secret name is `secret`. `refresh` asks past any cache.
    fn secrets(&self, connection: &str, secret: &str, refresh: bool) -> impl Future<Output = Result<Secrets>> + Send;
}
