//! One lane at work: which request comes next, and what an answer means for the rows it carried.
//!
//! The lane is given spans of rows, is asked what it [`Wants`], hands out calls, is told their answers, and gives out a
//! [`Verdict`] per row. Every row handed in comes out in exactly one verdict, or is still in the lane when it stops.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::backoff;
use super::call::{Answer, BATCH_BYTES, BATCH_ROWS, Call, Reply};
use super::pace::after;
use super::row::{Errand, Row, quoted};
use super::span::Open;
pub use super::span::Span;
use crate::error::{Error, Kind, Result};
use crate::state::Marked;

/// How joiners get on a list; what the canary learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
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
pub enum Wants {
    /// Send: [`Lane::take`] has a call.
    Send,
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing before an answer.
    Answer,
    /// Nothing at all: every row that was loaded is judged.
    Rows,
}

type At = (u32, u32);

#[derive(Debug)]
enum Todo {
    Bulk(Vec<At>),
    Alone(At),
    Add(At, String),
    Remove(At),
    Look(At),
}

/// A lane at work.
#[derive(Debug)]
pub struct Lane {
    way: Way,
    patience: Duration,
    open: BTreeMap<u32, Open>,
    ready: VecDeque<(Todo, u32)>,
    later: Vec<(Timestamp, Todo, u32)>,
    /// Leavers whose email was looked up and who wait for a full batch.
    looked_up: Vec<At>,
    /// What waits for its answer, how often it was tried, and how many calls were settled when it left.
    flying: HashMap<u64, (Todo, u32, u64)>,
    settled: u64,
    calls: u64,
    /// Answers in a row that said to wait or said nothing.
    troubles: u32,
    last_trouble: &'static str,
    pause_until: Timestamp,
    confirmed_at: Timestamp,
    verdicts: Vec<Verdict>,
    random: fastrand::Rng,
}

