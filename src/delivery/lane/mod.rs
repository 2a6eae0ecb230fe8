//! One lane at work: which request comes next, and what a response means for the rows it carried.
//!
//! The lane is given spans of rows, is asked what is [`Next`], hands out requests, is given their responses, and gives out
//! a [`Verdict`] per row. What a request says and how its response is read is the protocol's business; the lane keeps the
//! queue, the patience and the back-off. Every row handed in comes out in exactly one verdict, or is still in the lane
//! when it stops.

mod attempts;
mod dialogue;
mod loading;
mod retrying;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::backoff;
use super::pace::after;
use super::pending::Pending;
pub use super::pending::Span;
use crate::destination::{Protocol, Request, Response, RowId, RowOutcome, RowResult, Rows};
use crate::error::{Error, Kind, Result};
use crate::state::half;
use attempts::Attempts;
pub use dialogue::{Handled, Incoming, LaneSettings, Next, Outgoing, Verdict};
use loading::{Loaded, loaded};

/// A lane at work.
pub struct Lane {
    protocol: Box<dyn Protocol>,
    destination: &'static str,
    patience: Duration,
    pending: Pending,
    ready: VecDeque<(Request, Attempts)>,
    delayed: Vec<(Timestamp, Request, Attempts)>,
    /// Rows that wait to share a request, by its step.
    gathering: BTreeMap<&'static str, Vec<RowId>>,
    batch_rows: usize,
    in_flight: HashMap<u64, (Request, Attempts)>,
    sent: u64,
    /// Consecutive rate-limited or failed responses.
    consecutive_failures: u32,
    last_failure: LastFailure,
    pause_until: Timestamp,
    /// Responses so far that said what happened, and when the last of them came.
    confirmed: u64,
    confirmed_at: Timestamp,
    /// Whether a batch was split although nothing was confirmed since it was made; until something is.
    split_blindly: bool,
    settle: Duration,
    one_at_a_time: bool,
    /// Why the account takes no more.
    ended: Option<(Kind, Cow<'static, str>, &'static str)>,
    verdicts: Vec<Verdict>,
    random: fastrand::Rng,
}

/// Why the last response that confirmed nothing did so.
#[derive(Clone, Copy)]
enum LastFailure {
    RateLimited,
    Failed(&'static str),
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("ready", &self.ready.len()).field("in_flight", &self.in_flight.len()).finish()
    }
}

