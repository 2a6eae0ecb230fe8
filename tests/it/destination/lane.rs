//! A lane with classic Autopilot's protocol: one verdict per row, and none that the account's own words do not bear out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use autopilot_export::chunk::{FieldSpec, Operation, Row};
use autopilot_export::delivery::lane::{
    Handled, Incoming, Lane, LaneSettings, Next, Outgoing, Span, Verdict, unauthorized,
};
use autopilot_export::delivery::pace::after;
use autopilot_export::destination::autopilot::ListStrategy;
use autopilot_export::destination::{self, Call, Group, KnownContacts, RowResult};
use autopilot_export::error::{Kind, Result};
use autopilot_export::membership::MembershipTarget;

fn list() -> MembershipTarget {
    MembershipTarget::List { title: "News".into(), id: "contactlist_1".into() }
}

/// A request as the account reads it.
#[derive(Clone, Debug)]
enum Asked {
    UpsertMany(String),
    UpsertOne(String),
    Contact(String),
    Member,
    Members,
    Add(String),
    Remove(String),
}

impl Asked {
    fn of(call: &Call) -> Self {
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        let last = || call.path.rsplit_once('/').unwrap().1.to_owned();
        match (call.method.as_str(), call.path.split('/').nth(1).unwrap()) {
            ("POST", "contacts") => Self::UpsertMany(body),
            ("POST", "contact") => Self::UpsertOne(body),
            ("GET", "contact") => Self::Contact(last()),
            ("GET", "list") if last() == "contacts" => Self::Members,
            ("GET", "list") => Self::Member,
            ("POST", "list") => Self::Add(last()),
            ("DELETE", "list") => Self::Remove(last()),
            other => panic!("{other:?}"),
        }
    }
}

