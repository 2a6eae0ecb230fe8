//! Calls to an account outside of the lanes: at the connection's pace, retried within its patience.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{Config, Connection};
use crate::contact::normalise;
use crate::delivery::backoff;
use crate::delivery::lane::unauthorized;
use crate::delivery::pace::{Pace, after, shares};
use crate::destination::{self, Call, Destination, HttpResponse, Judgement};
use crate::error::{Error, Kind, Result};
use crate::ledger::Sent;
use crate::ports::{Event, Freshness, Http, NoResponse, SecretSource, Secrets};
use crate::run::keys;
use crate::state::{Digester, ProfileKey, half, hex};
use crate::steps::environment::Environment;
use crate::steps::quiet::quiet_at;
use crate::steps::turn::{self, AccountTurn};

/// How long one answer may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Calls to one connection's account.
pub struct Session<'e, E: Environment> {
    env: &'e E,
    connection: &'e Connection,
    secrets: Secrets,
    pace: Pace,
    /// The account that the key must open, once it is known: a renewed key is asked for it.
    account: Option<String>,
    /// What was sent so far.
    pub sent: Sent,
    /// When, in order.
    pub times: Vec<Timestamp>,
    digester: Digester,
}

impl<'e, E: Environment> Session<'e, E> {
    /// For this connection, not before `from`.
    ///
    /// # Errors
    /// Those of the secrets.
    pub async fn new(env: &'e E, connection: &'e Connection, from: Timestamp) -> Result<Self> {
        let secrets = env.secrets().secrets(&connection.name, &connection.secret, Freshness::MayBeKept).await?;
        Self::paced(env, connection, secrets, Pace::alone(connection.requests_per_second, from))
    }

    /// With these secrets, at this pace.
    ///
    /// # Errors
    /// Kind `access`, where the key cannot be sent.
    pub(super) fn paced(env: &'e E, connection: &'e Connection, secrets: Secrets, pace: Pace) -> Result<Self> {
        check_key(&secrets.api_key, env.destination(connection.api).name())?;
        let digester = Digester::new(secrets.state_key.expose_secret())?;
        Ok(Self { env, connection, secrets, pace, account: None, sent: Sent::default(), times: Vec::new(), digester })
    }

    /// The connection that it speaks through.
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// Takes the turn at the account that the key opened, where that was not known to be behind the connection, and goes on
    /// at the lowest rate of the connections that lead to it.
    ///
    /// # Errors
    /// Kind `unavailable`, where another connection speaks to the account; those of leases and store.
    pub(super) async fn take_turn(&mut self, config: &Config, account: &str, holder: &str) -> Result<()> {
        let (env, connection) = (self.env, self.connection);
        let account = match turn::meet(env, connection, account, holder).await? {
            AccountTurn::Known => return Ok(()),
            AccountTurn::New(account) => account,
            AccountTurn::Busy => return Err(turn::account_is_busy(&connection.title())),
        };
        let from = quiet_at(env, connection, &keys::account_activity(&account), holder).await?;
        env.clock().sleep_until(from).await;
        let slowest = turn::at_lowest_rate(env.store(), config, connection).await?.requests_per_second;
        if slowest < connection.requests_per_second {
            let share = shares(slowest, 1).into_iter().sum();
            self.pace = self.pace.slowed(slowest, share);
        }
        Ok(())
    }

    /// Says which account the key opened: another key must open the same.
    pub(super) fn expect_account(&mut self, account: &str) {
        self.account = Some(account.to_owned());
    }

    /// Asks whether the key opens this account.
    ///
    /// # Errors
    /// Kind `access`, where it opens another; those of the session.
    pub(super) async fn check_account(&mut self, account: &str) -> Result<()> {
        let destination = self.destination();
        let opened = destination.identify(self).await?;
        if opened == account { Ok(()) } else { Err(another_account(destination.name())) }
    }

    /// Tells the key from every other, without revealing it.
    ///
    /// # Errors
    /// Those of the digests.
    pub(super) fn key_fingerprint(&self) -> Result<String> {
        key_fingerprint(&self.secrets)
    }

    /// What a lane goes on with.
    pub(super) fn into_parts(self) -> (Secrets, Pace, Sent) {
        (self.secrets, self.pace, self.sent)
    }