impl Lane {
    /// A lane without rows.
    pub fn new(settings: LaneSettings, now: Timestamp) -> Self {
        let LaneSettings { protocol, destination, batch_rows, patience, settle, one_at_a_time, seed } = settings;
        Self {
            protocol,
            destination,
            patience,
            pending: Pending::default(),
            ready: VecDeque::new(),
            delayed: Vec::new(),
            gathering: BTreeMap::new(),
            batch_rows,
            in_flight: HashMap::new(),
            sent: 0,
            consecutive_failures: 0,
            last_failure: LastFailure::Failed("no answer"),
            pause_until: now,
            confirmed: 0,
            confirmed_at: now,
            split_blindly: false,
            settle,
            one_at_a_time,
            ended: None,
            verdicts: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Gives the lane more rows; `number` must be new to it.
    pub fn load(&mut self, number: u32, span: Span) {
        let Loaded { requests, outcomes } = loaded(self.protocol.as_ref(), number, &span);
        self.pending.insert(number, span);
        self.ready.extend(requests.into_iter().map(|request| (request, Attempts::default())));
        outcomes.into_iter().for_each(|(id, outcome)| self.apply(id, outcome));
    }

    /// Says that rows of a span may have been sent before the lane was given them.
    pub fn may_be_sent(&mut self, number: u32, rows: impl IntoIterator<Item = u32>) {
        rows.into_iter().for_each(|row| self.pending.may_be_sent(RowId { span: number, number: row }));
    }

    /// Whether every row without a verdict was never sent.
    pub fn knows_what_was_sent(&self) -> bool {
        self.in_flight.is_empty() && !self.pending.holds_sent()
    }

    /// How many requests could leave now; a low number says that [`Lane::load`] is due.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// What the lane can do at `now`.
    ///
    /// # Errors
    /// Kind `unavailable` or `throttled`, when nothing was confirmed for longer than the patience.
    pub fn next(&mut self, now: Timestamp) -> Result<Next> {
        if let Some((kind, problem, hint)) = &self.ended {
            return Err(Error::new(*kind, self.destination, problem.as_ref()).hint(*hint));
        }
        if self.pending.is_empty() {
            return Ok(Next::NeedRows);
        }
        // A pause may be longer than the patience.
        let troubled = self.consecutive_failures > 0 || self.pause_until > now;
        if troubled && now >= self.patience_ends() {
            return Err(self.out_of_patience());
        }
        self.flush_gathered(now);
        let due = self.delayed.iter().map(|(at, ..)| *at).min();
        let may_leave = !self.ready.is_empty() && (!self.one_at_a_time || self.first_free().is_some());
        let next = if may_leave { Some(now) } else { due };
        let Some(next) = next else {
            return Ok(Next::AwaitResponse);
        };
        let next = next.max(self.pause_until);
        if next <= now {
            return Ok(Next::Send);
        }
        Ok(Next::WaitUntil(if troubled { next.min(self.patience_ends()) } else { next }))
    }

    /// The first request that is ready and carries no profile that is on its way.
    fn first_free(&self) -> Option<usize> {
        let key = |id: &RowId| self.pending.row(*id).map(|(_, row, _)| half(&row.key));
        let unclear = self.delayed.iter().map(|(_, request, _)| request);
        let sent = self.in_flight.values().map(|(request, _)| request).chain(unclear);
        let busy: HashSet<[u8; 16]> = sent.flat_map(|request| request.rows.iter().filter_map(key)).collect();
        let is_free = |request: &Request| request.rows.iter().filter_map(key).all(|key| !busy.contains(&key));
        self.ready.iter().position(|(request, _)| is_free(request))
    }

    fn patience_ends(&self) -> Timestamp {
        after(self.confirmed_at, self.patience)
    }

    fn out_of_patience(&self) -> Error {
        let seconds = self.patience.as_secs();
        let (kind, last, hint) = match self.last_failure {
            LastFailure::RateLimited => (
                Kind::Throttled,
                "429, too many requests",
                "find what else uses the account's rate, or lower requests_per_second; the next run sends what is pending",
            ),
            LastFailure::Failed(why) => (Kind::Unavailable, why, "the next run sends what is pending"),
        };
        Error::new(kind, self.destination, format!("confirmed nothing for {seconds} s; last: {last}")).hint(hint)
    }

    /// The next request, when [`Lane::next`] says to send. `None` where it cannot be made: its rows are refused.
    pub fn next_request(&mut self, now: Timestamp) -> Option<Outgoing> {
        let due = self.delayed.iter().position(|(at, ..)| *at <= now);
        let (request, mut attempts) = match due {
            Some(at) => {
                let (_, request, attempts) = self.delayed.swap_remove(at);
                (request, attempts)
            }
            None if self.one_at_a_time => self.ready.remove(self.first_free()?)?,
            None => self.ready.pop_front()?,
        };
        let Some(call) = self.protocol.call(&request, &self.pending) else {
            let reason = self.protocol.unsendable();
            request.rows.iter().for_each(|id| self.resolve(*id, RowResult::Refused(reason.into())));
            return None;
        };
        if self.in_flight.is_empty() && self.consecutive_failures == 0 {
            // Patience counts from when there was something to wait for.
            self.confirmed_at = self.confirmed_at.max(now);
        }
        if attempts.all == 0 {
            attempts.since = self.confirmed;
        }
        request.rows.iter().for_each(|id| self.pending.sent(*id));
        let span = request.rows.first().map_or(0, |id| id.span);
        self.sent += 1;
        self.in_flight.insert(self.sent, (request, attempts));
        Some(Outgoing { number: self.sent, span, call })
    }

    /// Gives the lane what came of a request. A response that refuses the key is as if it had failed: a caller that
    /// has no newer key must end the run.
    pub fn handle_response(&mut self, number: u64, incoming: Incoming, now: Timestamp) -> Handled {
        let Some((request, attempts)) = self.in_flight.remove(&number) else { return Handled::Settled };
        let response = match incoming {
            Incoming::Response(response) => self.protocol.response(&request, &self.pending, &response),
            Incoming::Nothing(why) => Response::Failed(why),
        };
        self.protocol.unclear().into_iter().for_each(|id| self.pending.may_be_sent(id));
        match response {
            Response::RateLimited(asked) => {
                let failures = if asked.is_some() { attempts.all } else { self.consecutive_failures };
                let wait = backoff::rate_limited(asked, failures + 1, self.random.f64());
                self.last_failure = LastFailure::RateLimited;
                self.pause(request, attempts, after(now, wait))
            }
            Response::Paused(wait, why) => {
                self.last_failure = LastFailure::Failed(why);
                self.pause(request, attempts, after(now, wait))
            }
            Response::Failed(why) => {
                self.last_failure = LastFailure::Failed(why);
                request.rows.iter().for_each(|id| self.pending.may_be_sent(*id));
                self.failed(request, attempts, now);
                Handled::Failed
            }
            Response::Unauthorized => {
                self.last_failure = LastFailure::Failed("the key was refused");
                self.failed(request, attempts, now);
                Handled::Unauthorized
            }
            Response::Ends { kind, problem, hint } => {
                self.ended = Some((kind, problem, hint));
                Handled::Settled
            }
            Response::Rows(outcomes) => {
                self.settled(now);
                outcomes.into_iter().for_each(|(id, outcome)| self.apply(id, outcome));
                Handled::Settled
            }
            Response::Partly(outcomes, requests) => {
                self.settled(now);
                outcomes.into_iter().for_each(|(id, outcome)| self.apply(id, outcome));
                self.go_on(requests, now);
                Handled::Settled
            }
            Response::Doubted(requests) => {
                self.go_on(requests, now);
                Handled::Failed
            }
        }
    }

    fn settled(&mut self, now: Timestamp) {
        self.consecutive_failures = 0;
        self.confirmed += 1;
        self.confirmed_at = now;
        self.split_blindly = false;
    }

    fn apply(&mut self, id: RowId, outcome: RowOutcome) {
        match outcome {
            RowOutcome::Done(result) => self.resolve(id, result),
            RowOutcome::Then(step, note) => {
                self.pending.note(id, note);
                self.ready.push_back((Request::new(step, vec![id]), Attempts::default()));
            }
            RowOutcome::ThenTogether(step, note) => {
                self.pending.note(id, note);
                self.gathering.entry(step).or_default().push(id);
            }
        }
    }

    /// Sends rows that share requests, once there are enough of them or nothing else is left to do.
    fn flush_gathered(&mut self, now: Timestamp) {
        if self.gathering.is_empty() {
            return;
        }
        let is_quiet = self.ready.is_empty() && self.in_flight.is_empty();
        let nothing_else = is_quiet && self.waits_in_vain(now);
        // What is only to be asked at a later time holds up nobody else.
        let is_idle = nothing_else || (is_quiet && self.delayed.iter().all(|(.., attempts)| attempts.all == 0));
        let is_last = |step: &'static str| self.protocol.shares_last(step);
        // What others of these find out may lead more rows to the last steps.
        let all_last = self.gathering.keys().all(|step| is_last(step));
        let is_due = |step: &'static str, rows: &[RowId]| match is_last(step) {
            true => nothing_else && all_last,
            false => is_idle || rows.len() >= self.batch_rows,
        };
        let due = self.gathering.iter().filter(|(step, rows)| is_due(step, rows));
        let steps: Vec<_> = due.map(|(step, _)| *step).collect();
        for step in steps {
            let Some(mut rows) = self.gathering.remove(step) else { continue };
            let rest = rows.split_off(if is_idle { rows.len() } else { self.batch_rows });
            if !rest.is_empty() {
                self.gathering.insert(step, rest);
            }
            for request in self.protocol.together(step, rows, &self.pending).into_iter().rev() {
                self.ready.push_front((request, Attempts::default()));
            }
        }
    }

    fn resolve(&mut self, id: RowId, outcome: RowResult) {
        if let Some((row, may_be_sent)) = self.pending.take(id) {
            self.verdicts.push(Verdict { span: id.span, number: id.number, row, outcome, may_be_sent });
        }
    }

    /// What turns its rows into requests, and what that found.
    pub fn protocol(&self) -> &dyn Protocol {
        self.protocol.as_ref()
    }

    /// The verdicts since the last time.
    pub fn verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }
}

/// The error of an account that refuses the key.
pub fn unauthorized(destination: &str) -> Error {
    Error::new(Kind::Access, destination, "the account refuses the key")
        .hint("store a valid key, then run again; what was confirmed stays confirmed")
}
