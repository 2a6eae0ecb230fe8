#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

//! Whole answers in, outcomes out.

mod account;
mod census;
mod doubts;
mod fields;
mod leavers;
mod merges;
mod shapes;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::run::OrttoProtocol;
use super::setup::Setup;
use crate::chunk::{FieldSpec, Operation, Row};
use crate::destination::{
    Call, Group, HttpResponse, Judgement, KnownContacts, Protocol, Request, Response, RowId, RowOutcome, RowResult,
    Rows, Session,
};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::state::{OPT_OUT_ALONE, ProfileKey};

/// Rows of one segment: row `n` is `person.n@example.com`.
struct Held {
    group: Group,
    rows: Vec<Row>,
}

impl Rows for Held {
    fn row(&self, RowId { number, .. }: RowId) -> Option<(&Group, &Row, &str)> {
        Some((&self.group, self.rows.get(number as usize)?, ""))
    }
}

fn email(n: u32) -> String {
    format!("person.{n}@example.com")
}

fn profile(email: &str) -> ProfileKey {
    let mut key = [0; 32];
    key.iter_mut().zip(email.to_lowercase().bytes()).for_each(|(place, byte)| *place = byte);
    key
}

/// A lane's rows, and the protocol that judges answers to requests with them.
struct Case {
    protocol: OrttoProtocol,
    held: Held,
}

impl Case {
    fn of(operation: Operation, rows: u32) -> Self {
        let row = |n| Row {
            key: profile(&email(n)),
            cells: format!("\"{}\"", email(n)).into(),
            contact_id: id(n).into(),
            ..Row::default()
        };
        let group = Group { operation, target: MembershipTarget::Tag("T".to_owned()) };
        let protocol = OrttoProtocol::new(&[FieldSpec::email()], Setup::default(), KnownContacts::new(profile, []));
        Self { protocol, held: Held { group, rows: (0..rows).map(row).collect() } }
    }

    fn joiners(rows: u32) -> Self {
        Self::of(Operation::Join, rows)
    }

    /// Rows that are sent for their opt-outs alone.
    fn opting_out(rows: u32) -> Self {
        let mut case = Self::of(Operation::Update, rows);
        case.held.rows.iter_mut().for_each(|row| row.digest = OPT_OUT_ALONE);
        case
    }

    /// A request for all rows.
    fn request(&self, step: &'static str) -> Request {
        Request::new(step, (0..self.held.rows.len() as u32).map(at).collect())
    }

    fn answer(&self, request: &Request, status: u16, body: &str) -> Response {
        self.protocol.response(request, &self.held, &http(status, body))
    }

    /// What an answer says of a reading; a refusal is waited out first, as a ban's, and answered alike again.
    fn answer_again(&self, request: &Request, status: u16, body: &str) -> Response {
        match self.answer(request, status, body) {
            Response::Doubted(again) => {
                let waited = Request { wait: super::response::BAN, ..request.clone() };
                assert_eq!(again, [waited]);
                self.answer(request, status, body)
            }
            other => other,
        }
    }

    /// What an answer to a request for all rows says.
    fn of_all(&self, step: &'static str, status: u16, body: &str) -> Response {
        self.answer(&self.request(step), status, body)
    }
}

fn http(status: u16, body: &str) -> HttpResponse {
    http::Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// The row of this number.
fn at(number: u32) -> RowId {
    RowId { span: 1, number }
}

fn id(n: u32) -> String {
    format!("{n:024x}")
}

/// The outcomes of a response that judges every row.
fn outcomes(response: Response) -> Vec<RowOutcome> {
    match response {
        Response::Rows(outcomes) => outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
        other => panic!("{other:?}"),
    }
}

/// The requests of a response that judges no row.
fn requests(response: Response) -> Vec<Request> {
    match response {
        Response::Partly(outcomes, requests) if outcomes.is_empty() => requests,
        other => panic!("{other:?}"),
    }
}

fn refused(reason: &str) -> RowOutcome {
    RowOutcome::refused(reason.to_owned())
}

fn details(details: &Value) -> String {
    serde_json::json!({ "code": 400, "error": "No valid contacts provided", "details": details }).to_string()
}

fn people(people: &Value) -> String {
    serde_json::json!({ "people": people }).to_string()
}

/// An account that answers by path and body; what is to be waited for is noted, not waited for.
struct Scripted<F> {
    answer: F,
    /// The path and body of each call.
    calls: Vec<(String, Value)>,
    waits: Vec<Duration>,
}

fn scripted<F: FnMut(&str, &Value) -> (u16, Value) + Send>(answer: F) -> Scripted<F> {
    Scripted { answer, calls: Vec::new(), waits: Vec::new() }
}

impl<F> Scripted<F> {
    fn count(&self, path: &str) -> usize {
        self.calls.iter().filter(|(called, _)| called == path).count()
    }
}

impl<F: FnMut(&str, &Value) -> (u16, Value) + Send> Session for Scripted<F> {
    fn call_all<'a>(
        &'a mut self,
        calls: Vec<Call>,
        judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
    ) -> BoxFuture<'a, Result<Vec<HttpResponse>>> {
        let mut answers = Vec::new();
        for (n, call) in calls.iter().enumerate() {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let answer = loop {
                self.calls.push((call.path.clone(), body.clone()));
                let (status, answer) = (self.answer)(&call.path, &body);
                let answer = http(status, &answer.to_string());
                match judge(n, &answer) {
                    Judgement::Answered => break Ok(answer),
                    Judgement::Paused(wait, _) => self.waits.push(wait),
                    Judgement::Unauthorized => break Err(Error::new(Kind::Access, "Ortto", "refuses the key")),
                    other => break Err(Error::new(Kind::Unavailable, "Ortto", format!("{other:?}"))),
                }
            };
            answers.push(answer);
        }
        Box::pin(async { answers.into_iter().collect() })
    }

    fn call_once<'a>(
        &'a mut self,
        call: Call,
        judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
    ) -> BoxFuture<'a, Result<Option<HttpResponse>>> {
        Box::pin(async move { Ok(self.call_all(vec![call], judge).await?.pop()) })
    }

    fn profile(&self, email: &str) -> ProfileKey {
        profile(email)
    }

    fn key_print(&self) -> String {
        "key".to_owned()
    }
}
