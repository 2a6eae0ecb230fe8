//! Asks Autopilot a few things in order, at the connection's pace, and again where the answer was unclear.

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::config::Connection;
use crate::delivery::backoff;
use crate::delivery::call::{Call, Response};
use crate::delivery::lane::denied;
use crate::delivery::pace::{Pace, after};
use crate::error::{Error, Kind, Result};
use crate::ledger::Sent;
use crate::ports::{Autopilot, Clock, Environment, Event, SecretSource, Secrets};
use std::time::Duration;

/// How long one answer may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Asks one connection's account.
pub struct Session<'w, W: Environment> {
    env: &'w W,
    connection: &'w Connection,
    secrets: Secrets,
    stage: &'static str,
    pace: Pace,
    /// What was asked so far.
    pub sent: Sent,
    /// When, in order.
    pub times: Vec<Timestamp>,
}

impl<'w, W: Environment> Session<'w, W> {
    /// For this connection, not before `from`; errors name `stage`.
    ///
    /// # Errors
    /// Those of the secrets.
    pub async fn new(env: &'w W, connection: &'w Connection, stage: &'static str, from: Timestamp) -> Result<Self> {
        let secrets = env.secrets().secrets(&connection.name, &connection.secret, false).await?;
        let pace = Pace::alone(connection.requests_per_second, from);
        Ok(Self { env, connection, secrets, stage, pace, sent: Sent::default(), times: Vec::new() })
    }

    fn clock(&self) -> &'w Clock {
        self.env.clock()
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// Kind `access`, `throttled` or `unavailable`; every other answer is the caller's to judge.
    pub async fn ask(&mut self, call: Call) -> Result<Response> {
        let mut answers = self.call_all(vec![call]).await?;
        answers.pop().ok_or_else(|| Error::new(Kind::Bug, self.stage, "Autopilot", "gave no answer"))
    }

    /// Asks several things at once; the answers are in the calls' order.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub async fn call_all(&mut self, calls: Vec<Call>) -> Result<Vec<Response>> {
        let mut answers: Vec<Option<Response>> = calls.iter().map(|_| None).collect();
        let end = after(self.clock().now(), Duration::from_secs(self.connection.patience_seconds));
        let mut troubles = 0;
        let mut renewed = false;
        loop {
            let mut flying = FuturesUnordered::new();
            for (number, call) in calls.iter().enumerate() {
                if answers.get(number).is_some_and(Option::is_some) {
                    continue;
                }
                let at = self.pace.next(self.clock().now());
                self.pace.take(at);
                self.sent.requests.count(call.kind());
                self.sent.seconds.count(at);
                self.env.watcher().saw(Event::Request);
                let (key, base) = (self.secrets.api_key.clone(), self.connection.base_url.as_deref());
                let patience = Duration::from_secs(self.connection.patience_seconds);
                let env = self.env;
                flying.push(async move {
                    env.clock().sleep_until(at).await;
                    let left = env.clock().now();
                    (number, left, env.autopilot().call(base, &key, call, ANSWER_WITHIN.min(patience)).await)
                });
            }
            let mut wait = Duration::ZERO;
            let mut last = None;
            while let Some((number, left, answer)) = flying.next().await {
                self.times.push(left);
                match answer {
                    Response::Unauthorized => last = Some(Response::Unauthorized),
                    Response::RateLimited(asked) => {
                        self.sent.requests.throttled += 1;
                        wait = wait.max(asked.unwrap_or_else(|| backoff::wait(troubles + 1, fastrand::f64())));
                        last = Some(Response::RateLimited(None));
                    }
                    Response::Failed(what) => {
                        wait = wait.max(backoff::wait(troubles + 1, fastrand::f64()));
                        last = Some(Response::Failed(what));
                    }
                    settled => {
                        if let Some(place) = answers.get_mut(number) {
                            *place = Some(settled);
                        }
                    }
                }
            }
            drop(flying);
            self.times.sort_unstable();
            let Some(trouble) = last else { return Ok(answers.into_iter().flatten().collect()) };
            let until = after(self.clock().now(), wait);
            if troubles == 0
                && let Response::Failed(what) = trouble
            {
                let seconds = self.connection.patience_seconds;
                self.env.watcher().saw(Event::Warns(&format!("Autopilot: {what}; trying again for {seconds} s")));
            }
            match trouble {
                Response::Unauthorized if renewed || !self.renew_key().await? => return Err(denied(self.stage)),
                Response::Unauthorized => renewed = true,
                Response::RateLimited(_) if until >= end => {
                    return Err(self.gave_up(Kind::Throttled, "429, too many requests"));
                }
                Response::Failed(what) if until >= end => return Err(self.gave_up(Kind::Unavailable, what)),
                _ => {}
            }
            troubles += 1;
            self.sent.requests.retried += answers.iter().filter(|answer| answer.is_none()).count() as u64;
            self.clock().sleep_until(until).await;
        }
    }

    fn gave_up(&self, kind: Kind, last: &str) -> Error {
        let what = format!("does not answer within {} s; last: {last}", self.connection.patience_seconds);
        Error::new(kind, self.stage, "Autopilot", what).hint("run again later; nothing that was confirmed is lost")
    }

    async fn renew_key(&mut self) -> Result<bool> {
        let again = self.env.secrets().secrets(&self.connection.name, &self.connection.secret, true).await?;
        let changed = again.api_key.expose_secret() != self.secrets.api_key.expose_secret();
        self.secrets = again;
        Ok(changed)
    }
}