/// What the account says.
#[derive(Clone, Debug)]
enum Said {
    Ok(Value),
    NotFound,
    Conflict,
    Refused(&'static str),
    RateLimited(Option<u64>),
    Failed(&'static str),
    Unauthorized,
}

impl Said {
    fn incoming(self) -> Incoming {
        let (status, body, wait) = match self {
            Self::Ok(body) => (200, body, None),
            Self::NotFound => (404, Value::Null, None),
            Self::Conflict => (409, Value::Null, None),
            Self::Refused(text) => (400, json!({ "message": text }), None),
            Self::RateLimited(wait) => (429, Value::Null, wait),
            Self::Failed(why) => return Incoming::Nothing(why),
            Self::Unauthorized => (401, Value::Null, None),
        };
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let mut response = http::Response::builder().status(status);
        if let Some(wait) = wait {
            response = response.header("retry-after", wait);
        }
        Incoming::Response(response.body(body).unwrap())
    }
}

fn contact(n: u32) -> (u32, Row) {
    let cells = format!("\"P{n}@example.org\"");
    (n, Row { cells: cells.into(), contact_id: format!("person_{n}").into(), ..Row::default() })
}

fn span(operation: Operation, target: MembershipTarget, rows: u32) -> Span {
    Span { group: Group { operation, target }, rows: (0..rows).map(contact).collect() }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_764_000_000).unwrap()
}

fn nothing_known() -> KnownContacts {
    KnownContacts::new(|_| [0; 32], [])
}

fn settings(strategy: ListStrategy, patience: u64, seed: u64) -> LaneSettings {
    let autopilot = destination::of(destination::Api::Autopilot);
    let setup = json!({ "list_strategy": strategy });
    LaneSettings {
        protocol: autopilot.protocol(&[FieldSpec::email()], &setup, nothing_known()).unwrap(),
        destination: autopilot.name(),
        batch_rows: autopilot.limits().batch_rows,
        patience: Duration::from_secs(patience),
        settle: Duration::ZERO,
        one_at_a_time: false,
        seed,
    }
}

fn lane(strategy: ListStrategy, spans: Vec<Span>) -> Lane {
    let mut lane = Lane::new(settings(strategy, 60, 7), start());
    spans.into_iter().enumerate().for_each(|(n, span)| lane.load(n as u32, span));
    lane
}

/// Answers like an account that takes everything but the emails in `refused`, which it leaves out without a word.
fn kind(asked: &Asked, refused: &[&str]) -> Said {
    let taken = |email: &&String| !refused.contains(&email.as_str());
    match asked {
        Asked::UpsertMany(_) => {
            let emails = emails(asked);
            let map: serde_json::Map<String, Value> =
                emails.iter().filter(taken).map(|email| (email.clone(), format!("id {email}").into())).collect();
            Said::Ok(json!({ "contact_ids": [], "email_contact_map": map }))
        }
        Asked::UpsertOne(_) => match emails(asked).iter().find(taken) {
            Some(email) => Said::Ok(json!({ "contact_id": format!("id {email}") })),
            None => Said::Refused("bad email"),
        },
        Asked::Contact(contact) => {
            let email = contact.replace("person_", "P") + "@example.org";
            Said::Ok(json!({ "contact_id": contact, "Email": email }))
        }
        Asked::Members => Said::Ok(json!({ "contacts": [] })),
        Asked::Member | Asked::Add(_) | Asked::Remove(_) => Said::Ok(json!({})),
    }
}

/// Runs the lane to its end and gives the calls it made.
fn run(lane: &mut Lane, mut answer: impl FnMut(&Asked) -> Said) -> Result<Vec<Asked>> {
    let mut now = start();
    let mut calls = Vec::new();
    loop {
        match lane.next(now)? {
            Next::NeedRows => return Ok(calls),
            Next::WaitUntil(at) => now = at,
            Next::AwaitResponse => panic!("every call was answered"),
            Next::Send => {
                let Outgoing { number, call, .. } = lane.next_request(now).unwrap();
                let asked = Asked::of(&call);
                if lane.handle_response(number, answer(&asked).incoming(), now) == Handled::Unauthorized {
                    return Err(unauthorized("Autopilot"));
                }
                calls.push(asked);
            }
        }
        assert!(calls.len() < 1000, "goes on for ever");
    }
}

/// The same with calls that take their time, many of them at once, until the lane gives up; gives when it did too.
fn run_at_length(
    lane: &mut Lane,
    mut answer: impl FnMut(&Asked) -> (Said, Duration),
) -> (Vec<Asked>, Result<()>, Timestamp) {
    let (mut now, mut calls) = (start(), Vec::new());
    let mut flying: BTreeMap<(Timestamp, u64), Said> = BTreeMap::new();
    loop {
        let answered = flying.keys().next().copied();
        let until = match lane.next(now) {
            Err(error) => return (calls, Err(error), now),
            Ok(Next::NeedRows) => return (calls, Ok(()), now),
            Ok(Next::Send) => {
                let Outgoing { number, call, .. } = lane.next_request(now).unwrap();
                let asked = Asked::of(&call);
                let (answer, took) = answer(&asked);
                flying.insert((after(now, took), number), answer);
                calls.push(asked);
                assert!(calls.len() < 5000, "goes on for ever");
                continue;
            }
            Ok(Next::WaitUntil(at)) => at,
            Ok(Next::AwaitResponse) => Timestamp::MAX,
        };
        match answered.filter(|(at, _)| *at <= until) {
            Some((at, number)) => {
                now = now.max(at);
                lane.handle_response(number, flying.remove(&(at, number)).unwrap().incoming(), now);
            }
            None => now = until,
        }
    }
}

fn outcomes(lane: &mut Lane) -> Vec<RowResult> {
    let mut verdicts = lane.verdicts();
    verdicts.sort_by_key(|v| (v.span, v.number));
    verdicts.into_iter().map(|v| v.outcome).collect()
}

#[test]
fn rows_travel_a_hundred_a_call() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, list(), 250)]);
    let calls = run(&mut lane, |call| kind(call, &[])).unwrap();
    // Two of the first batch are read back.
    assert_eq!(calls.len(), 5);
    let Asked::UpsertMany(body) = &calls[0] else { panic!() };
    assert_eq!(body.matches(r#""_autopilot_list":"contactlist_1""#).count(), 100);
    assert_eq!(outcomes(&mut lane).len(), 250);
}

#[test]
fn a_row_missing_in_the_map_is_asked_for_its_reason_alone() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 3)]);
    let calls = run(&mut lane, |call| kind(call, &["p1@example.org"])).unwrap();
    assert_eq!(calls.len(), 2);
    let got = outcomes(&mut lane);
    assert_eq!(got[1], RowResult::Refused("bad email".into()));
    assert_eq!(got[2], RowResult::Delivered("id p2@example.org".into()));
}

