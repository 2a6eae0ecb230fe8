use proptest::prelude::*;

use super::*;

fn list() -> MembershipTarget {
    MembershipTarget::List { title: "News".into(), id: "contactlist_1".into() }
}

fn contact(n: u32) -> (u32, Row) {
    let email = format!("p{n}@example.org");
    let body = format!(r#"{{"Email":"P{n}@example.org"}}"#);
    (n, Row { email: email.into(), body: body.into(), contact_id: format!("person_{n}").into(), ..Row::default() })
}

fn span(operation: Operation, marked: MembershipTarget, rows: u32) -> Span {
    Span { operation, marked, rows: (0..rows).map(contact).collect() }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_764_000_000).unwrap()
}

fn lane(way: ListStrategy, spans: Vec<Span>) -> Lane {
    let mut lane = Lane::new(way, Duration::from_secs(60), start(), 7);
    spans.into_iter().enumerate().for_each(|(n, span)| lane.load(n as u32, span));
    lane
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// Answers like an account that takes everything but the emails in `refused`, which it leaves out without a word.
fn kind(call: &Call, refused: &[&str]) -> Response {
    match call {
        Call::UpsertMany { body, rows } => {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            let emails: Vec<_> = body["contacts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["Email"].as_str().unwrap().to_lowercase())
                .collect();
            assert_eq!(emails.len(), *rows);
            let map =
                emails.into_iter().filter(|e| !refused.contains(&e.as_str())).map(|e| (e.clone(), format!("id {e}")));
            Response::Done(Payload::Upserted { map: Some(map.collect()), ids: vec![] })
        }
        Call::UpsertOne { body } => {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            let email = body["contact"]["Email"].as_str().unwrap().to_lowercase();
            if refused.contains(&email.as_str()) {
                Response::Refused("bad email".into())
            } else {
                Response::Done(Payload::Written(format!("id {email}")))
            }
        }
        Call::Contact { contact } => {
            let email = Some(contact.replace("person_", "P") + "@example.org");
            Response::Done(Payload::Contact { id: contact.clone(), email, lists: None })
        }
        _ => Response::Done(Payload::Nothing),
    }
}

/// Runs the lane to its end and gives the calls it made.
fn run(lane: &mut Lane, mut answer: impl FnMut(&Call) -> Response) -> Result<Vec<Call>> {
    let mut now = start();
    let mut calls = Vec::new();
    loop {
        match lane.next(now)? {
            Next::NeedRows => return Ok(calls),
            Next::WaitUntil(at) => now = at,
            Next::AwaitResponse => panic!("every call was answered"),
            Next::Send => {
                let (number, _, call) = lane.take(now).unwrap();
                lane.answer(number, answer(&call), now)?;
                calls.push(call);
            }
        }
        assert!(calls.len() < 1000, "goes on for ever");
    }
}

/// The same with calls that take their time, many of them at once, until the lane gives up; gives when it did too.
fn run_at_length(
    lane: &mut Lane,
    mut answer: impl FnMut(&Call) -> (Response, Duration),
) -> (Vec<Call>, Result<()>, Timestamp) {
    let (mut now, mut calls) = (start(), Vec::new());
    let mut flying: BTreeMap<(Timestamp, u64), Response> = BTreeMap::new();
    loop {
        let answered = flying.keys().next().copied();
        let until = match lane.next(now) {
            Err(error) => return (calls, Err(error), now),
            Ok(Next::NeedRows) => return (calls, Ok(()), now),
            Ok(Next::Send) => {
                let (number, _, call) = lane.take(now).unwrap();
                let (answer, took) = answer(&call);
                flying.insert((after(now, took), number), answer);
                calls.push(call);
                assert!(calls.len() < 5000, "goes on for ever");
                continue;
            }
            Ok(Next::WaitUntil(at)) => at,
            Ok(Next::AwaitResponse) => Timestamp::MAX,
        };
        match answered.filter(|(at, _)| *at <= until) {
            Some((at, number)) => {
                now = now.max(at);
                lane.answer(number, flying.remove(&(at, number)).unwrap(), now).unwrap();
            }
            None => now = until,
        }
    }
}

fn outcomes(lane: &mut Lane) -> Vec<Outcome> {
    let mut verdicts = lane.verdicts();
    verdicts.sort_by_key(|v| (v.span, v.number));
    verdicts.into_iter().map(|v| v.outcome).collect()
}

#[test]
fn rows_travel_a_hundred_a_call() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, list(), 250)]);
    let calls = run(&mut lane, |call| kind(call, &[])).unwrap();
    assert_eq!(calls.len(), 3);
    let Call::UpsertMany { body, .. } = &calls[0] else { panic!() };
    assert_eq!(text(body).matches(r#""_autopilot_list":"contactlist_1""#).count(), 100);
    assert_eq!(outcomes(&mut lane).len(), 250);
}

#[test]
fn a_row_missing_in_the_map_is_asked_for_its_reason_alone() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 3)]);
    let calls = run(&mut lane, |call| kind(call, &["p1@example.org"])).unwrap();
    assert_eq!(calls.len(), 2);
    let got = outcomes(&mut lane);
    assert_eq!(got[1], Outcome::Refused("bad email".into()));
    assert_eq!(got[2], Outcome::Delivered("id p2@example.org".into()));
}

