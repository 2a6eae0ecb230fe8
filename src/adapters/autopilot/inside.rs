//! A sandbox in this process as Autopilot, without sockets: what is simulated under paused time speaks to it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::answer;
use super::client::{NO_PATH, body, route};
use crate::delivery::call::{Call, Response};
use crate::ports::Autopilot;
use crate::sandbox::Sandbox;

/// The account of a sandbox; requests and answers are the client's, only the wire between them is left out.
#[derive(Clone, Debug)]
pub struct Inside(pub Sandbox);

impl Autopilot for Inside {
    async fn call(&self, _base_url: Option<&str>, key: &SecretString, call: &Call, _within: Duration) -> Response {
        let Some((method, path)) = route(call) else {
            return Response::Refused(NO_PATH.into());
        };
        let body = body(call).unwrap_or_default();
        let path = path.trim_start_matches('/');
        match self.0.ask(method.as_str(), path, key.expose_secret(), &body) {
            Some((status, body)) => answer::read(call, status, None, &body),
            None => Response::Failed("the connection was cut"),
        }
    }
}
