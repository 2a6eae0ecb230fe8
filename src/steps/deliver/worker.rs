//! One deliver call at work: the lane, its pace and its checkpoints, driven by what comes in.

mod addresses;
mod key;
mod loaded;
mod look;
mod setup_check;

use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Fuse, FusedFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use secrecy::SecretString;

use super::assignment::{Assignment, LaneStatus, Limit, RENEW_EVERY};
use super::checkpoints::{Checkpoints, LaneId};
use super::deadline::{Deadline, TimeLeft};
use super::ranges::{LoadedRange, load};
use super::refusals::{check_refusals, watch};
use crate::chunk::Operation;
use crate::delivery::caution::Allowance;
use crate::delivery::lane::{Handled, Incoming, Lane, LaneSettings, Next, Outgoing, unauthorized};
use crate::delivery::pace::{Pace, after, between};
use crate::destination::{Destination, KnownContacts, RequestKind};
use crate::error::{Error, Kind, Result};
use crate::ports::{Clock, Event, NoResponse, Secrets};
use crate::steps::environment::Environment;
use crate::steps::session::{ANSWER_WITHIN, check_key, key_fingerprint, send};

/// Requests ready to leave below which the next range is fetched: those of a second, but no more than a range has.
const PREFETCH_BELOW: usize = 10;
/// A process that slept for longer by the wall clock may have lost the lease, and asks before it sends.
const SUSPEND_THRESHOLD: Duration = Duration::from_secs(30);

type Task<'w, T> = Pin<Box<dyn Future<Output = T> + Send + 'w>>;

/// What came of a request.
struct Answered {
    number: u64,
    range: usize,
    kind: RequestKind,
    sent: Timestamp,
    at: Timestamp,
    incoming: Incoming,
    /// The key it was sent with.
    key: SecretString,
}

/// What there is to do next.
enum Step<'w> {
    Send(Option<Task<'w, Answered>>),
    Wait { wake: Timestamp },
    End(LaneStatus),
}

/// One deliver call at work.
pub(super) struct Worker<'w, E: Environment> {
    env: &'w E,
    assignment: Assignment<'w>,
    destination: &'w dyn Destination,
    /// Whether another run, or a later call of this lane, is at work in its place: it writes nothing any more.
    replaced: bool,
    renewed_at: Timestamp,
    /// Whether the suppression file has changed: the next call leaves its people out of the rows that are not sent yet.
    is_outdated: bool,
    secrets: Secrets,
    /// Whether the key is one that the run's account was asked with.
    is_account_checked: bool,
    limit: &'w Limit,
    deadline: Deadline,
    lane: Lane,
    pace: Pace,
    /// Of all lanes.
    rate: f64,
    /// Whether the learned setup has been deleted.
    has_forgotten_setup: bool,
    next_range: usize,
    /// Whether an earlier call had begun the range that was loaded last, with those that begin together with it.
    is_begun: bool,
    checkpoints: Checkpoints<'w, E::Store>,
    confirmed: u64,
    in_flight: FuturesUnordered<Task<'w, Answered>>,
    allowance: Allowance,
    loading: Fuse<Task<'w, Result<LoadedRange>>>,
    /// Gives how many rows the other lanes had refused, where it was asked.
    saving: Fuse<Task<'w, Result<Option<u64>>>>,
    save_began: Timestamp,
    /// People who are sent nothing under their new addresses, by half their profiles' keys.
    withdrawn: HashSet<[u8; 16]>,
}

