//! deliver: works through one lane's ranges, judges every row, checkpoints, and stops short of its time limit.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Fuse, FusedFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

mod attempts;
mod checkpoints;

use attempts::LaneAttempts;
use checkpoints::Checkpoints;

use crate::chunk::{self, Operation};
use crate::config::{Config, Connection, Export, connection_of, export_of};
use crate::delivery::call::{Call, RequestKind, Response};
use crate::delivery::lane::{Lane, Next, Outcome, Span};
use crate::delivery::pace::{Pace, after, history, offset, window};
use crate::error::{Error, Kind, Result};
use crate::ledger::{self, Ledger, Results};
use crate::plan::guards::{MAX_REJECT_SHARE, too_many_rejected};
use crate::plan::lanes::Range;
use crate::ports::{Autopilot, Environment, Event, Leases, PutMode, SecretSource, Secrets, Store};
use crate::run::opening::{BEGUN_TOGETHER, OpenRecord};
use crate::run::{RunRecord, RunRequest, keys};
use crate::state::MembershipTarget;
use crate::steps::cancel::Cancellation;
use crate::steps::documents::read_json;
use crate::steps::lease::lost_lease;
use crate::steps::session::ANSWER_WITHIN;

/// LaneAttempts in flight at most, over all lanes: at 20 requests a second and 3 s an answer there are 60.
const IN_FLIGHT: usize = 64;
/// LaneAttempts ready to leave below which the next range is fetched: those of a second, but no more than a range has.
const PREFETCH_BELOW: usize = 10;
/// Left of the time limit for the last checkpoint and the answer: this, or the time of so many of the slowest checkpoints so
/// far. One may be under way, the last one and the count of calls follow, and each may be slower than those before.
const RESERVE: Duration = Duration::from_millis(1500);
const RESERVE_CHECKPOINTS: u32 = 4;
/// How often the lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(15);
/// A process that slept for longer by the wall clock may have lost the lease, and asks before it sends.
const SUSPEND_THRESHOLD: Duration = Duration::from_secs(30);

/// So long a call of the function leaves to the one before, where that has not said that it ended: until it has looked, and
/// its last requests are over. On one machine whoever has the lease knows that the other is gone.
const PREDECESSOR_GRACE: Duration = RENEW_EVERY.saturating_add(Duration::from_secs(5));
/// But no more than this part of its own time.
const PREDECESSOR_GRACE_PART: u32 = 4;

/// When a deliver call must have ended.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    /// The function's own time limit; none on one machine.
    pub until: Option<Timestamp>,
    /// A person's wish to stop.
    pub stop: Cancellation,
}

/// What deliver says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Whether the lane is through.
    pub done: bool,
    /// The run.
    pub run_id: String,
    /// The lane.
    pub lane: u32,
}