#[test]
fn a_refused_batch_is_split_until_the_refused_row_is_alone() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 100)]);
    let calls = run(&mut lane, |call| match call {
        Asked::UpsertMany(body) if body.contains("P63@") => Said::Refused("one is bad"),
        call => kind(call, &[]),
    })
    .unwrap();
    assert_eq!(calls.len(), 15, "seven halvings, and the halves that pass");
    let got = outcomes(&mut lane);
    assert_eq!(got.iter().filter(|o| matches!(o, RowResult::Refused(_))).count(), 1);
    assert_eq!(got[63], RowResult::Refused("one is bad".into()));
}

#[test]
fn the_three_ways_onto_a_list() {
    for (way, singles, adds, bulks) in
        [(ListStrategy::Bulk, 0, 0, 1), (ListStrategy::Single, 3, 0, 0), (ListStrategy::BulkThenList, 0, 3, 1)]
    {
        let mut lane = lane(way, vec![span(Operation::Join, list(), 3)]);
        let calls = run(&mut lane, |call| kind(call, &[])).unwrap();
        let count = |f: fn(&Asked) -> bool| calls.iter().filter(|c| f(c)).count();
        assert_eq!(count(|c| matches!(c, Asked::UpsertOne(body) if body.contains("contactlist_1"))), singles);
        assert_eq!(count(|c| matches!(c, Asked::Add(_))), adds);
        assert_eq!(count(|c| matches!(c, Asked::UpsertMany(_))), bulks);
        assert_eq!(outcomes(&mut lane).len(), 3);
    }
}

#[test]
fn leavers_leave_their_list_and_an_unknown_contact_has_left() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Leave, list(), 100)]);
    let there = |call: &Asked| if matches!(call, Asked::Members) { kind(call, &[]) } else { Said::NotFound };
    let calls = run(&mut lane, there).unwrap();
    // After 1, 2, 4 to 64 of them the list is looked at.
    assert_eq!(calls.iter().filter(|call| matches!(call, Asked::Members)).count(), 7);
    // By its id, then by its address.
    assert_eq!(calls.iter().filter(|call| matches!(call, Asked::Remove(_))).count(), 200);
    assert!(outcomes(&mut lane).iter().all(|outcome| *outcome == RowResult::Left));
}

#[test]
fn a_list_that_is_gone_as_people_leave_it_ends_the_run() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Leave, list(), 2)]);
    let error = run(&mut lane, |_| Said::NotFound).unwrap_err();
    assert!(error.kind == Kind::Config && error.to_string().contains("the list of a segment was removed"), "{error}");
}