#[test]
fn a_batch_refused_whole_is_split_until_the_refused_row_is_alone() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 100)]);
    let calls = run(&mut lane, |call| match call {
        Call::UpsertMany { body, .. } if text(body).contains("P63@") => Response::Refused("one is bad".into()),
        call => kind(call, &[]),
    })
    .unwrap();
    assert_eq!(calls.len(), 15, "seven halvings, and the halves that pass");
    let got = outcomes(&mut lane);
    assert_eq!(got.iter().filter(|o| matches!(o, Outcome::Refused(_))).count(), 1);
    assert_eq!(got[63], Outcome::Refused("one is bad".into()));
}

#[test]
fn the_three_ways_onto_a_list() {
    for (way, singles, adds, bulks) in
        [(ListStrategy::Bulk, 0, 0, 1), (ListStrategy::Single, 3, 0, 0), (ListStrategy::BulkThenList, 0, 3, 1)]
    {
        let mut lane = lane(way, vec![span(Operation::Join, list(), 3)]);
        let calls = run(&mut lane, |call| kind(call, &[])).unwrap();
        let count = |f: fn(&Call) -> bool| calls.iter().filter(|c| f(c)).count();
        assert_eq!(count(|c| matches!(c, Call::UpsertOne { body } if text(body).contains("contactlist_1"))), singles);
        assert_eq!(count(|c| matches!(c, Call::AddMember { .. })), adds);
        assert_eq!(count(|c| matches!(c, Call::UpsertMany { .. })), bulks);
        assert_eq!(outcomes(&mut lane).len(), 3);
    }
}

#[test]
fn leavers_leave_their_list_and_an_unknown_contact_has_left() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Leave, list(), 2)]);
    let calls = run(&mut lane, |_| Response::NotFound).unwrap();
    assert!(calls.iter().all(|c| matches!(c, Call::RemoveMember { .. })));
    assert_eq!(outcomes(&mut lane), [Outcome::Left, Outcome::Left]);
}