/// Goes on with a lane until it is through or the limit is near.
///
/// # Errors
/// Kind `access`, `throttled`, `unavailable`, `guard`; what was confirmed until then is saved.
pub async fn deliver<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    lane: u32,
    limit: &Limit,
) -> Result<Delivered> {
    let run_id = request.run_id.as_str();
    let store = env.store();
    let told = |done| Delivered { done, run_id: run_id.into(), lane };
    let missing = || Error::new(Kind::BadRequest, "deliver", run_id, "is not open").hint("open it first");
    let run: RunRecord = read_json(store, &keys::of_run(run_id, "run.json")).await?.ok_or_else(missing)?;
    // A run keeps its connection, whatever the configuration says since.
    let ((export, _), connection) = (export_of(config, &request.export)?, connection_of(config, &run.connection)?);
    connection.may_send(export, env.clock().now())?;
    // A late or repeated call, after the run's end or beside another run, does nothing.
    if !env.leases().renew(&connection.name, run_id).await? {
        return Ok(told(true));
    }
    let opened: Option<OpenRecord> = read_json(store, &keys::of_run(run_id, "open.json")).await?;
    let opened = opened.filter(|opened| opened.dealt).ok_or_else(missing)?;
    let Some(ranges) = opened.lanes.get(lane as usize) else {
        return Err(Error::new(Kind::BadRequest, "deliver", run_id, format!("has no lane {lane}")));
    };
    let mut calls = LaneAttempts::begin(store, run_id, lane).await?;
    if let Some(until) = limit.until.filter(|_| calls.may_be_beside()) {
        let now = env.clock().now();
        env.clock().sleep_until(after(now, PREDECESSOR_GRACE.min(between(now, until) / PREDECESSOR_GRACE_PART))).await;
    }
    let secrets = env.secrets().secrets(&connection.name, &connection.secret, false).await?;
    let pace = pace(&opened, connection, lane, calls.is_first(), env.clock().now());
    let lane_of = (lane, ranges.as_slice(), &calls);
    let mut work = Work::new(env, (export, connection), (&run, &opened), lane_of, secrets, (limit, pace));
    let worked = work.go_on().await;
    if work.replaced {
        return worked.map(told);
    }
    work.enter(env.clock().now());
    work.checkpoints.save_all().await?;
    let without_progress = work.confirmed == 0 && matches!(worked, Ok(false)) && !limit.stop.is_cancelled();
    calls.end(store, run_id, lane, without_progress).await?;
    worked.map(told)
}

/// The lane's slots. Its first call goes on from open's requests; a later one keeps quiet for a window, as it does not
/// know when the call before it sent last.
fn pace(opened: &OpenRecord, connection: &Connection, number: u32, first: bool, now: Timestamp) -> Pace {
    let rate = connection.requests_per_second;
    let lane = number as usize;
    let share = opened.shares.get(lane).copied().unwrap_or(1);
    if !first {
        return Pace::new(rate, share, &[], after(now, window(rate)));
    }
    let from = after(now, offset(rate, number));
    Pace::new(rate, share, &history(&opened.last_sent, &opened.shares, lane), from)
}

/// None, where the clock was set back meanwhile.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

type Flying<'w> = Pin<Box<dyn Future<Output = Answered> + Send + 'w>>;

/// Gives how many rows the other lanes had refused, where it was asked.
type Saving<'w> = Fuse<Pin<Box<dyn Future<Output = Result<Option<u64>>> + Send + 'w>>>;
type Loading<'w> = Fuse<Pin<Box<dyn Future<Output = Result<(usize, Span, Results)>> + Send + 'w>>>;

/// What came of a request.
struct Answered {
    /// The lane's number of the call.
    number: u64,
    range: usize,
    counted: RequestKind,
    sent: Timestamp,
    at: Timestamp,
    answer: Response,
    /// The key it was asked with.
    key: SecretString,
}

/// One deliver call at work.
struct Work<'w, W: Environment> {
    env: &'w W,
    export: &'w Export,
    connection: &'w Connection,
    run: &'w RunRecord,
    opened: &'w OpenRecord,
    number: u32,
    ranges: &'w [Range],
    calls: LaneAttempts,
    /// Whether another run, or a later call of this lane, is at work in its place: it writes nothing any more.
    replaced: bool,
    renewed_at: Timestamp,
    secrets: Secrets,
    limit: &'w Limit,
    lane: Lane,
    pace: Pace,
    next_range: usize,
    checkpoints: Checkpoints<'w, W::Store>,
    confirmed: u64,
}

