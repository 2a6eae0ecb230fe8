//! deliver: works through one lane's ranges, judges every row, checkpoints, and stops short of its time limit.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Fuse, FusedFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::ask::ANSWER_WITHIN;
use super::calls::Calls;
use super::checkpoints::Checkpoints;
use super::confirmed::unreadable;
use super::open::{OpenRecord, lost_lease};
use super::workflow::Stop;
use super::{connection_of, export_of, read_json};
use crate::config::{Config, Connection, Export};
use crate::delivery::call::{Answer, Call, Counted};
use crate::delivery::lane::{Lane, Outcome, Span, Wants};
use crate::delivery::pace::{Pace, after, history, offset, window};
use crate::delivery::row::{self, Errand};
use crate::error::{Error, Kind, Result};
use crate::ledger::{self, Ledger, Results};
use crate::plan::deal::Range;
use crate::plan::guards::{MAX_REJECT_SHARE, too_many_rejected};
use crate::ports::{Autopilot, Condition, Event, Leases, SecretSource, Secrets, Store, World};
use crate::run::{RunRecord, RunRequest, keys};
use crate::state::Marked;

/// Calls in flight at most, over all lanes: at 20 requests a second and 3 s an answer there are 60.
const IN_FLIGHT: usize = 64;
/// Calls ready to leave below which the next range is fetched: those of a second, but no more than a range has.
const LOW: usize = 10;
/// Ranges that count as begun with the first of them. Should the run die, rows that were not sent are taken for rows that
/// may have been; each range that is noted is an object written.
pub(super) const BEGUN_TOGETHER: usize = 4;
/// Left of the time limit for the last checkpoint and the answer: this, or the time of so many of the slowest checkpoints so
/// far. One may be under way, the last one and the count of calls follow, and each may be slower than those before.
const RESERVE: Duration = Duration::from_millis(1500);
const RESERVE_CHECKPOINTS: u32 = 4;
/// How often the lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(15);
/// A process that slept for longer by the wall clock may have lost the lease, and asks before it sends.
const STALE: Duration = Duration::from_secs(30);

/// So long a call of the function leaves to the one before, where that has not said that it ended: until it has looked, and
/// its last requests are over. On one machine whoever has the lease knows that the other is gone.
const LET_BE: Duration = RENEW_EVERY.saturating_add(Duration::from_secs(5));
/// But no more than this part of its own time.
const LET_BE_PART: u32 = 4;

/// When a deliver call must have ended.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    /// The function's own time limit; none on one machine.
    pub until: Option<Timestamp>,
    /// A person's wish to stop.
    pub stop: Stop,
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
pub async fn deliver<W: World>(
    world: &W,
    config: &Config,
    request: &RunRequest,
    lane: u32,
    limit: &Limit,
) -> Result<Delivered> {
    let run_id = request.run_id.as_str();
    let store = world.store();
    let told = |done| Delivered { done, run_id: run_id.into(), lane };
    let missing = || Error::new(Kind::BadRequest, "deliver", run_id, "is not open").to_do("open it first");
    let run: RunRecord = read_json(store, &keys::of_run(run_id, "run.json")).await?.ok_or_else(missing)?;
    // A run keeps its connection, whatever the configuration says since.
    let ((export, _), connection) = (export_of(config, &request.export)?, connection_of(config, &run.connection)?);
    connection.may_send(export)?;
    // A late or repeated call, after the run's end or beside another run, does nothing.
    if !world.leases().renew(&connection.name, run_id).await? {
        return Ok(told(true));
    }
    let opened: Option<OpenRecord> = read_json(store, &keys::of_run(run_id, "open.json")).await?;
    let opened = opened.filter(|opened| opened.dealt).ok_or_else(missing)?;
    let Some(ranges) = opened.lanes.get(lane as usize) else {
        return Err(Error::new(Kind::BadRequest, "deliver", run_id, format!("has no lane {lane}")));
    };
    let mut calls = Calls::begin(store, run_id, lane).await?;
    if let Some(until) = limit.until.filter(|_| calls.may_be_beside()) {
        let now = world.clock().now();
        world.clock().sleep_until(after(now, LET_BE.min(between(now, until) / LET_BE_PART))).await;
    }
    let secrets = world.secrets().secrets(&connection.name, &connection.secret, false).await?;
    let pace = pace(&opened, connection, lane, calls.is_first(), world.clock().now());
    let lane_of = (lane, ranges.as_slice(), &calls);
    let mut work = Work::new(world, (export, connection), (&run, &opened), lane_of, secrets, (limit, pace));
    let worked = work.go_on().await;
    if work.replaced {
        return worked.map(told);
    }
    work.enter(world.clock().now());
    work.checkpoints.save_all().await?;
    let barren = work.confirmed == 0 && matches!(worked, Ok(false)) && !limit.stop.is_wanted();
    calls.end(store, run_id, lane, barren).await?;
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
    counted: Counted,
    sent: Timestamp,
    at: Timestamp,
    answer: Answer,
    /// The key it was asked with.
    key: SecretString,
}

