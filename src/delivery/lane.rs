//! One lane at work: which request comes next, and what an answer means for the rows it carried.
//!
//! The lane is given spans of rows, is asked what it [`Next`], hands out calls, is told their answers, and gives out a
//! [`Verdict`] per row. Every row handed in comes out in exactly one verdict, or is still in the lane when it stops.

mod attempts;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::backoff;
use super::call::{BATCH_BYTES, BATCH_ROWS, Call, Payload, Response};
use super::pace::after;
use super::span::Open;
pub use super::span::Span;
use crate::chunk::{Operation, Row, quoted};
use crate::error::{Error, Kind, Result};
use crate::state::MembershipTarget;
use attempts::Attempts;

/// How joiners get on a list; what the canary learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListStrategy {
    /// Bulk rows that name the list.
    Bulk,
    /// One call per joiner that names the list.
    Single,
    /// Bulk, then one list call per joiner.
    BulkThenList,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Autopilot confirmed it; the contact's id.
    Delivered(String),
    /// The leaver has left.
    Left,
    /// Autopilot refused it, with this reason.
    Refused(String),
}

/// A row that is done with.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The span's number, as given to [`Lane::load`].
    pub span: u32,
    /// The row's number within the span.
    pub number: u32,
    /// The row.
    pub row: Row,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the lane can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send: [`Lane::take`] has a call.
    Send,
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing before an answer.
    AwaitResponse,
    /// Nothing at all: every row that was loaded is judged.
    NeedRows,
}

type At = (u32, u32);

#[derive(Debug)]
enum Request {
    Bulk(Vec<At>),
    Alone(At),
    Add(At, String),
    Remove(At),
    Look(At),
}

/// A lane at work.
#[derive(Debug)]
pub struct Lane {
    way: ListStrategy,
    patience: Duration,
    open: BTreeMap<u32, Open>,
    ready: VecDeque<(Request, Attempts)>,
    later: Vec<(Timestamp, Request, Attempts)>,
    /// Leavers whose email was looked up and who wait for a full batch.
    looked_up: Vec<At>,
    flying: HashMap<u64, (Request, Attempts)>,
    calls: u64,
    /// Answers in a row that said to wait or said nothing.
    troubles: u32,
    last_trouble: &'static str,
    pause_until: Timestamp,
    /// Answers so far that said what happened, and when the last of them came.
    confirmed: u64,
    confirmed_at: Timestamp,
    /// Whether a batch was split although nothing was confirmed since it was made; until something is.
    split_blindly: bool,
    verdicts: Vec<Verdict>,
    random: fastrand::Rng,
}