impl Lane {
    /// A lane without rows. `patience` is how long nothing may be confirmed; `seed` spreads its waits.
    pub fn new(way: Way, patience: Duration, now: Timestamp, seed: u64) -> Self {
        Self {
            way,
            patience,
            open: BTreeMap::new(),
            ready: VecDeque::new(),
            later: Vec::new(),
            looked_up: Vec::new(),
            flying: HashMap::new(),
            settled: 0,
            calls: 0,
            troubles: 0,
            last_trouble: "no answer",
            pause_until: now,
            confirmed_at: now,
            verdicts: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Gives the lane more rows; `span` must be new to it.
    pub fn load(&mut self, span: u32, rows: Span) {
        let Span { errand, marked, rows } = rows;
        let (mut batch, mut unmarked) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (number, row) in &rows {
            let at = (span, *number);
            match (errand, &marked) {
                (Errand::Leaver, Marked::List { .. }) => self.ready.push_back((Todo::Remove(at), 0)),
                (Errand::Leaver, Marked::Field(_)) => self.ready.push_back((Todo::Look(at), 0)),
                // There is nothing to take away, so nothing to ask for.
                (Errand::Leaver, Marked::None) => unmarked.push(at),
                (Errand::Joiner, Marked::List { .. }) if self.way == Way::Single => {
                    self.ready.push_back((Todo::Alone(at), 0));
                }
                _ => {
                    if batch.len() == BATCH_ROWS || (bytes + row.body.len() > BATCH_BYTES && !batch.is_empty()) {
                        self.ready.push_back((Todo::Bulk(std::mem::take(&mut batch)), 0));
                        bytes = 0;
                    }
                    bytes += row.body.len();
                    batch.push(at);
                }
            }
        }
        if !batch.is_empty() {
            self.ready.push_back((Todo::Bulk(batch), 0));
        }
        if !rows.is_empty() {
            self.open.insert(span, Open::new(errand, marked, rows));
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
    pub fn wants(&mut self, now: Timestamp) -> Result<Wants> {
        if self.is_empty() {
            return Ok(Wants::Rows);
        }
        let end = after(self.confirmed_at, self.patience);
        if now >= end && self.troubles > 0 {
            return Err(self.out_of_patience());
        }
        self.flush_looked_up();
        let due = self.later.iter().map(|(at, ..)| *at).min();
        let next = if self.ready.is_empty() { due } else { Some(now) };
        let Some(next) = next else {
            return Ok(Wants::Answer);
        };
        let next = next.max(self.pause_until);
        Ok(if next <= now { Wants::Send } else { Wants::Wait(next) })
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn out_of_patience(&self) -> Error {
        let seconds = self.patience.as_secs();
        let throttled = self.last_trouble == THROTTLED;
        let kind = if throttled { Kind::Throttled } else { Kind::Unavailable };
        let what = format!("confirmed nothing for {seconds} s; last: {}", self.last_trouble);
        Error::new(kind, "deliver", "Autopilot", what).to_do(if throttled {
            "find what else uses the account's rate, or lower requests_per_second; what is pending is sent by the next run"
        } else {
            "what is pending is sent by the next run"
        })
    }

    /// The next call, when the lane [`Wants::Send`]: the number to give back with its answer, the span of its first
    /// row, the call.
    pub fn take(&mut self, now: Timestamp) -> Option<(u64, u32, Call)> {
        let due = self.later.iter().position(|(at, ..)| *at <= now);
        let (todo, tries) = match due {
            Some(at) => {
                let (_, todo, tries) = self.later.swap_remove(at);
                (todo, tries)
            }
            None => self.ready.pop_front()?,
        };
        if self.flying.is_empty() && self.troubles == 0 {
            // Patience counts from when there was something to wait for.
            self.confirmed_at = self.confirmed_at.max(now);
        }
        let call = self.call(&todo);
        let (span, _) = match &todo {
            Todo::Bulk(rows) => rows.first().copied().unwrap_or_default(),
            Todo::Alone(at) | Todo::Add(at, _) | Todo::Remove(at) | Todo::Look(at) => *at,
        };
        self.calls += 1;
        self.flying.insert(self.calls, (todo, tries, self.settled));
        Some((self.calls, span, call))
    }

    fn row(&self, at: At) -> Option<(&Open, &Row)> {
        let open = self.open.get(&at.0)?;
        Some((open, open.row(at.1)?))
    }

    fn call(&self, todo: &Todo) -> Call {
        let list_of = |at: At| match self.row(at).map(|(open, _)| &open.marked) {
            Some(Marked::List { id, .. }) => id.clone(),
            _ => String::new(),
        };
        let contact_of = |at: At| self.row(at).map(|(_, row)| row.contact_id.to_string()).unwrap_or_default();
        match todo {
            Todo::Bulk(rows) => {
                let bytes: usize = rows.iter().filter_map(|at| self.row(*at)).map(|(_, row)| row.body.len() + 64).sum();
                let mut body = String::with_capacity(bytes + 64);
                body.push_str(r#"{"contacts":["#);
                for (n, at) in rows.iter().enumerate() {
                    if n > 0 {
                        body.push(',');
                    }
                    self.write_body(&mut body, *at, Way::Bulk);
                }
                body.push_str("]}");
                Call::UpsertMany { body: body.into(), rows: rows.len() }
            }
            Todo::Alone(at) => {
                let mut body = String::from(r#"{"contact":"#);
                self.write_body(&mut body, *at, Way::Single);
                body.push('}');
                Call::UpsertOne { body: body.into() }
            }
            Todo::Add(at, contact) => Call::AddMember { list: list_of(*at), contact: contact.clone() },
            Todo::Remove(at) => Call::RemoveMember { list: list_of(*at), contact: contact_of(*at) },
            Todo::Look(at) => Call::Contact { contact: contact_of(*at) },
        }
    }

    /// Writes a row's body; with its list, where the lane's way is `way` and the row joins one.
    fn write_body(&self, out: &mut String, at: At, way: Way) {
        let Some((open, row)) = self.row(at) else {
            return;
        };
        match &open.marked {
            Marked::List { id, .. } if self.way == way && open.errand == Errand::Joiner => {
                out.push_str(&with_list(&row.body, id));
            }
            _ => out.push_str(&row.body),
        }
    }

    /// Tells the lane what came of a call.
    ///
    /// # Errors
    /// Kind `access`, when the account refuses the key.
    pub fn answer(&mut self, number: u64, answer: Answer, now: Timestamp) -> Result<()> {
        let Some((todo, tries, settled)) = self.flying.remove(&number) else {
            return Ok(());
        };
        let wait = match answer {
            Answer::Denied => return Err(denied("deliver")),
            Answer::Throttled(asked) => {
                let wait = asked.unwrap_or_else(|| backoff::wait(self.troubles + 1, self.random.f64()));
                // Whoever is over the account's rate must be quiet as a whole.
                self.pause_until = self.pause_until.max(after(now, wait));
                self.last_trouble = THROTTLED;
                wait
            }
            Answer::Unclear(what) => {
                self.last_trouble = what;
                if let Todo::Bulk(rows) = &todo
                    && rows.len() > 1
                    && tries + 1 >= TRIES_WHOLE
                    && (self.settled > settled || self.is_alone())
                {
                    // Perhaps one row is what it fails on: it must not keep the others.
                    self.troubles = self.troubles.saturating_add(1);
                    let (rows, wait) = (rows.clone(), backoff::wait(tries + 1, self.random.f64()));
                    for half in rows.chunks(rows.len().div_ceil(2)) {
                        self.later.push((after(now, wait), Todo::Bulk(half.to_vec()), TRIES_WHOLE - 2));
                    }
                    return Ok(());
                }
                backoff::wait(tries + 1, self.random.f64())
            }
            settled => {
                self.troubles = 0;
                self.settled += 1;
                self.confirmed_at = now;
                self.settle(todo, settled);
                return Ok(());
            }
        };
        self.troubles = self.troubles.saturating_add(1);
        self.later.push((after(now, wait), todo, tries + 1));
        Ok(())
    }

    /// Whether nothing else is to be sent or waited for.
    fn is_alone(&self) -> bool {
        self.flying.is_empty() && self.ready.is_empty() && self.later.is_empty()
    }

    fn settle(&mut self, todo: Todo, answer: Answer) {
        match todo {
            Todo::Bulk(rows) => self.settle_bulk(rows, answer),
            Todo::Alone(at) => match answer {
                Answer::Done(Reply::Written(id)) => {
                    let alone = self.way == Way::Single;
                    self.arrived(at, id, alone);
                }
                other => self.judge(at, Outcome::Refused(reason(other))),
            },
            Todo::Add(at, contact) => match answer {
                Answer::Done(_) => self.judge(at, Outcome::Delivered(contact)),
                other => self.judge(at, Outcome::Refused(format!("not put on the list: {}", reason(other)))),
            },
            Todo::Remove(at) => match answer {
                Answer::Done(_) | Answer::NotFound => self.judge(at, Outcome::Left),
                other => self.judge(at, Outcome::Refused(reason(other))),
            },
            Todo::Look(at) => match answer {
                Answer::Done(Reply::Contact { email: Some(email), .. }) => self.looked_up(at, &email),
                Answer::Done(_) | Answer::NotFound => self.judge(at, Outcome::Left),
                other => self.judge(at, Outcome::Refused(reason(other))),
            },
        }
    }

    fn settle_bulk(&mut self, mut rows: Vec<At>, answer: Answer) {
        match answer {
            Answer::Done(Reply::Upserted { map, ids }) => {
                for (n, at) in rows.iter().enumerate() {
                    let email = self.row(*at).map(|(_, row)| &*row.email).unwrap_or_default();
                    let id = match &map {
                        Some(map) => map.get(email).cloned(),
                        None if ids.len() == rows.len() => ids.get(n).cloned(),
                        None => None,
                    };
                    match id {
                        Some(id) => self.arrived(*at, id, self.way != Way::BulkThenList),
                        // Missing without a word: once more alone, for its reason.
                        None => self.ready.push_back((Todo::Alone(*at), 0)),
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
                self.ready.push_front((Todo::Bulk(rest), 0));
                self.ready.push_front((Todo::Bulk(rows), 0));
            }
        }
    }

    /// A contact was written; `marked` says whether the call that wrote it also put it on its list.
    fn arrived(&mut self, at: At, id: String, marked: bool) {
        let Some((open, _)) = self.row(at) else {
            return;
        };
        match (open.errand, &open.marked) {
            (Errand::Joiner, Marked::List { .. }) if !marked => self.ready.push_back((Todo::Add(at, id), 0)),
            (Errand::Leaver, _) => self.judge(at, Outcome::Left),
            _ => self.judge(at, Outcome::Delivered(id)),
        }
    }

    fn looked_up(&mut self, at: At, email: &str) {
        let Some(open) = self.open.get_mut(&at.0) else {
            return;
        };
        let Marked::Field(field) = &open.marked else {
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

    fn flush_looked_up(&mut self) {
        if self.looked_up.len() >= BATCH_ROWS || (self.is_alone() && !self.looked_up.is_empty()) {
            let rest = self.looked_up.split_off(self.looked_up.len().min(BATCH_ROWS));
            let batch = std::mem::replace(&mut self.looked_up, rest);
            self.ready.push_front((Todo::Bulk(batch), 0));
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

/// Unclear answers after which a batch is sent in halves, where others are answered meanwhile or there are none: then it
/// is not the account that does not answer.
const TRIES_WHOLE: u32 = 4;
const THROTTLED: &str = "429, too many requests";

/// The error of an account that refuses the key.
pub fn denied(stage: &'static str) -> Error {
    Error::new(Kind::Access, stage, "Autopilot", "the account refuses the key")
        .to_do("store a valid key, then run again; what was confirmed stays confirmed")
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

fn reason(answer: Answer) -> String {
    match answer {
        Answer::Refused(text) if !text.trim().is_empty() => text,
        Answer::NotFound => "not found".into(),
        Answer::Conflict => "conflict".into(),
        Answer::Done(_) => "the answer does not say that it was written".into(),
        _ => "refused without a reason".into(),
    }
}

#[cfg(test)]
mod tests;