#[test]
fn leavers_of_a_field_are_looked_up_and_then_sent_in_bulk() {
    let mut lane =
        lane(ListStrategy::Bulk, vec![span(Operation::Leave, MembershipTarget::Field("In News".into()), 130)]);
    let calls = run(&mut lane, |call| kind(call, &[])).unwrap();
    let bulks: Vec<_> = calls
        .iter()
        .filter_map(|c| if let Call::UpsertMany { body, .. } = c { Some(text(body)) } else { None })
        .collect();
    assert_eq!(bulks.len(), 2);
    assert!(bulks[0].contains(r#""custom":{"boolean--In--News":false}"#), "{}", bulks[0]);
    assert!(outcomes(&mut lane).iter().all(|o| *o == Outcome::Left));
}

#[test]
fn a_throttled_lane_waits_as_long_as_the_answer_says() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    let (number, ..) = lane.take(start()).unwrap();
    lane.answer(number, Response::RateLimited(Some(Duration::from_secs(9))), start()).unwrap();
    assert_eq!(lane.next(start()).unwrap(), Next::WaitUntil(after(start(), Duration::from_secs(9))));
}

#[test]
fn unclear_answers_are_asked_again_until_patience_ends() {
    let mut one = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    let mut left = 4;
    let calls = run(&mut one, |call| {
        left -= 1;
        if left > 0 { Response::Failed("500") } else { kind(call, &[]) }
    });
    assert_eq!(calls.unwrap().len(), 4);
    let mut never = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    let error = run(&mut never, |_| Response::Failed("the connection was cut")).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    let mut busy = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    assert_eq!(run(&mut busy, |_| Response::RateLimited(None)).unwrap_err().kind, Kind::Throttled);
}

const QUICK: Duration = Duration::from_millis(80);

/// Fails for as long as a call carries one of these rows.
fn failing(call: &Call, sick: &[u32], took: Duration) -> (Response, Duration) {
    let is_sick = emails(call).iter().any(|email| sick.iter().any(|n| *email == format!("p{n}@example.org")));
    if is_sick { (Response::Failed("5xx"), took) } else { (kind(call, &[]), QUICK) }
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
                let mut lane = Lane::new(ListStrategy::Bulk, seconds(patience), start(), seed);
                lane.load(0, span(Operation::Join, MembershipTarget::None, 100));
                let (_, ended, _) = run_at_length(&mut lane, |call| failing(call, sick, took));
                assert_eq!(ended.unwrap_err().kind, Kind::Unavailable, "{place}");
                assert_eq!(outcomes(&mut lane).len(), 100 - sick.len(), "{place}");
            }
        }
    }
}

#[test]
fn every_batch_with_such_a_row_is_worked_through_beside_the_others() {
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
    let (calls, ended, _) = run_at_length(&mut lane, |_| (Response::Failed("5xx"), QUICK));
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
        if *failed < 4 { (Response::Failed("5xx"), QUICK) } else { (kind(call, &[]), QUICK) }
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
        if left > 0 { (Response::RateLimited(None), QUICK) } else { (kind(call, &[]), QUICK) }
    });
    ended.unwrap();
    assert!(calls.iter().all(|call| emails(call).len() == 100));
}

#[test]
fn a_leaver_who_cannot_be_looked_up_keeps_no_other() {
    let mut lane =
        lane(ListStrategy::Bulk, vec![span(Operation::Leave, MembershipTarget::Field("In News".into()), 130)]);
    let (_, ended, _) = run_at_length(&mut lane, |call| match call {
        Call::Contact { contact } if contact == "person_7" => (Response::Failed("5xx"), QUICK),
        call => (kind(call, &[]), QUICK),
    });
    assert_eq!(ended.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(outcomes(&mut lane).len(), 129);
}

#[test]
fn a_wait_beyond_the_patience_ends_with_the_patience() {
    let long = Response::RateLimited(Some(Duration::from_secs(300)));
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
fn no_wait_at_all_is_not_heeded() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Join, MembershipTarget::None, 100)]);
    let (calls, ended, _) = run_at_length(&mut lane, |_| (Response::RateLimited(Some(Duration::ZERO)), QUICK));
    assert_eq!(ended.unwrap_err().kind, Kind::Throttled);
    assert!(calls.len() < 15, "{}", calls.len());
}

#[test]
fn a_refused_key_ends_the_lane() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 1)]);
    assert_eq!(run(&mut lane, |_| Response::Unauthorized).unwrap_err().kind, Kind::Access);
}

#[test]
fn without_a_map_ids_count_only_when_there_is_one_per_row() {
    let mut lane = lane(ListStrategy::Bulk, vec![span(Operation::Update, list(), 2)]);
    let mut first = true;
    let calls = run(&mut lane, |call| {
        if std::mem::take(&mut first) {
            return Response::Done(Payload::Upserted { map: None, ids: vec!["only one".into()] });
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
            Call::UpsertMany { .. } => {
                Response::Done(Payload::Upserted { map: None, ids: ids.map(str::to_owned).to_vec() })
            }
            call => kind(call, &[]),
        });
        assert_eq!(calls.unwrap().len(), count, "{ids:?}");
    }
}