impl Lane {
    /// A lane without rows. `patience` is how long nothing may be confirmed; `seed` spreads its waits.
    pub fn new(way: ListStrategy, patience: Duration, now: Timestamp, seed: u64) -> Self {
        Self {
            way,
            patience,
            open: BTreeMap::new(),
            ready: VecDeque::new(),
            later: Vec::new(),
            looked_up: Vec::new(),
            flying: HashMap::new(),
            calls: 0,
            troubles: 0,
            last_trouble: "no answer",
            pause_until: now,
            confirmed: 0,
            confirmed_at: now,
            split_blindly: false,
            verdicts: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Gives the lane more rows; `span` must be new to it.
    pub fn load(&mut self, span: u32, rows: Span) {
        let Span { operation, marked, rows } = rows;
        let (mut batch, mut unmarked) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (number, row) in &rows {
            let at = (span, *number);
            match (operation, &marked) {
                (Operation::Leave, MembershipTarget::List { .. }) => {
                    self.ready.push_back((Request::Remove(at), Attempts::default()))
                }
                (Operation::Leave, MembershipTarget::Field(_)) => {
                    self.ready.push_back((Request::Look(at), Attempts::default()))
                }
                // There is nothing to take away, so nothing to ask for.
                (Operation::Leave, MembershipTarget::None) => unmarked.push(at),
                (Operation::Join, MembershipTarget::List { .. }) if self.way == ListStrategy::Single => {
                    self.ready.push_back((Request::Alone(at), Attempts::default()));
                }
                _ => {
                    if batch.len() == BATCH_ROWS || (bytes + row.body.len() > BATCH_BYTES && !batch.is_empty()) {
                        self.ready.push_back((Request::Bulk(std::mem::take(&mut batch)), Attempts::default()));
                        bytes = 0;
                    }
                    bytes += row.body.len();
                    batch.push(at);
                }
            }
        }
        if !batch.is_empty() {
            self.ready.push_back((Request::Bulk(batch), Attempts::default()));
        }
        if !rows.is_empty() {
            self.open.insert(span, Open::new(operation, marked, rows));
        }
        unmarked.into_iter().for_each(|at| self.judge(at, Outcome::Left));
    }

    /// How many calls could leave now; a low number says that [`Lane::load`] is due.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many calls wait for their answer.
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// What the lane can do at `now`.
    ///
    /// # Errors
    /// Kind `unavailable` or `throttled`, when nothing was confirmed for longer than the patience.
    pub fn next(&mut self, now: Timestamp) -> Result<Next> {
        if self.is_empty() {
            return Ok(Next::NeedRows);
        }
        // A pause may be longer than the patience.
        let troubled = self.troubles > 0 || self.pause_until > now;
        if troubled && now >= self.ends() {
            return Err(self.out_of_patience());
        }
        self.flush_looked_up(now);
        let due = self.later.iter().map(|(at, ..)| *at).min();
        let next = if self.ready.is_empty() { due } else { Some(now) };
        let Some(next) = next else {
            return Ok(Next::AwaitResponse);
        };
        let next = next.max(self.pause_until);
        if next <= now {
            return Ok(Next::Send);
        }
        Ok(Next::WaitUntil(if troubled { next.min(self.ends()) } else { next }))
    }

    /// When patience ends.
    fn ends(&self) -> Timestamp {
        after(self.confirmed_at, self.patience)
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn out_of_patience(&self) -> Error {
        let seconds = self.patience.as_secs();
        let throttled = self.last_trouble == THROTTLED;
        let kind = if throttled { Kind::Throttled } else { Kind::Unavailable };
        let what = format!("confirmed nothing for {seconds} s; last: {}", self.last_trouble);
        Error::new(kind, "deliver", "Autopilot", what).hint(if throttled {
            "find what else uses the account's rate, or lower requests_per_second; what is pending is sent by the next run"
        } else {
            "what is pending is sent by the next run"
        })
    }

    /// The next call, when the lane [`Next::Send`]: the number to give back with its answer, the span of its first
    /// row, the call.
    pub fn take(&mut self, now: Timestamp) -> Option<(u64, u32, Call)> {
        let due = self.later.iter().position(|(at, ..)| *at <= now);
        let (todo, mut attempts) = match due {
            Some(at) => {
                let (_, todo, attempts) = self.later.swap_remove(at);
                (todo, attempts)
            }
            None => self.ready.pop_front()?,
        };
        if self.flying.is_empty() && self.troubles == 0 {
            // Patience counts from when there was something to wait for.
            self.confirmed_at = self.confirmed_at.max(now);
        }
        if attempts.all == 0 {
            attempts.since = self.confirmed;
        }
        let call = self.call(&todo);
        let (span, _) = match &todo {
            Request::Bulk(rows) => rows.first().copied().unwrap_or_default(),
            Request::Alone(at) | Request::Add(at, _) | Request::Remove(at) | Request::Look(at) => *at,
        };
        self.calls += 1;
        self.flying.insert(self.calls, (todo, attempts));
        Some((self.calls, span, call))
    }

    fn row(&self, at: At) -> Option<(&Open, &Row)> {
        let open = self.open.get(&at.0)?;
        Some((open, open.row(at.1)?))
    }

    fn call(&self, todo: &Request) -> Call {
        let list_of = |at: At| match self.row(at).map(|(open, _)| &open.marked) {
            Some(MembershipTarget::List { id, .. }) => id.clone(),
            _ => String::new(),
        };
        let contact_of = |at: At| self.row(at).map(|(_, row)| row.contact_id.to_string()).unwrap_or_default();
        match todo {
            Request::Bulk(rows) => {
                let bytes: usize = rows.iter().filter_map(|at| self.row(*at)).map(|(_, row)| row.body.len() + 64).sum();
                let mut body = String::with_capacity(bytes + 64);
                body.push_str(r#"{"contacts":["#);
                for (n, at) in rows.iter().enumerate() {
                    if n > 0 {
                        body.push(',');
                    }
                    self.write_body(&mut body, *at, ListStrategy::Bulk);
                }
                body.push_str("]}");
                Call::UpsertMany { body: body.into(), rows: rows.len() }
            }
            Request::Alone(at) => {
                let mut body = String::from(r#"{"contact":"#);
                self.write_body(&mut body, *at, ListStrategy::Single);
                body.push('}');
                Call::UpsertOne { body: body.into() }
            }
            Request::Add(at, contact) => Call::AddMember { list: list_of(*at), contact: contact.clone() },
            Request::Remove(at) => Call::RemoveMember { list: list_of(*at), contact: contact_of(*at) },
            Request::Look(at) => Call::Contact { contact: contact_of(*at) },
        }
    }

    /// Writes a row's body; with its list, where the lane's way is `way` and the row joins one.
    fn write_body(&self, out: &mut String, at: At, way: ListStrategy) {
        let Some((open, row)) = self.row(at) else {
            return;
        };
        match &open.marked {
            MembershipTarget::List { id, .. } if self.way == way && open.operation == Operation::Join => {
                out.push_str(&with_list(&row.body, id));
            }
            _ => out.push_str(&row.body),
        }
    }

    /// Tells the lane what came of a call.
    ///
    /// # Errors
    /// Kind `access`, when the account refuses the key.
    pub fn answer(&mut self, number: u64, answer: Response, now: Timestamp) -> Result<()> {
        let Some((todo, attempts)) = self.flying.remove(&number) else {
            return Ok(());
        };
        match answer {
            Response::Unauthorized => return Err(denied("deliver")),
            Response::RateLimited(asked) => {
                let wait = match asked {
                    // However short a wait is asked for, a call that is throttled each time backs off.
                    Some(asked) => asked.max(backoff::wait(attempts.all + 1, self.random.f64())),
                    None => backoff::wait(self.troubles + 1, self.random.f64()),
                };
                // Whoever is over the account's rate must be quiet as a whole.
                self.pause_until = self.pause_until.max(after(now, wait));
                self.last_trouble = THROTTLED;
                self.again(todo, Attempts { all: attempts.all + 1, ..attempts }, after(now, wait));
            }
            Response::Failed(what) => {
                self.last_trouble = what;
                self.unclear(todo, attempts, now);
            }
            settled => {
                self.troubles = 0;
                self.confirmed += 1;
                self.confirmed_at = now;
                self.split_blindly = false;
                self.settle(todo, settled);
            }
        }
        Ok(())
    }

    fn settle(&mut self, todo: Request, answer: Response) {
        match todo {
            Request::Bulk(rows) => self.settle_bulk(rows, answer),
            Request::Alone(at) => match answer {
                Response::Done(Payload::Written(id)) => {
                    let alone = self.way == ListStrategy::Single;
                    self.arrived(at, id, alone);
                }
                other => self.judge(at, Outcome::Refused(reason(other))),
            },
            Request::Add(at, contact) => match answer {
                Response::Done(_) => self.judge(at, Outcome::Delivered(contact)),
                other => self.judge(at, Outcome::Refused(format!("not put on the list: {}", reason(other)))),
            },
            Request::Remove(at) => match answer {
                Response::Done(_) | Response::NotFound => self.judge(at, Outcome::Left),
                other => self.judge(at, Outcome::Refused(reason(other))),
            },
            Request::Look(at) => match answer {
                Response::Done(Payload::Contact { email: Some(email), .. }) => self.looked_up(at, &email),
                Response::Done(_) | Response::NotFound => self.judge(at, Outcome::Left),
                other => self.judge(at, Outcome::Refused(reason(other))),
            },
        }
    }

    fn settle_bulk(&mut self, mut rows: Vec<At>, answer: Response) {
        match answer {
            Response::Done(Payload::Upserted { map, ids }) => {
                // Nothing promises the ids' order, but they came in that of the rows in every answer that was recorded,
                // and all answers since 2017 have the map. To send each row alone instead costs a hundred times the
                // requests, for an account that is not known to exist. Source: AUTOPILOT_API 1.4 and its summary, 3.
                let distinct: HashSet<&String> = ids.iter().collect();
                let each_its_own = ids.len() == rows.len() && distinct.len() == rows.len();
                for (n, at) in rows.iter().enumerate() {
                    let email = self.row(*at).map(|(_, row)| &*row.email).unwrap_or_default();
                    let id = match &map {
                        Some(map) => map.get(email).cloned(),
                        None if each_its_own => ids.get(n).cloned(),
                        None => None,
                    };
                    match id {
                        Some(id) => self.arrived(*at, id, self.way != ListStrategy::BulkThenList),
                        // Missing without a word: once more alone, for its reason.
                        None => self.ready.push_back((Request::Alone(*at), Attempts::default())),
                    }
                }
            }
            other if rows.len() == 1 => {
                if let Some(at) = rows.pop() {
                    self.judge(at, Outcome::Refused(reason(other)));
                }
            }
            _ => {
                let rest = rows.split_off(rows.len() / 2);
                self.ready.push_front((Request::Bulk(rest), Attempts::default()));
                self.ready.push_front((Request::Bulk(rows), Attempts::default()));
            }
        }
    }

    /// A contact was written; `marked` says whether the call that wrote it also put it on its list.
    fn arrived(&mut self, at: At, id: String, marked: bool) {
        let Some((open, _)) = self.row(at) else {
            return;
        };
        match (open.operation, &open.marked) {
            (Operation::Join, MembershipTarget::List { .. }) if !marked => {
                self.ready.push_back((Request::Add(at, id), Attempts::default()))
            }
            (Operation::Leave, _) => self.judge(at, Outcome::Left),
            _ => self.judge(at, Outcome::Delivered(id)),
        }
    }

    fn looked_up(&mut self, at: At, email: &str) {
        let Some(open) = self.open.get_mut(&at.0) else {
            return;
        };
        let MembershipTarget::Field(field) = &open.marked else {
            return;
        };
        let body = format!(r#"{{"Email":{},"custom":{{{}:false}}}}"#, quoted(email), quoted(&field_key(field)));
        let Some(Some(row)) = open.place(at.1) else {
            return;
        };
        row.body = body.into();
        row.email = email.trim().to_lowercase().into();
        self.looked_up.push(at);
    }

    fn flush_looked_up(&mut self, now: Timestamp) {
        let nothing_else = self.ready.is_empty() && self.flying.is_empty() && self.waits_in_vain(now);
        if self.looked_up.len() >= BATCH_ROWS || (nothing_else && !self.looked_up.is_empty()) {
            let rest = self.looked_up.split_off(self.looked_up.len().min(BATCH_ROWS));
            let batch = std::mem::replace(&mut self.looked_up, rest);
            self.ready.push_front((Request::Bulk(batch), Attempts::default()));
        }
    }

    fn judge(&mut self, at: At, outcome: Outcome) {
        let Some(open) = self.open.get_mut(&at.0) else {
            return;
        };
        let Some(row) = open.take(at.1) else {
            return;
        };
        if open.left == 0 {
            self.open.remove(&at.0);
        }
        self.verdicts.push(Verdict { span: at.0, number: at.1, row, outcome });
    }

    /// The verdicts since the last time.
    pub fn verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }
}

const THROTTLED: &str = "429, too many requests";

/// The error of an account that refuses the key.
pub fn denied(stage: &'static str) -> Error {
    Error::new(Kind::Access, stage, "Autopilot", "the account refuses the key")
        .hint("store a valid key, then run again; what was confirmed stays confirmed")
}

/// The key of a boolean custom field as a request names it. Source: AUTOPILOT_API 1.3, attested by every client.
pub fn field_key(name: &str) -> String {
    format!("boolean--{}", name.replace(' ', "--"))
}

/// A contact's body with the list it is to be put on; the key stands inside the contact.
/// Source: a client that had it outside lost every membership.
pub fn with_list(body: &str, list: &str) -> String {
    let inner = body.trim_end().strip_suffix('}').unwrap_or(body);
    let comma = if inner.ends_with('{') { "" } else { "," };
    format!(r#"{inner}{comma}"_autopilot_list":{}}}"#, quoted(list))
}

fn reason(answer: Response) -> String {
    match answer {
        Response::Refused(text) if !text.trim().is_empty() => text,
        Response::NotFound => "not found".into(),
        Response::Conflict => "conflict".into(),
        Response::Done(_) => "the answer does not say that it was written".into(),
        _ => "refused without a reason".into(),
    }
}

#[cfg(test)]
mod tests;