impl<'w, E: Environment> Worker<'w, E> {
    pub(super) fn new(
        env: &'w E,
        assignment: Assignment<'w>,
        limit: &'w Limit,
        secrets: Secrets,
        pace: Pace,
        known: KnownContacts,
    ) -> Result<Self> {
        let Assignment { connection, run, opened, number, ranges, .. } = assignment;
        let destination = env.destination(connection.api);
        check_key(&secrets.api_key, destination.name())?;
        let is_account_checked = opened.key == key_fingerprint(&secrets)?;
        let now = env.clock().now();
        let caution = destination.limits().caution;
        let settings = LaneSettings {
            protocol: destination.protocol(&run.fields, &opened.setup, known)?,
            destination: destination.name(),
            batch_rows: destination.limits().batch_rows,
            patience: Duration::from_secs(connection.patience_seconds),
            settle: caution.map(|caution| caution.settle).unwrap_or_default(),
            one_at_a_time: caution.is_some(),
            seed: u64::from(number) ^ u64::try_from(now.as_nanosecond()).unwrap_or_default(),
        };
        let lanes = u32::try_from(opened.lanes.len()).unwrap_or(u32::MAX);
        Ok(Self {
            env,
            assignment,
            destination,
            replaced: false,
            renewed_at: env.clock().wall(),
            is_outdated: false,
            secrets,
            is_account_checked,
            limit,
            deadline: Deadline::new(limit.until),
            lane: Lane::new(settings, now),
            pace,
            rate: opened.rate.min(connection.requests_per_second),
            has_forgotten_setup: false,
            next_range: 0,
            is_begun: false,
            checkpoints: Checkpoints::new(env.store(), &run.request.run_id, LaneId { number, lanes }, ranges),
            confirmed: 0,
            in_flight: FuturesUnordered::new(),
            allowance: Allowance::new(destination.limits(), opened.lanes.len()),
            loading: Fuse::terminated(),
            saving: Fuse::terminated(),
            save_began: now,
            withdrawn: HashSet::new(),
        })
    }

