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

/// How new secrets are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// They may have been kept for a while.
    MayBeKept,
    /// As they are now: somebody may have stored another key.
    Newest,
}

/// Where secrets come from.
pub trait SecretSource: Send + Sync {
    /// The secrets of `connection`, whose configured secret name is `secret`.
    fn secrets(
        &self,
        connection: &str,
        secret: &str,
        freshness: Freshness,
    ) -> impl Future<Output = Result<Secrets>> + Send;

    /// The state key alone, which a plan needs: none where there is none yet.
    fn state_key(
        &self,
        connection: &str,
        secret: &str,
    ) -> impl Future<Output = Result<Option<secrecy::SecretString>>> + Send {
        let all = self.secrets(connection, secret, Freshness::MayBeKept);
        async { Ok(Some(all.await?.state_key)) }
    }

    /// The address of a webhook, whose configured secret name is `secret`; none where nobody has stored one.
    fn webhook(&self, secret: &str) -> impl Future<Output = Result<Option<secrecy::SecretString>>> + Send {
        let _ = secret;
        async { Ok(None) }
    }
}
