//! A third destination, made of this file alone: the proof that the seam of docs/DESTINATIONS.md holds. It keeps people by
//! their address, takes them one at a time, and marks members by a label.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::chunk::{FieldSpec, Operation, Row};
use autopilot_export::config::parse;
use autopilot_export::destination::{
    Account, Api, Assumption, Call, Cost, Destination, Group, HttpResponse, Judgement, KnownContacts, Limits, Protocol,
    Region, Request, RequestKind, Response, RowId, RowOutcome, RowResult, Rows, Session, StandardField, Wanted,
};
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Result;
use autopilot_export::membership::{Membership, MembershipTarget};
use autopilot_export::ports::{Clock, Http, Leases, NoResponse, Observer, SecretSource, Store};
use autopilot_export::report::Outcome;
use autopilot_export::steps::{self, Cancellation, Environment};
use autopilot_export::value::FieldType;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::support::fixture::{LIST, Nobody, people, settings};
use crate::support::kill::{Doomed, Kill};
use crate::support::lease_checked_store::MemoryLeases;
use crate::support::sim::{Memory, Sim, request};

/// The account: people by address, each with a name and whether they have the label.
#[derive(Clone, Default)]
struct Cardfile(Arc<Mutex<BTreeMap<String, (Value, bool)>>>);

impl Http for Cardfile {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        _within: Duration,
        _max_bytes: usize,
    ) -> std::result::Result<http::Response<bytes::Bytes>, NoResponse> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let mut cards = self.0.lock().unwrap();
        let answer = match (request.method().as_str(), request.uri().path()) {
            ("GET", "/v1/owner") => json!({ "owner": "cardfile-1" }),
            ("PUT", "/v1/card") => {
                let email = body["email"].as_str().unwrap().to_owned();
                if email.starts_with("person.13@") {
                    return Ok(http::Response::builder().status(422).body("no thirteens".into()).unwrap());
                }
                cards.insert(email.clone(), (body["name"].clone(), true));
                json!({ "card": email })
            }
            ("DELETE", "/v1/label") => {
                if let Some((_, label)) = cards.get_mut(body["card"].as_str().unwrap()) {
                    *label = false;
                }
                json!({})
            }
            other => panic!("{other:?}"),
        };
        Ok(http::Response::new(answer.to_string().into()))
    }
}

struct CardfileDestination;

fn call(method: http::Method, path: &str, body: Value) -> Call {
    let body = if body.is_null() { bytes::Bytes::new() } else { body.to_string().into() };
    Call { kind: RequestKind::Single, method, path: path.into(), body, max_response_bytes: 4096 }
}

struct Owner(String);

impl Account for Owner {
    fn id(&self) -> &str {
        &self.0
    }

    fn summary(&self) -> String {
        "a cardfile".into()
    }

    fn check_fields(&self, _fields: &[FieldSpec], _memberships: &[Membership], _makes: bool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn describe(&self, _membership: &Membership) -> Option<String> {
        None
    }

    fn has(&self, _target: &MembershipTarget) -> bool {
        true
    }

    fn targets<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        wanted: &'s [Wanted<'s>],
    ) -> BoxFuture<'s, Result<(Vec<MembershipTarget>, Vec<String>)>> {
        let target = |_: &Wanted<'_>| MembershipTarget::List { title: LIST.into(), id: "label".into() };
        Box::pin(async move { Ok((wanted.iter().map(target).collect(), Vec::new())) })
    }

    fn setup(&self, _fields: &[FieldSpec], _memberships: &[Membership], _learned: Option<&Value>) -> Value {
        json!({ "cardfile": true })
    }
}

impl Destination for CardfileDestination {
    fn name(&self) -> &'static str {
        "Cardfile"
    }

    fn base_url(&self, _region: Region) -> &'static str {
        "https://cardfile.example/v1"
    }

    fn default_rate(&self) -> f64 {
        5.0
    }

    fn field_types(&self) -> &'static [(&'static str, FieldType)] {
        &[]
    }

    fn default_membership(&self, segment: &str) -> Membership {
        Membership::List(segment.to_owned())
    }

    fn membership_fault(&self, _membership: &Membership) -> Option<(&'static str, &'static str)> {
        None
    }

    fn key_header(&self) -> &'static str {
        "x-cardfile"
    }

    fn limits(&self) -> Limits {
        Limits { batch_rows: 1, batch_bytes: 4096, in_flight: 4, caution: None }
    }

    fn standard_fields(&self) -> &'static [StandardField] {
        &[]
    }

    fn custom_name_fault(&self, _name: &str) -> Option<&'static str> {
        None
    }

    fn cost(&self, _operation: Operation, _membership: &Membership, _assumption: Assumption<'_>) -> Cost {
        Cost { per_batch: 0, per_row: 1 }
    }

    fn requests_beside(
        &self,
        _fields: &[FieldSpec],
        _memberships: &[Membership],
        _makes_fields: bool,
    ) -> RangeInclusive<u64> {
        1..=1
    }

    fn survey<'s>(&'s self, session: &'s mut dyn Session) -> BoxFuture<'s, Result<Box<dyn Account>>> {
        Box::pin(async move {
            let judge = |_: usize, _: &HttpResponse| Judgement::Answered;
            let answers = session.call_all(vec![call(http::Method::GET, "/owner", Value::Null)], &judge).await?;
            let owner: Value = serde_json::from_slice(answers[0].body()).unwrap();
            let account: Box<dyn Account> = Box::new(Owner(owner["owner"].as_str().unwrap().to_owned()));
            Ok(account)
        })
    }

    fn canary_rows(&self, _target: &MembershipTarget, _joiners: u64, _learned: Option<&Value>) -> u32 {
        0
    }

    fn canary<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        _target: &'s MembershipTarget,
        _fields: &'s [FieldSpec],
        _rows: Vec<Row>,
    ) -> BoxFuture<'s, Result<Option<Value>>> {
        Box::pin(async { Ok(None) })
    }

    fn protocol(&self, fields: &[FieldSpec], setup: &Value, _known: KnownContacts) -> Result<Box<dyn Protocol>> {
        assert_eq!(setup, &json!({ "cardfile": true }));
        let name = fields.iter().position(|field| field.name == "first_name").unwrap();
        Ok(Box::new(CardfileProtocol { name }))
    }

    fn strategy(&self, _setup: &Value) -> Option<String> {
        None
    }
}