    fn destination(&self) -> &'e dyn Destination {
        self.env.destination(self.connection.api)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.connection.patience_seconds)
    }

    fn gave_up(&self, kind: Kind, last: &str) -> Error {
        let problem = format!("gave no usable answer within {} s; last: {last}", self.connection.patience_seconds);
        Error::new(kind, self.destination().name(), problem).hint("run again later; nothing that was confirmed is lost")
    }

    /// Looks for another key than the one that was refused.
    async fn renew_key(&mut self) -> Result<bool> {
        let again =
            self.env.secrets().secrets(&self.connection.name, &self.connection.secret, Freshness::Newest).await?;
        let changed = again.api_key.expose_secret() != self.secrets.api_key.expose_secret();
        check_key(&again.api_key, self.destination().name())?;
        self.secrets = again;
        Ok(changed)
    }

    async fn call_until_answered(
        &mut self,
        calls: Vec<Call>,
        judge: &(dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
        repeats: bool,
    ) -> Result<Vec<HttpResponse>> {
        let (env, clock) = (self.env, self.env.clock());
        let mut responses: Vec<Option<HttpResponse>> = calls.iter().map(|_| None).collect();
        let end = after(clock.now(), self.patience());
        let mut failures = 0;
        let mut renewed = false;
        loop {
            let Some(failed) = self.call_round(&calls, judge, failures, &mut responses).await else {
                return Ok(responses.into_iter().flatten().collect());
            };
            let RoundFailed { last: failure, wait } = failed;
            let until = after(clock.now(), wait);
            if failures == 0
                && let Judgement::Failed(why) | Judgement::Paused(_, why) = failure
            {
                let (name, seconds) = (self.destination().name(), self.connection.patience_seconds);
                env.observer().notify(Event::Warns(&format!("{name}: {why}; trying again for {seconds} s")));
            }
            match failure {
                Judgement::Unauthorized if renewed || !self.renew_key().await? => {
                    return Err(unauthorized(self.destination().name()));
                }
                Judgement::Unauthorized => {
                    renewed = true;
                    match self.account.take() {
                        Some(account) => {
                            self.check_account(&account).await?;
                            self.account = Some(account);
                        }
                        // The account is just being asked for: the answers must all be of one.
                        None => responses.fill(None),
                    }
                }
                Judgement::RateLimited(_) if until >= end => {
                    return Err(self.gave_up(Kind::Throttled, "429, too many requests"));
                }
                Judgement::Failed(why) | Judgement::Paused(_, why) if until >= end => {
                    return Err(self.gave_up(Kind::Unavailable, why));
                }
                _ => {}
            }
            if !repeats && matches!(failure, Judgement::Failed(_)) {
                clock.sleep_until(until).await;
                return Ok(Vec::new());
            }
            failures += 1;
            env.observer().notify(Event::Retries { rate_limited: matches!(failure, Judgement::RateLimited(_)) });
            self.sent.requests.retried += responses.iter().filter(|response| response.is_none()).count() as u64;
            clock.sleep_until(until).await;
        }
    }

    /// Makes all calls at once that have no response yet. `None` where all are answered now.
    async fn call_round(
        &mut self,
        calls: &[Call],
        judge: &(dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
        failures: u32,
        responses: &mut [Option<HttpResponse>],
    ) -> Option<RoundFailed> {
        let (env, clock) = (self.env, self.env.clock());
        let mut in_flight = FuturesUnordered::new();
        for (number, call) in calls.iter().enumerate() {
            if responses.get(number).is_some_and(Option::is_some) {
                continue;
            }
            let at = self.pace.next(clock.now());
            self.pace.take(at);
            self.sent.requests.count(call.kind);
            self.sent.seconds.count(at);
            env.observer().notify(Event::Request);
            tracing::debug!(kind = ?call.kind, "a request leaves");
            let within = ANSWER_WITHIN.min(self.patience());
            let sending = send(env, self.connection, &self.secrets.api_key, call, within);
            in_flight.push(async move {
                clock.sleep_until(at).await;
                (number, clock.now(), sending.await)
            });
        }
        let mut wait = Duration::ZERO;
        let mut last = None;
        while let Some((number, left, response)) = in_flight.next().await {
            self.times.push(left);
            let judgement = match &response {
                Ok(response) => judge(number, response),
                Err(NoResponse(why)) => Judgement::Failed(why),
            };
            match judgement {
                Judgement::Answered => {
                    if let Some(place) = responses.get_mut(number) {
                        *place = response.ok();
                    }
                    continue;
                }
                Judgement::Unauthorized => {}
                Judgement::RateLimited(asked) => {
                    self.sent.requests.throttled += 1;
                    wait = wait.max(backoff::rate_limited(asked, failures + 1, fastrand::f64()));
                }
                Judgement::Paused(asked, _) => wait = wait.max(asked),
                Judgement::Failed(_) => wait = wait.max(backoff::wait(failures + 1, fastrand::f64())),
            }
            last = Some(judgement);
        }
        drop(in_flight);
        self.times.sort_unstable();
        last.map(|last| RoundFailed { last, wait })
    }
}

/// Calls of one round that were not all answered.
struct RoundFailed {
    /// What the last failure means.
    last: Judgement,
    /// How long to wait before the next round.
    wait: Duration,
}

impl<E: Environment> destination::Session for Session<'_, E> {
    fn call_all<'a>(
        &'a mut self,
        calls: Vec<Call>,
        judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
    ) -> BoxFuture<'a, Result<Vec<HttpResponse>>> {
        Box::pin(self.call_until_answered(calls, judge, true))
    }

    fn call_once<'a>(
        &'a mut self,
        call: Call,
        judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
    ) -> BoxFuture<'a, Result<Option<HttpResponse>>> {
        Box::pin(async move { Ok(self.call_until_answered(vec![call], judge, false).await?.pop()) })
    }

    fn profile(&self, email: &str) -> ProfileKey {
        profile_of(&self.digester, email)
    }

    fn key_print(&self) -> String {
        hex(&half(&self.digester.profile(self.secrets.api_key.expose_secret())))
    }
}