/// One deliver call at work.
struct Work<'w, W: World> {
    world: &'w W,
    export: &'w Export,
    connection: &'w Connection,
    run: &'w RunRecord,
    opened: &'w OpenRecord,
    number: u32,
    ranges: &'w [Range],
    calls: Calls,
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

impl<'w, W: World> Work<'w, W> {
    fn new(
        world: &'w W,
        (export, connection): (&'w Export, &'w Connection),
        (run, opened): (&'w RunRecord, &'w OpenRecord),
        (number, ranges, calls): (u32, &'w [Range], &Calls),
        secrets: Secrets,
        (limit, pace): (&'w Limit, Pace),
    ) -> Self {
        let now = world.clock().now();
        let patience = Duration::from_secs(connection.patience_seconds);
        let lanes = u32::try_from(opened.lanes.len()).unwrap_or(u32::MAX);
        let seed = u64::from(number) ^ u64::try_from(now.as_nanosecond()).unwrap_or_default();
        Self {
            world,
            export,
            connection,
            run,
            opened,
            number,
            ranges,
            calls: calls.clone(),
            replaced: false,
            renewed_at: world.clock().wall(),
            secrets,
            limit,
            lane: Lane::new(opened.way, patience, now, seed),
            pace,
            next_range: 0,
            checkpoints: Checkpoints::new(world.store(), &run.request.run_id, (number, lanes), ranges),
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
        let world = self.world;
        let clock = world.clock();
        let mut flying: FuturesUnordered<Flying<'w>> = FuturesUnordered::new();
        let mut loading: Loading<'w> = Fuse::terminated();
        let mut renewal = std::pin::pin!(clock.sleep_until(after(clock.now(), RENEW_EVERY)).fuse());
        let mut slowest_answer = Duration::from_millis(500);
        let in_flight = IN_FLIGHT.div_ceil(self.opened.lanes.len().max(1));
        let (mut save_began, mut slowest_save) = (clock.now(), Duration::ZERO);
        loop {
            if between(self.renewed_at, clock.wall()) >= STALE {
                self.renew().await?;
            }
            let now = clock.now();
            let hard = self.limit.until.map_or(Timestamp::MAX, |until| {
                let reserve = RESERVE.max(slowest_save * RESERVE_CHECKPOINTS);
                until.checked_sub(jiff::SignedDuration::try_from(reserve).unwrap_or_default()).unwrap_or(until)
            });
            // Stop sending while the answers to what is out can still come.
            let stopping = self.limit.stop.is_wanted() || after(now, slowest_answer) >= hard;
            if stopping && (flying.is_empty() || now >= hard) {
                return Ok(false);
            }
            if !stopping
                && loading.is_terminated()
                && self.next_range < self.ranges.len()
                && self.lane.ready() < self.pace.share().min(LOW)
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
                match self.lane.wants(now)? {
                    Wants::Send if flying.len() < in_flight => {
                        let at = self.pace.next(now);
                        if at <= now {
                            self.pace.take(now);
                            flying.extend(self.send(now, hard));
                            continue;
                        }
                        wake = wake.min(at);
                    }
                    Wants::Wait(at) => wake = wake.min(at),
                    Wants::Rows if self.next_range >= self.ranges.len() && loading.is_terminated() => return Ok(true),
                    Wants::Answer if flying.is_empty() && loading.is_terminated() => {
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
                () = self.limit.stop.wanted(), if !stopping => {}
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    /// Renews the lease, or stops: another run has it, or another call of this very lane is at work.
    async fn renew(&mut self) -> Result<()> {
        let (world, run_id) = (self.world, self.run.request.run_id.as_str());
        if !world.leases().renew(&self.connection.name, run_id).await? {
            self.replaced = true;
            return Err(lost_lease("deliver", &self.connection.name));
        }
        self.replaced = !self.calls.is_the_last(world.store(), run_id, self.number).await?;
        if self.replaced {
            let what = format!("lane {} is worked on by a later call", self.number);
            return Err(Error::new(Kind::Unavailable, "deliver", run_id, what).to_do("nothing: that call goes on"));
        }
        self.renewed_at = world.clock().wall();
        Ok(())
    }

    /// The next call, on its way.
    fn send(&mut self, now: Timestamp, hard: Timestamp) -> Option<Flying<'w>> {
        let (number, span, call) = self.lane.take(now)?;
        let range = span as usize;
        let sent = self.checkpoints.sent(range);
        sent.requests.count(call.counted());
        sent.seconds.count(now);
        self.world.watcher().saw(Event::Request);
        Some(self.fly((number, range, call), now, hard))
    }

    fn fly(&self, (number, range, call): (u64, usize, Call), sent: Timestamp, hard: Timestamp) -> Flying<'w> {
        let (world, connection) = (self.world, self.connection);
        let key = self.secrets.api_key.clone();
        let left = between(world.clock().now(), hard);
        let patience = Duration::from_secs(connection.patience_seconds);
        let within = ANSWER_WITHIN.min(patience).min(left);
        Box::pin(async move {
            let answer = world.autopilot().call(connection.base_url.as_deref(), &key, &call, within).await;
            Answered { number, range, counted: call.counted(), sent, at: world.clock().now(), answer, key }
        })
    }

    async fn answered(&mut self, answered: Answered) -> Result<()> {
        let Answered { number, range, counted, sent, at, answer, key } = answered;
        self.pace.answered(counted, sent, at);
        let answer = match answer {
            Answer::Denied if self.is_renewed(&key).await? => Answer::Unclear("the key was renewed"),
            answer => answer,
        };
        let requests = &mut self.checkpoints.sent(range).requests;
        match answer {
            Answer::Throttled(_) => {
                requests.throttled += 1;
                requests.retried += 1;
            }
            Answer::Unclear(_) => requests.retried += 1,
            _ => {}
        }
        let now = self.world.clock().now();
        self.lane.answer(number, answer, now)?;
        self.enter(now);
        self.watch_refusals()
    }

    /// Whether there is another key than the one that was refused. Of several calls on their way the first to be refused
    /// finds the new one.
    async fn is_renewed(&mut self, refused: &SecretString) -> Result<bool> {
        if self.secrets.api_key.expose_secret() == refused.expose_secret() {
            self.secrets = self.world.secrets().secrets(&self.connection.name, &self.connection.secret, true).await?;
        }
        Ok(self.secrets.api_key.expose_secret() != refused.expose_secret())
    }

    /// Enters the lane's verdicts in their ranges' ledgers.
    fn enter(&mut self, now: Timestamp) {
        let verdicts = self.lane.verdicts();
        if verdicts.is_empty() {
            return;
        }
        self.world.watcher().saw(Event::Settled(verdicts.len() as u64));
        for verdict in verdicts {
            let range = verdict.span as usize;
            let errand = self.errand(range);
            self.confirmed += u64::from(!matches!(verdict.outcome, Outcome::Refused(_)));
            self.checkpoints.enter(range, errand, &verdict, now);
        }
    }

    fn errand(&self, range: usize) -> Errand {
        let chunk = self.ranges.get(range).and_then(|range| self.run.chunks.get(range.chunk));
        chunk.map_or(Errand::Changed, |chunk| chunk.errand)
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
            .to_do(format!("see the rejects; pass over it once with --pass-guard {MAX_REJECT_SHARE}")))
    }

    /// Fetches the next range, less the rows that were judged before.
    fn load(&mut self) -> impl Future<Output = Result<(usize, Span, Results)>> + Send + use<'w, W> {
        let index = self.next_range;
        self.next_range += 1;
        let (world, run, opened, number) = (self.world, self.run, self.opened, self.number);
        let range = self.ranges.get(index).cloned();
        async move {
            let run_id = run.request.run_id.as_str();
            let lost = |what: &str| Error::new(Kind::Bug, "deliver", run_id, format!("{what} is gone"));
            let range = range.ok_or_else(|| lost("a range"))?;
            let chunk = run.chunks.get(range.chunk).ok_or_else(|| lost("a chunk"))?;
            let key = keys::results(run_id, number, index);
            let results = match world.store().get(&key).await? {
                Some(object) => ledger::read(&key, &object.body).unwrap_or_else(unreadable),
                None => {
                    if index.is_multiple_of(BEGUN_TOGETHER) {
                        // Says that rows may have been sent from now on, should this run never hear of them again. Where
                        // an earlier call's note comes late, it must not undo what was confirmed since.
                        let nothing = Ledger::default().checkpoint().into();
                        world.store().put(&key, nothing, Condition::IfAbsent).await?;
                    }
                    Results::default()
                }
            };
            let key = keys::of_run(run_id, &chunk.name);
            let object = world.store().get(&key).await?.ok_or_else(|| lost(&chunk.name))?;
            let rows = row::read(&key, &object.body, range.from as usize, range.to as usize)?;
            let judged: std::collections::HashSet<u32> = results.entries.iter().map(|(number, _)| *number).collect();
            let rows = (range.from..).zip(rows).filter(|(number, _)| !judged.contains(number)).collect();
            let marked = opened.marked.get(chunk.segment).cloned().unwrap_or(Marked::None);
            Ok((index, Span { errand: chunk.errand, marked, rows }, results))
        }
    }

    fn loaded(&mut self, range: usize, span: Span, results: &Results) {
        if !results.entries.is_empty() {
            self.world.watcher().saw(Event::Settled(results.entries.len() as u64));
        }
        self.checkpoints.resume(range, results);
        self.lane.load(u32::try_from(range).unwrap_or(u32::MAX), span);
        self.enter(self.world.clock().now());
    }
}