struct CardfileProtocol {
    name: usize,
}

impl Protocol for CardfileProtocol {
    fn requests(&self, group: &Group, rows: &[(RowId, &Row)]) -> Vec<Request> {
        let step = if group.operation == Operation::Leave { "unlabel" } else { "put" };
        rows.iter().map(|(id, _)| Request::new(step, vec![*id])).collect()
    }

    fn kind(&self, _step: &'static str) -> RequestKind {
        RequestKind::Single
    }

    fn together(&self, step: &'static str, rows: Vec<RowId>, _held: &dyn Rows) -> Vec<Request> {
        rows.into_iter().map(|id| Request::new(step, vec![id])).collect()
    }

    fn call(&self, request: &Request, rows: &dyn Rows) -> Option<Call> {
        let (_, row, _) = rows.row(request.rows[0])?;
        if request.step == "unlabel" {
            return Some(call(http::Method::DELETE, "/label", json!({ "card": *row.contact_id })));
        }
        let name: Value = serde_json::from_str(row.values().nth(self.name)?).unwrap_or_default();
        Some(call(http::Method::PUT, "/card", json!({ "email": row.email(), "name": name })))
    }

    fn response(&self, request: &Request, _rows: &dyn Rows, response: &HttpResponse) -> Response {
        let outcome = match (response.status().as_u16(), request.step) {
            (422, _) => RowOutcome::refused(String::from_utf8_lossy(response.body()).into_owned()),
            (_, "unlabel") => RowOutcome::Done(RowResult::Left),
            _ => {
                let answer: Value = serde_json::from_slice(response.body()).unwrap();
                RowOutcome::Done(RowResult::Delivered(answer["card"].as_str().unwrap().to_owned()))
            }
        };
        Response::Rows(vec![(request.rows[0], outcome)])
    }
}

/// An environment whose every connection leads to the cardfile.
struct WithCardfile<E>(E);

impl<E: Environment> Environment for WithCardfile<E> {
    type Store = E::Store;
    type Leases = E::Leases;
    type Secrets = E::Secrets;
    type Http = E::Http;

    fn store(&self) -> &E::Store {
        self.0.store()
    }

    fn leases(&self) -> &E::Leases {
        self.0.leases()
    }

    fn secrets(&self) -> &E::Secrets {
        self.0.secrets()
    }

    fn http(&self) -> &E::Http {
        self.0.http()
    }

    fn clock(&self) -> &Clock {
        self.0.clock()
    }

    fn observer(&self) -> &dyn Observer {
        self.0.observer()
    }

    fn destination(&self, _api: Api) -> &dyn Destination {
        &CardfileDestination
    }
}

fn environment(store: &Memory, cards: &Cardfile) -> impl Environment {
    fn adapters<S: Store, L: Leases, K: SecretSource, A: Http>(
        store: S,
        leases: L,
        secrets: K,
        http: A,
    ) -> impl Environment {
        let clock = Clock::Counted("2026-11-24T06:00:00Z".parse().unwrap(), tokio::time::Instant::now());
        Adapters { store, leases, secrets, http, clock, observer: Box::new(Nobody) }
    }
    let leases = MemoryLeases::default();
    WithCardfile(adapters(Doomed(store.clone(), Kill::never()), leases, Sim::secrets(), cards.clone()))
}

#[tokio::test(start_paused = true)]
async fn a_third_destination_exports_a_segment() {
    let (store, cards) = (Memory::default(), Cardfile::default());
    let config = parse(&settings("http://127.0.0.1:9/v1").to_string()).unwrap();
    let run = async |name: &str, rows: String| {
        let key = format!("segments/newsletter/{name}.csv");
        store.write(&key, rows);
        let env = environment(&store, &cards);
        steps::run(&env, &config, &request(name, &key), &Cancellation::default()).await.unwrap()
    };
    let report = run("first", people(0, 30, 1)).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::SucceededWithRejects, 29), "{report:?}");
    let labelled = || cards.0.lock().unwrap().values().filter(|(_, label)| *label).count();
    assert_eq!(labelled(), 29);
    assert_eq!(cards.0.lock().unwrap()["person.7@example.com"].0, "Ana 7");
    let report = run("second", people(10, 30, 1)).await;
    assert_eq!((report.rows.unchanged, report.members.leavers), (19, 10), "{report:?}");
    assert_eq!((labelled(), cards.0.lock().unwrap().len()), (19, 29), "nobody is deleted");
}