#[test]
fn leavers_of_a_field_are_looked_up_and_then_sent_in_bulk() {
    let mut lane =
        lane(ListStrategy::Bulk, vec![span(Operation::Leave, MembershipTarget::Field("In News".into()), 130)]);
    let calls = run(&mut lane, |call| kind(call, &[])).unwrap();
    let bulks: Vec<_> =
        calls.iter().filter_map(|c| if let Asked::UpsertMany(body) = c { Some(body) } else { None }).collect();
    assert_eq!(bulks.len(), 2);
    assert!(bulks[0].contains(r#""custom":{"boolean--In--News":false}"#), "{}", bulks[0]);
    assert!(outcomes(&mut lane).iter().all(|o| *o == RowResult::Left));
}

#[test]
fn a_rate_limited_lane_waits_as_long_as_the_response_says() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    let number = lane.next_request(start()).unwrap().number;
    lane.handle_response(number, Said::RateLimited(Some(9)).incoming(), start());
    assert_eq!(lane.next(start()).unwrap(), Next::WaitUntil(after(start(), Duration::from_secs(9))));
}

#[test]
fn unclear_answers_are_asked_again_until_patience_ends() {
    let mut one = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    let mut left = 4;
    let calls = run(&mut one, |call| {
        left -= 1;
        if left > 0 { Said::Failed("500") } else { kind(call, &[]) }
    });
    assert_eq!(calls.unwrap().len(), 4);
    let mut never = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    let error = run(&mut never, |_| Said::Failed("the connection was cut")).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    let mut busy = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    assert_eq!(run(&mut busy, |_| Said::RateLimited(None)).unwrap_err().kind, Kind::Throttled);
}

const QUICK: Duration = Duration::from_millis(80);

/// Fails for as long as a call carries one of these rows.
fn failing(call: &Asked, sick: &[u32], took: Duration) -> (Said, Duration) {
    let is_sick = emails(call).iter().any(|email| sick.iter().any(|n| *email == format!("p{n}@example.org")));
    if is_sick { (Said::Failed("5xx"), took) } else { (kind(call, &[]), QUICK) }
}

// Each run would send the same batch: a row that Autopilot fails for must not keep the others from it for ever.
#[test]
fn a_row_that_fails_its_batch_keeps_no_other_row() {
    let seconds = Duration::from_secs;
    let spread: Vec<u32> = (0..100).step_by(13).collect();
    for sick in [&[0][..], &[13], &[63], &[99], &[3, 97], &[10, 11, 12], &spread] {
        for (patience, took) in [(1, QUICK), (5, QUICK), (20, seconds(3)), (60, QUICK), (60, seconds(30))] {
            for seed in 0..20 {
                let place = format!("rows {sick:?}, patience {patience} s, answers after {took:?}, seed {seed}");
                let mut lane = Lane::new(settings(ListStrategy::Bulk, patience, seed), start());
                lane.load(0, span(Operation::Join, MembershipTarget::None, 100));
                let (_, ended, _) = run_at_length(&mut lane, |call| failing(call, sick, took));
                assert_eq!(ended.unwrap_err().kind, Kind::Unavailable, "{place}");
                assert_eq!(outcomes(&mut lane).len(), 100 - sick.len(), "{place}");
            }
        }
    }
}

#[test]
fn every_batch_with_such_a_row_is_finished_beside_others() {
    for way in [ListStrategy::Bulk, ListStrategy::BulkThenList] {
        let mut lane = lane(way, vec![span(Operation::Join, list(), 2000)]);
        let sick: Vec<u32> = (0..2000).filter(|n| n % 100 == n / 100).collect();
        let (_, ended, _) = run_at_length(&mut lane, |call| failing(call, &sick, QUICK));
        assert!(ended.is_err());
        assert_eq!(outcomes(&mut lane).len(), 2000 - sick.len());
    }
}

#[test]
fn an_outage_is_not_met_with_many_more_requests() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 1000)]);
    let (calls, ended, _) = run_at_length(&mut lane, |_| (Said::Failed("5xx"), QUICK));
    assert!(ended.is_err());
    let sent: Vec<Vec<String>> = calls.iter().map(emails).collect();
    let whole = sent.iter().filter(|emails| emails.len() == 100).count();
    let parts: HashSet<&Vec<String>> = sent.iter().filter(|emails| emails.len() < 100).collect();
    assert!((9 * 7..=10 * 12).contains(&whole), "{whole}");
    assert!(parts.len() <= 8, "one batch is split: {}", parts.len());
    assert!(sent.len() - whole <= 40, "{}", sent.len() - whole);
}

#[test]
fn a_server_that_answers_now_and_then_is_sent_whole_batches() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 1000)]);
    let mut failed: HashMap<Vec<String>, u32> = HashMap::new();
    let (calls, ended, _) = run_at_length(&mut lane, |call| {
        let failed = failed.entry(emails(call)).or_default();
        *failed += 1;
        if *failed < 4 { (Said::Failed("5xx"), QUICK) } else { (kind(call, &[]), QUICK) }
    });
    ended.unwrap();
    assert_eq!(calls.len(), 40);
}

#[test]
fn an_answer_that_says_to_wait_splits_nothing() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 200)]);
    let mut left = 12;
    let (calls, ended, _) = run_at_length(&mut lane, |call| {
        left -= 1;
        if left > 0 { (Said::RateLimited(None), QUICK) } else { (kind(call, &[]), QUICK) }
    });
    ended.unwrap();
    assert!(calls.iter().all(|call| emails(call).len() == 100));
}