    fn clock(&self) -> &'w Clock {
        self.env.clock()
    }

    /// Whether every row without a verdict was never sent.
    pub(super) fn knows_what_was_sent(&self) -> bool {
        self.lane.knows_what_was_sent()
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.replaced
    }

    /// How many rows were confirmed in this call.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Works until the lane is through or the limit is near.
    pub(super) async fn work_and_save(&mut self) -> Result<LaneStatus> {
        let worked = self.work().await;
        if !self.saving.is_terminated() {
            // An older checkpoint must not land after the last one. Where it fails, the last one has its rows too.
            let _ = (&mut self.saving).await;
        }
        worked
    }

    /// Saves everything at the end of the call.
    pub(super) async fn save_all(&mut self) -> Result<()> {
        self.enter(self.clock().now());
        self.checkpoints.save_all().await
    }

    async fn work(&mut self) -> Result<LaneStatus> {
        let clock = self.clock();
        if !self.change_addresses().await? {
            return Ok(LaneStatus::Yielded);
        }
        let mut renewal = std::pin::pin!(clock.sleep_until(after(clock.now(), RENEW_EVERY)).fuse());
        loop {
            if between(self.renewed_at, clock.wall()) >= SUSPEND_THRESHOLD {
                self.renew().await?;
            }
            let wake = match self.step(clock.now())? {
                Step::End(status) => return Ok(status),
                Step::Send(request) => {
                    self.in_flight.extend(request);
                    continue;
                }
                Step::Wait { wake } => wake,
            };
            let stop = &self.limit.stop;
            tokio::select! {
                biased;
                Some(answered) = self.in_flight.next() => self.answered(answered).await?,
                loaded = &mut self.loading => self.loaded(loaded?).await?,
                saved = &mut self.saving => self.saved(saved?)?,
                () = &mut renewal => {
                    self.renew().await?;
                    renewal.set(clock.sleep_until(after(clock.now(), RENEW_EVERY)).fuse());
                }
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    /// Begins what can be begun, and says what there is to do next.
    fn step(&mut self, now: Timestamp) -> Result<Step<'w>> {
        let time_left = self.deadline.time_left(now);
        let sending = time_left == TimeLeft::Sending && !self.limit.stop.is_cancelled() && !self.is_outdated;
        if !sending && (self.in_flight.is_empty() || time_left == TimeLeft::Expired) {
            return Ok(Step::End(LaneStatus::Yielded));
        }
        if sending && self.wants_rows() {
            let (store, assignment, index, begun) = (self.env.store(), self.assignment, self.next_range, self.is_begun);
            self.loading = async move { load(store, &assignment, index, begun).await }.boxed().fuse();
            self.next_range += 1;
        }
        if let Some(due) = self.checkpoints.due(now).filter(|_| self.saving.is_terminated()) {
            self.saving = self.checkpoints.save(due).boxed().fuse();
            self.save_began = now;
        }
        let checkpoint = self.checkpoints.latest().filter(|_| self.saving.is_terminated());
        let mut wake = checkpoint.map_or(self.deadline.expires(), |latest| self.deadline.expires().min(latest));
        if !sending {
            return Ok(Step::Wait { wake });
        }
        let loaded_all = self.next_range >= self.assignment.ranges.len() && self.loading.is_terminated();
        match self.lane.next(now)? {
            Next::Send => {
                check_refusals(&self.allowance, self.destination.name())?;
                if let Some(allowed) = self.allowance.next(self.in_flight.len(), now) {
                    let at = self.pace.next(now).max(allowed);
                    if at <= now {
                        self.pace.take(now);
                        return Ok(Step::Send(self.next_request(now)));
                    }
                    wake = wake.min(at);
                }
            }
            Next::WaitUntil(at) => wake = wake.min(at),
            Next::NeedRows if loaded_all => return Ok(Step::End(LaneStatus::Finished)),
            Next::AwaitResponse if self.in_flight.is_empty() && self.loading.is_terminated() => {
                let run_id = self.assignment.run.request.run_id.as_str();
                return Err(Error::new(Kind::Bug, run_id, "waits for a response to nothing"));
            }
            _ => {}
        }
        Ok(Step::Wait { wake })
    }

    fn wants_rows(&self) -> bool {
        self.loading.is_terminated()
            && self.next_range < self.assignment.ranges.len()
            && self.lane.ready() < self.pace.share().min(PREFETCH_BELOW)
    }

    /// The next request, on its way; none where it could not be made.
    fn next_request(&mut self, now: Timestamp) -> Option<Task<'w, Answered>> {
        let Some(Outgoing { number, span, call }) = self.lane.next_request(now) else {
            self.enter(now);
            return None;
        };
        let range = span as usize;
        let sent = self.checkpoints.sent(range);
        sent.requests.count(call.kind);
        sent.seconds.count(now);
        self.env.observer().notify(Event::Request);
        tracing::debug!(kind = ?call.kind, "a request leaves");
        let connection = self.assignment.connection;
        let patience = Duration::from_secs(connection.patience_seconds);
        let within = ANSWER_WITHIN.min(patience).min(between(now, self.deadline.expires()));
        let (env, kind, key) = (self.env, call.kind, self.secrets.api_key.clone());
        let sending = send(env, connection, &key, &call, within);
        Some(Box::pin(async move {
            let incoming = match sending.await {
                Ok(response) => Incoming::Response(response),
                Err(NoResponse(why)) => Incoming::Nothing(why),
            };
            Answered { number, range, kind, sent: now, at: env.clock().now(), incoming, key }
        }))
    }

    async fn answered(&mut self, answered: Answered) -> Result<()> {
        let Answered { number, range, kind, sent, at, incoming, key } = answered;
        self.deadline.responded(sent, at);
        self.pace.answered(kind, sent, at);
        let now = self.clock().now();
        let status = incoming.status();
        let handled = self.lane.handle_response(number, incoming, now);
        self.allowance.note(handled, (400..500).contains(&status) && status != 429, now);
        self.apply_setup_check().await?;
        for (key, contact_id) in self.lane.protocol().found() {
            self.checkpoints.found(range, &key, &contact_id, now);
        }
        let requests = &mut self.checkpoints.sent(range).requests;
        requests.retried += u64::from(handled != Handled::Settled);
        requests.throttled += u64::from(handled == Handled::RateLimited);
        if handled != Handled::Settled {
            self.env.observer().notify(Event::Retries { rate_limited: handled == Handled::RateLimited });
            tracing::debug!(status, "an answer settled nothing, the request is retried");
        }
        if handled == Handled::Unauthorized && !self.is_renewed(range, &key).await? {
            return Err(unauthorized(self.destination.name()));
        }
        self.enter(now);
        watch(&self.assignment, self.checkpoints.refused(), self.destination.name())
    }

    /// Enters the lane's verdicts in their ranges' ledgers.
    fn enter(&mut self, now: Timestamp) {
        let verdicts = self.lane.verdicts();
        if verdicts.is_empty() {
            return;
        }
        self.env.observer().notify(Event::Settled(verdicts.len() as u64));
        for verdict in verdicts {
            let range = verdict.span as usize;
            self.confirmed += u64::from(!verdict.outcome.is_refused());
            self.checkpoints.enter(range, self.operation(range), &verdict, now);
        }
    }

    fn operation(&self, range: usize) -> Operation {
        let Assignment { run, ranges, .. } = self.assignment;
        let chunk = ranges.get(range).and_then(|range| run.chunks.get(range.chunk));
        chunk.map_or(Operation::Update, |chunk| chunk.operation)
    }

    fn saved(&mut self, others_refused: Option<u64>) -> Result<()> {
        self.deadline.saved(self.save_began, self.clock().now());
        self.checkpoints.saved(others_refused);
        watch(&self.assignment, self.checkpoints.refused(), self.destination.name())
    }
}