/// The profile that an account's spelling of an address stands for.
pub(super) fn profile_of(digester: &Digester, email: &str) -> ProfileKey {
    let mut normal = String::new();
    normalise(email.trim(), &mut normal);
    digester.profile(&normal)
}

/// Tells a key from every other, without revealing it.
///
/// # Errors
/// Those of the digests.
pub(super) fn key_fingerprint(secrets: &Secrets) -> Result<String> {
    Ok(Digester::new(secrets.state_key.expose_secret())?.api_key(secrets.api_key.expose_secret()))
}

/// The error of a run whose key opens another account than the run began in.
pub(super) fn another_account(destination: &str) -> Error {
    Error::new(Kind::Access, destination, "the key opens another account than the one that the run began in")
        .hint("give the connection a key of that account, and run again: what is pending is sent then")
}

/// Checks that a key can be sent at all.
///
/// # Errors
/// Kind `access`, where it cannot be: no account can have it.
pub(super) fn check_key(key: &SecretString, destination: &str) -> Result<()> {
    let fits = HeaderValue::from_str(key.expose_secret()).is_ok();
    if fits { Ok(()) } else { Err(unauthorized(destination)) }
}

/// Why a request is not made: its address would send the key in plain text, or is none.
const NO_ADDRESS: NoResponse = NoResponse("the address of the connection cannot be used");

/// Sends one call through a connection with a key.
///
/// # Errors
/// Why there is no response.
pub(super) fn send<'e, E: Environment>(
    env: &'e E,
    connection: &'e Connection,
    key: &SecretString,
    call: &Call,
    within: Duration,
) -> impl Future<Output = Result<HttpResponse, NoResponse>> + Send + use<'e, E> {
    let destination = env.destination(connection.api);
    let request = request(destination, connection, key, call);
    let max_bytes = call.max_response_bytes;
    async move {
        match request {
            Some(request) => env.http().send(request, within, max_bytes).await,
            None => Err(NO_ADDRESS),
        }
    }
}

fn request(
    destination: &dyn Destination,
    connection: &Connection,
    key: &SecretString,
    call: &Call,
) -> Option<http::Request<Bytes>> {
    let usual = destination.base_url(connection.region.unwrap_or_default());
    let base = connection.base_url.as_deref().unwrap_or(usual).trim_end_matches('/');
    let mut secret = HeaderValue::from_str(key.expose_secret()).ok()?;
    secret.set_sensitive(true);
    let mut request = http::Request::builder()
        .method(call.method.clone())
        .uri(format!("{base}{}", call.path))
        .header(HeaderName::from_static(destination.key_header()), secret);
    if !call.body.is_empty() {
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request.body(call.body.clone()).ok()
}