#[test]
fn a_leaver_who_cannot_be_looked_up_keeps_no_other() {
    let mut lane =
        lane(ListStrategy::Bulk, vec![span(Operation::Leave, MembershipTarget::Field("In News".into()), 130)]);
    let (_, ended, _) = run_at_length(&mut lane, |call| match call {
        Asked::Contact(contact) if contact == "person_7" => (Said::Failed("5xx"), QUICK),
        call => (kind(call, &[]), QUICK),
    });
    assert_eq!(ended.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(outcomes(&mut lane).len(), 129);
}

#[test]
fn a_wait_beyond_the_patience_ends_with_the_patience() {
    let long = Said::RateLimited(Some(300));
    let (_, ended, at) = {
        let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 100)]);
        run_at_length(&mut lane, |_| (long.clone(), QUICK))
    };
    assert_eq!((ended.unwrap_err().kind, at), (Kind::Throttled, after(start(), Duration::from_secs(60))));
    // Also where another answer was under way, and was a good one.
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 300)]);
    let mut first = true;
    let (_, ended, at) = run_at_length(&mut lane, |call| match std::mem::take(&mut first) {
        true => (long.clone(), QUICK),
        false => (kind(call, &[]), QUICK * 2),
    });
    assert_eq!((ended.unwrap_err().kind, at), (Kind::Throttled, after(start(), Duration::from_secs(60) + QUICK * 2)));
    assert_eq!(outcomes(&mut lane).len(), 200);
}

#[test]
fn a_wait_of_zero_is_ignored() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 100)]);
    let (calls, ended, _) = run_at_length(&mut lane, |_| (Said::RateLimited(Some(0)), QUICK));
    assert_eq!(ended.unwrap_err().kind, Kind::Throttled);
    assert!(calls.len() < 15, "{}", calls.len());
}

#[test]
fn a_refused_key_ends_the_lane() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    assert_eq!(run(&mut lane, |_| Said::Unauthorized).unwrap_err().kind, Kind::Access);
}

#[test]
fn without_a_map_ids_count_only_when_there_is_one_per_row() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 2)]);
    let mut first = true;
    let calls = run(&mut lane, |call| {
        if std::mem::take(&mut first) {
            return Said::Ok(json!({ "contact_ids": ["only one"] }));
        }
        kind(call, &[])
    })
    .unwrap();
    assert_eq!(calls.len(), 3, "both rows alone");
}

#[test]
fn without_a_map_ids_count_only_when_each_row_has_its_own() {
    for (ids, count) in [(["a", "b"], 1), (["a", "a"], 3)] {
        let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 2)]);
        let calls = run(&mut lane, |call| match call {
            Asked::UpsertMany(_) => Said::Ok(json!({ "contact_ids": ids })),
            call => kind(call, &[]),
        });
        assert_eq!(calls.unwrap().len(), count, "{ids:?}");
    }
}

#[test]
fn one_id_for_all_emails_of_a_batch_names_none_of_them() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 3)]);
    let calls = run(&mut lane, |call| match call {
        Asked::UpsertMany(_) => {
            let map: serde_json::Map<_, _> = (0..3).map(|n| (format!("p{n}@example.org"), json!("the same"))).collect();
            Said::Ok(json!({ "contact_ids": ["the same"], "email_contact_map": map }))
        }
        call => kind(call, &[]),
    });
    assert_eq!(calls.unwrap().len(), 4, "each row alone");
    assert!(outcomes(&mut lane).iter().all(|outcome| *outcome != RowResult::Delivered("the same".into())));
}

/// An account that is at times honest and at times anything at all, and what it has confirmed.
struct Moody {
    random: fastrand::Rng,
    /// Emails with the ids that it said they have.
    written: std::collections::HashSet<(String, String)>,
    added: std::collections::HashSet<String>,
    removed: std::collections::HashSet<String>,
}

impl Moody {
    fn new(seed: u64) -> Self {
        let (written, added, removed) = Default::default();
        Self { random: fastrand::Rng::with_seed(seed), written, added, removed }
    }

    fn anything(&mut self, call: &Asked) -> Said {
        let emails = emails(call);
        let id = |email: &String| format!("id {email}");
        match self.random.u8(..16) {
            // A list that is gone ends the lane.
            _ if matches!(call, Asked::Members) => kind(call, &[]),
            0 => Said::NotFound,
            1 => Said::Conflict,
            2 => Said::Refused("no"),
            3 => Said::RateLimited(Some(self.random.u64(..3))),
            4 | 5 => Said::Failed("5xx"),
            6 => Said::Ok(json!({})),
            7 => Said::Ok(json!({ "contact_id": "id of somebody" })),
            8 => Said::Ok(json!({ "email_contact_map": { "x@example.org": "y" } })),
            9 => Said::Ok(json!({ "contact_ids": emails.iter().skip(1).map(id).collect::<Vec<_>>() })),
            10 => Said::Ok(json!({ "contact_ids": emails.iter().map(id).collect::<Vec<_>>() })),
            11 => Said::Ok(json!({ "contact_id": "c" })),
            _ => kind(call, &[]),
        }
    }