#[test]
fn the_list_stands_inside_the_contact() {
    assert_eq!(with_list(r#"{"Email":"a"}"#, "l 1"), r#"{"Email":"a","_autopilot_list":"l 1"}"#);
    assert_eq!(with_list("{}", "l"), r#"{"_autopilot_list":"l"}"#);
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

    fn anything(&mut self, call: &Call) -> Response {
        let emails = emails(call);
        let id = |email: &String| format!("id {email}");
        match self.random.u8(..16) {
            0 => Response::NotFound,
            1 => Response::Conflict,
            2 => Response::Refused("no".into()),
            3 => Response::RateLimited(Some(Duration::from_secs(self.random.u64(..3)))),
            4 | 5 => Response::Failed("5xx"),
            6 => Response::Done(Payload::Nothing),
            7 => Response::Done(Payload::Written("id of somebody".into())),
            8 => Response::Done(Payload::Upserted {
                map: Some([("x@example.org".into(), "y".into())].into()),
                ids: vec![],
            }),
            9 => Response::Done(Payload::Upserted { map: None, ids: emails.iter().skip(1).map(id).collect() }),
            10 => Response::Done(Payload::Upserted { map: None, ids: emails.iter().map(id).collect() }),
            11 => Response::Done(Payload::Contact { id: "c".into(), email: None, lists: None }),
            _ => kind(call, &[]),
        }
    }

    fn answer(&mut self, call: &Call) -> Response {
        let (answer, emails) = (self.anything(call), emails(call));
        match (&answer, call) {
            (Response::Done(Payload::Upserted { map: Some(map), .. }), Call::UpsertMany { .. }) => {
                self.written.extend(map.clone());
            }
            (Response::Done(Payload::Upserted { map: None, ids }), Call::UpsertMany { .. })
                if ids.len() == emails.len() =>
            {
                self.written.extend(emails.into_iter().zip(ids.iter().cloned()));
            }
            (Response::Done(Payload::Written(id)), Call::UpsertOne { .. }) => {
                self.written.extend(emails.into_iter().map(|email| (email, id.clone())));
            }
            (Response::Done(_), Call::AddMember { contact, .. }) => drop(self.added.insert(contact.clone())),
            (Response::Done(_) | Response::NotFound, Call::RemoveMember { contact, .. }) => {
                self.removed.insert(contact.clone());
            }
            _ => {}
        }
        answer
    }
}

/// The emails of the contacts that a call writes.
fn emails(call: &Call) -> Vec<String> {
    let (Call::UpsertMany { body, .. } | Call::UpsertOne { body }) = call else { return Vec::new() };
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let of = |contact: &serde_json::Value| contact["Email"].as_str().unwrap().to_lowercase();
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
        let (mut lane, mut moody) = (lane(way, vec![span(operation, marked, rows)]), Moody::new(seed));
        let (mut now, mut flying, mut calls) = (start(), Vec::new(), 0);
        loop {
            let wants = lane.next(now).unwrap();
            if wants == Next::NeedRows {
                break;
            }
            if wants == Next::Send && flying.len() < 5 {
                let (number, _, call) = lane.take(now).unwrap();
                flying.push((number, call));
                calls += 1;
                assert!(calls < 20_000, "goes on for ever");
            } else if let Next::WaitUntil(at) = wants && moody.random.bool() {
                now = at;
            } else if !flying.is_empty() {
                let (number, call) = flying.swap_remove(moody.random.usize(..flying.len()));
                let answer = moody.answer(&call);
                lane.answer(number, answer, now).unwrap();
            }
        }
        let mut verdicts = lane.verdicts();
        verdicts.sort_by_key(|verdict| verdict.number);
        let numbers: Vec<u32> = verdicts.iter().map(|verdict| verdict.number).collect();
        prop_assert_eq!(numbers, (0..rows).collect::<Vec<_>>());
        for Verdict { row, outcome, .. } in verdicts {
            match outcome {
                Outcome::Delivered(id) => {
                    prop_assert!(moody.written.contains(&(row.email.to_string(), id.clone())));
                    prop_assert!(way != ListStrategy::BulkThenList || !lists || moody.added.contains(&id));
                }
                Outcome::Left => prop_assert!(moody.removed.contains(&*row.contact_id)),
                Outcome::Refused(_) => {}
            }
        }
    }
}