impl<'w, W: Environment> Work<'w, W> {
    fn new(
        env: &'w W,
        (export, connection): (&'w Export, &'w Connection),
        (run, opened): (&'w RunRecord, &'w OpenRecord),
        (number, ranges, calls): (u32, &'w [Range], &LaneAttempts),
        secrets: Secrets,
        (limit, pace): (&'w Limit, Pace),
    ) -> Self {
        let now = env.clock().now();
        let patience = Duration::from_secs(connection.patience_seconds);
        let lanes = u32::try_from(opened.lanes.len()).unwrap_or(u32::MAX);
        let seed = u64::from(number) ^ u64::try_from(now.as_nanosecond()).unwrap_or_default();
        Self {
            env,
            export,
            connection,
            run,
            opened,
            number,
            ranges,
            calls: calls.clone(),
            replaced: false,
            renewed_at: env.clock().wall(),
            secrets,
            limit,
            lane: Lane::new(opened.way, patience, now, seed),
            pace,
            next_range: 0,
            checkpoints: Checkpoints::new(env.store(), &run.request.run_id, (number, lanes), ranges),
            confirmed: 0,
        }
    }

    /// Works until the lane is through (`true`) or the limit is near (`false`).
    async fn go_on(&mut self) -> Result<bool> {
        let mut saving: Saving<'w> = Fuse::terminated();
        let worked = self.work(&mut saving).await;
        if !saving.is_terminated() {
            // An older checkpoint must not land after the last one. Where it fails, the last one has its rows too.
            let _ = saving.await;
        }
        worked
    }

    async fn work(&mut self, saving: &mut Saving<'w>) -> Result<bool> {
        let env = self.env;
        let clock = env.clock();
        let mut flying: FuturesUnordered<Flying<'w>> = FuturesUnordered::new();
        let mut loading: Loading<'w> = Fuse::terminated();
        let mut renewal = std::pin::pin!(clock.sleep_until(after(clock.now(), RENEW_EVERY)).fuse());
        let mut slowest_answer = Duration::from_millis(500);
        let in_flight = IN_FLIGHT.div_ceil(self.opened.lanes.len().max(1));
        let (mut save_began, mut slowest_save) = (clock.now(), Duration::ZERO);
        loop {
            if between(self.renewed_at, clock.wall()) >= SUSPEND_THRESHOLD {
                self.renew().await?;
            }
            let now = clock.now();
            let hard = self.limit.until.map_or(Timestamp::MAX, |until| {
                let reserve = RESERVE.max(slowest_save * RESERVE_CHECKPOINTS);
                until.checked_sub(jiff::SignedDuration::try_from(reserve).unwrap_or_default()).unwrap_or(until)
            });
            // Cancellation sending while the answers to what is out can still come.
            let stopping = self.limit.stop.is_cancelled() || after(now, slowest_answer) >= hard;
            if stopping && (flying.is_empty() || now >= hard) {
                return Ok(false);
            }
            if !stopping
                && loading.is_terminated()
                && self.next_range < self.ranges.len()
                && self.lane.ready() < self.pace.share().min(PREFETCH_BELOW)
            {
                loading = self.load().boxed().fuse();
            }
            if let Some(due) = self.checkpoints.due(now).filter(|_| saving.is_terminated()) {
                *saving = self.checkpoints.save(due).boxed().fuse();
                save_began = now;
            }
            let checkpoint = self.checkpoints.latest().filter(|_| saving.is_terminated());
            let mut wake = checkpoint.map_or(hard, |latest| hard.min(latest));
            if !stopping {
                match self.lane.next(now)? {
                    Next::Send if flying.len() < in_flight => {
                        let at = self.pace.next(now);
                        if at <= now {
                            self.pace.take(now);
                            flying.extend(self.send(now, hard));
                            continue;
                        }
                        wake = wake.min(at);
                    }
                    Next::WaitUntil(at) => wake = wake.min(at),
                    Next::NeedRows if self.next_range >= self.ranges.len() && loading.is_terminated() => {
                        return Ok(true);
                    }
                    Next::AwaitResponse if flying.is_empty() && loading.is_terminated() => {
                        let run_id = self.run.request.run_id.as_str();
                        return Err(Error::new(Kind::Bug, "deliver", run_id, "waits for an answer to nothing"));
                    }
                    _ => {}
                }
            }
            tokio::select! {
                biased;
                Some(answered) = flying.next() => {
                    slowest_answer = slowest_answer.max(between(answered.sent, answered.at));
                    self.answered(answered).await?;
                }
                loaded = &mut loading => {
                    let (range, span, results) = loaded?;
                    self.loaded(range, span, &results);
                }
                saved = &mut *saving => {
                    slowest_save = slowest_save.max(between(save_began, clock.now()));
                    self.checkpoints.saved(saved?);
                    self.watch_refusals()?;
                }
                () = &mut renewal => {
                    self.renew().await?;
                    renewal.set(clock.sleep_until(after(clock.now(), RENEW_EVERY)).fuse());
                }
                () = self.limit.stop.cancelled(), if !stopping => {}
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    /// Renews the lease, or stops: another run has it, or another call of this very lane is at work.
    async fn renew(&mut self) -> Result<()> {
        let (env, run_id) = (self.env, self.run.request.run_id.as_str());
        if !env.leases().renew(&self.connection.name, run_id).await? {
            self.replaced = true;
            return Err(lost_lease("deliver", &self.connection.name));
        }
        self.replaced = !self.calls.is_current(env.store(), run_id, self.number).await?;
        if self.replaced {
            let what = format!("lane {} is worked on by a later call", self.number);
            return Err(Error::new(Kind::Unavailable, "deliver", run_id, what).hint("nothing: that call goes on"));
        }
        self.renewed_at = env.clock().wall();
        Ok(())
    }

    /// The next call, on its way.
    fn send(&mut self, now: Timestamp, hard: Timestamp) -> Option<Flying<'w>> {
        let (number, span, call) = self.lane.take(now)?;
        let range = span as usize;
        let sent = self.checkpoints.sent(range);
        sent.requests.count(call.kind());
        sent.seconds.count(now);
        self.env.watcher().saw(Event::Request);
        Some(self.fly((number, range, call), now, hard))
    }

    fn fly(&self, (number, range, call): (u64, usize, Call), sent: Timestamp, hard: Timestamp) -> Flying<'w> {
        let (env, connection) = (self.env, self.connection);
        let key = self.secrets.api_key.clone();
        let left = between(env.clock().now(), hard);
        let patience = Duration::from_secs(connection.patience_seconds);
        let within = ANSWER_WITHIN.min(patience).min(left);
        Box::pin(async move {
            let answer = env.autopilot().call(connection.base_url.as_deref(), &key, &call, within).await;
            Answered { number, range, counted: call.kind(), sent, at: env.clock().now(), answer, key }
        })
    }

    async fn answered(&mut self, answered: Answered) -> Result<()> {
        let Answered { number, range, counted, sent, at, answer, key } = answered;
        self.pace.answered(counted, sent, at);
        let answer = match answer {
            Response::Unauthorized if self.is_renewed(&key).await? => Response::Failed("the key was renewed"),
            answer => answer,
        };
        let requests = &mut self.checkpoints.sent(range).requests;
        match answer {
            Response::RateLimited(_) => {
                requests.throttled += 1;
                requests.retried += 1;
            }
            Response::Failed(_) => requests.retried += 1,
            _ => {}
        }
        let now = self.env.clock().now();
        self.lane.answer(number, answer, now)?;
        self.enter(now);
        self.watch_refusals()
    }

    /// Whether there is another key than the one that was refused. Of several calls on their way the first to be refused
    /// finds the new one.
    async fn is_renewed(&mut self, refused: &SecretString) -> Result<bool> {
        if self.secrets.api_key.expose_secret() == refused.expose_secret() {
            self.secrets = self.env.secrets().secrets(&self.connection.name, &self.connection.secret, true).await?;
        }
        Ok(self.secrets.api_key.expose_secret() != refused.expose_secret())
    }

    /// Enters the lane's verdicts in their ranges' ledgers.
    fn enter(&mut self, now: Timestamp) {
        let verdicts = self.lane.verdicts();
        if verdicts.is_empty() {
            return;
        }
        self.env.watcher().saw(Event::Settled(verdicts.len() as u64));
        for verdict in verdicts {
            let range = verdict.span as usize;
            let operation = self.operation(range);
            self.confirmed += u64::from(!matches!(verdict.outcome, Outcome::Refused(_)));
            self.checkpoints.enter(range, operation, &verdict, now);
        }
    }

    fn operation(&self, range: usize) -> Operation {
        let chunk = self.ranges.get(range).and_then(|range| self.run.chunks.get(range.chunk));
        chunk.map_or(Operation::Update, |chunk| chunk.operation)
    }

    /// The guard that watches refusals as they come.
    fn watch_refusals(&self) -> Result<()> {
        let (guards, asked) = (&self.export.guards, &self.run.request);
        let counts = self.run.counts();
        let (own, refused) = self.checkpoints.refused();
        let (rejected, read) = (counts.rejected() + refused, counts.read);
        // Of rows that were rejected before, many may be refused again.
        let passed = asked.keep_leavers || asked.pass_guards.iter().any(|name| name == MAX_REJECT_SHARE);
        if own == 0 || passed || !too_many_rejected(guards, rejected, read) {
            return Ok(());
        }
        let what = format!(
            "{rejected} of {read} rows are rejected, {refused} of them by Autopilot; max_reject_share allows {:.1} %",
            guards.max_reject_share * 100.0
        );
        Err(Error::new(Kind::Guard, "deliver", &self.export.name, what)
            .hint(format!("see the rejects; pass over it once with --pass-guard {MAX_REJECT_SHARE}")))
    }

    /// Fetches the next range, less the rows that were judged before.
    fn load(&mut self) -> impl Future<Output = Result<(usize, Span, Results)>> + Send + use<'w, W> {
        let index = self.next_range;
        self.next_range += 1;
        let (env, run, opened, number) = (self.env, self.run, self.opened, self.number);
        let range = self.ranges.get(index).cloned();
        async move {
            let run_id = run.request.run_id.as_str();
            let lost = |what: &str| Error::new(Kind::Bug, "deliver", run_id, format!("{what} is gone"));
            let range = range.ok_or_else(|| lost("a range"))?;
            let chunk = run.chunks.get(range.chunk).ok_or_else(|| lost("a chunk"))?;
            let key = keys::results(run_id, number, index);
            let results = match env.store().get(&key).await? {
                Some(object) => ledger::read(&key, &object.body).unwrap_or_else(crate::ledger::unreadable),
                None => {
                    if index.is_multiple_of(BEGUN_TOGETHER) {
                        // Says that rows may have been sent from now on, should this run never hear of them again. Where
                        // an earlier call's note comes late, it must not undo what was confirmed since.
                        let nothing = Ledger::default().checkpoint().into();
                        env.store().put(&key, nothing, PutMode::Create).await?;
                    }
                    Results::default()
                }
            };
            let key = keys::of_run(run_id, &chunk.name);
            let object = env.store().get(&key).await?.ok_or_else(|| lost(&chunk.name))?;
            let rows = chunk::read(&key, &object.body, range.from as usize, range.to as usize)?;
            let judged: std::collections::HashSet<u32> = results.entries.iter().map(|(number, _)| *number).collect();
            let rows = (range.from..).zip(rows).filter(|(number, _)| !judged.contains(number)).collect();
            let marked = opened.marked.get(chunk.segment).cloned().unwrap_or(MembershipTarget::None);
            Ok((index, Span { operation: chunk.operation, marked, rows }, results))
        }
    }

    fn loaded(&mut self, range: usize, span: Span, results: &Results) {
        if !results.entries.is_empty() {
            self.env.watcher().saw(Event::Settled(results.entries.len() as u64));
        }
        self.checkpoints.resume(range, results);
        self.lane.load(u32::try_from(range).unwrap_or(u32::MAX), span);
        self.enter(self.env.clock().now());
    }
}