    fn answer(&mut self, call: &Asked) -> Said {
        let (answer, emails) = (self.anything(call), emails(call));
        match (&answer, call) {
            (Said::Ok(body), Asked::UpsertMany(_)) if body["email_contact_map"].is_object() => {
                let map = body["email_contact_map"].as_object().unwrap();
                self.written.extend(map.iter().map(|(email, id)| (email.clone(), id.as_str().unwrap().to_owned())));
            }
            (Said::Ok(body), Asked::UpsertMany(_)) => {
                let ids = body["contact_ids"].as_array().cloned().unwrap_or_default();
                if ids.len() == emails.len() {
                    self.written.extend(emails.into_iter().zip(ids.iter().map(|id| id.as_str().unwrap().to_owned())));
                }
            }
            (Said::Ok(body), Asked::UpsertOne(_)) => {
                if let Some(id) = body["contact_id"].as_str() {
                    self.written.extend(emails.into_iter().map(|email| (email, id.to_owned())));
                }
            }
            (Said::Ok(_), Asked::Add(contact)) => {
                self.added.insert(contact.replace("%20", " ").replace("%40", "@"));
            }
            (Said::Ok(_) | Said::NotFound, Asked::Remove(contact)) => {
                self.removed.insert(contact.clone());
            }
            _ => {}
        }
        answer
    }
}

/// The emails of the contacts that a call writes.
fn emails(asked: &Asked) -> Vec<String> {
    let (Asked::UpsertMany(body) | Asked::UpsertOne(body)) = asked else { return Vec::new() };
    let body: Value = serde_json::from_str(body).unwrap();
    let of = |contact: &Value| contact["Email"].as_str().unwrap().to_lowercase();
    match body["contacts"].as_array() {
        Some(contacts) => contacts.iter().map(of).collect(),
        None => vec![of(&body["contact"])],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Promises 1 and 3, whatever the account answers and in whatever order: one verdict per row, and no verdict that
    // the account's own words do not bear out.
    #[test]
    fn every_row_has_one_verdict_and_none_that_was_not_said(
        seed: u64, rows in 1u32..230, way in 0usize..3, joiner: bool, lists: bool
    ) {
        let way = [ListStrategy::Bulk, ListStrategy::Single, ListStrategy::BulkThenList][way];
        let marked = if lists { list() } else { MembershipTarget::None };
        let operation = if joiner || !lists { Operation::Join } else { Operation::Leave };
        // Patience is another test's.
        let mut lane = Lane::new(settings(way, 1_000_000, 7), start());
        lane.load(0, span(operation, marked, rows));
        let mut moody = Moody::new(seed);
        let (mut now, mut flying, mut calls) = (start(), Vec::new(), 0);
        loop {
            let wants = lane.next(now).unwrap();
            if wants == Next::NeedRows {
                break;
            }
            if wants == Next::Send && flying.len() < 5 {
                let Outgoing { number, call, .. } = lane.next_request(now).unwrap();
                flying.push((number, Asked::of(&call)));
                calls += 1;
                assert!(calls < 20_000, "goes on for ever");
            } else if let Next::WaitUntil(at) = wants && moody.random.bool() {
                now = at;
            } else if !flying.is_empty() {
                let (number, call) = flying.swap_remove(moody.random.usize(..flying.len()));
                let answer = moody.answer(&call);
                lane.handle_response(number, answer.incoming(), now);
            }
        }
        let mut verdicts = lane.verdicts();
        verdicts.sort_by_key(|verdict| verdict.number);
        let numbers: Vec<u32> = verdicts.iter().map(|verdict| verdict.number).collect();
        prop_assert_eq!(numbers, (0..rows).collect::<Vec<_>>());
        for Verdict { row, outcome, .. } in verdicts {
            match outcome {
                RowResult::Delivered(id) | RowResult::DeliveredAnew(id) => {
                    prop_assert!(moody.written.contains(&(row.email().to_lowercase(), id.clone())));
                    prop_assert!(way != ListStrategy::BulkThenList || !lists || moody.added.contains(&id));
                }
                RowResult::Left => prop_assert!(moody.removed.contains(&*row.contact_id)),
                RowResult::Refused(_) | RowResult::OptedOut(_) | RowResult::Suppressed => {}
            }
        }
    }
}
