//! A client that is made with the first call: most calls of the function never speak to Autopilot.

use std::sync::OnceLock;
use std::time::Duration;

use secrecy::SecretString;

use super::Client;
use crate::delivery::call::{Answer, Call};
use crate::ports::Autopilot;

/// A client, once it is needed.
#[derive(Debug, Default)]
pub struct LaterClient(OnceLock<Client>);

impl Autopilot for LaterClient {
    async fn call(&self, base_url: Option<&str>, key: &SecretString, call: &Call, within: Duration) -> Answer {
        let client = match self.0.get() {
            Some(client) => client,
            None => match Client::new() {
                Ok(client) => self.0.get_or_init(|| client),
                Err(_) => return Answer::Unclear("TLS cannot be set up"),
            },
        };
        client.call(base_url, key, call, within).await
    }
}
