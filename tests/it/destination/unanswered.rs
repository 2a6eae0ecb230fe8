//! Requests that are applied without an answer, and refused when they are repeated: what they may have done is not forgotten.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::in_process::InProcess;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::ports::{Http, NoResponse};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{Mode, RunRequest, keys};
use autopilot_export::steps::{self, Cancellation};
use bytes::Bytes;
use serde_json::{Value, json};

use super::deleted_contacts::{is_marked, mark};
use crate::support::fixture::{EXPORT, LIST, more, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld, Way, comparison};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    /// It is applied, and its answer is lost.
    Lost,
    /// It is applied, and nothing comes for ever.
    Hangs,
    Refused,
    /// It is applied, and its answer names one contact for all its rows.
    OneForAll,
}

type Judge = Arc<Mutex<Box<dyn FnMut(&http::Request<Bytes>) -> Fate + Send>>>;

/// An account that treats some requests oddly.
#[derive(Clone)]
struct Odd(InProcess, Judge);

impl Odd {
    fn new(sim: &Sim, judge: impl FnMut(&http::Request<Bytes>) -> Fate + Send + 'static) -> Self {
        Self(InProcess(sim.sandbox.clone()), Arc::new(Mutex::new(Box::new(judge))))
    }

    fn honest(sim: &Sim) -> Self {
        Self::new(sim, |_| Fate::Answered)
    }
}

impl Http for Odd {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, NoResponse> {
        let fate = (self.1.lock().unwrap())(&request);
        if fate == Fate::Refused {
            let body = json!({ "message": "refused", "details": ["refused"] }).to_string();
            return Ok(http::Response::builder().status(400).body(body.into()).unwrap());
        }
        let answer = self.0.send(request, within, max_bytes).await;
        match fate {
            Fate::Lost => Err(NoResponse::TIMED_OUT),
            Fate::Hangs => std::future::pending().await,
            Fate::OneForAll => answer.map(one_for_all),
            _ => answer,
        }
    }
}

fn one_for_all(answer: http::Response<Bytes>) -> http::Response<Bytes> {
    let mut body: Value = serde_json::from_slice(answer.body()).unwrap();
    let first = body["contact_ids"][0].clone();
    body["email_contact_map"].as_object_mut().unwrap().values_mut().for_each(|id| *id = first.clone());
    answer.map(|_| body.to_string().into())
}

fn is_read(request: &http::Request<Bytes>) -> bool {
    let path = request.uri().path();
    request.method() == http::Method::GET || path.ends_with("/get") || path.ends_with("/get-by-ids")
}

/// The first `lost` writes that name the person are applied without an answer, those after them are refused.
fn lost_then_refused(lost: u32, who: &'static [&'static str]) -> impl FnMut(&http::Request<Bytes>) -> Fate + Send {
    let mut count = 0;
    move |request| {
        let text = format!("{} {}", request.uri(), String::from_utf8_lossy(request.body()));
        if is_read(request) || !who.iter().any(|who| text.contains(who)) {
            return Fate::Answered;
        }
        count += 1;
        if count <= lost { Fate::Lost } else { Fate::Refused }
    }
}

/// A process at this account, so much later.
fn world(sim: &Sim, odd: &Odd, later: Duration) -> impl steps::Environment {
    let kill = Kill::never();
    let SimWorld { store, .. } = sim.world(&kill);
    let SimWorld { store, leases, secrets, clock, observer, .. } = sim.process(store, later, &kill);
    Adapters { store, leases, secrets, http: odd.clone(), clock, observer }
}

async fn run_later(sim: &Sim, odd: &Odd, request: &RunRequest, later: Duration) -> Report {
    let report = steps::run(&world(sim, odd, later), &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

async fn run(sim: &Sim, odd: &Odd, request: &RunRequest) -> Report {
    run_later(sim, odd, request, Duration::ZERO).await
}

const WHO: &str = "person.3@example.com";

/// Without one, and with it.
fn few() -> String {
    people(0, 3, 1) + &more(4, 20, 1)
}

fn all() -> String {
    people(0, 20, 1)
}

/// The ways in which one request makes a member.
const AT_ONCE: [Way; 4] = [Way::Bulk, Way::Single, Way::Field, Way::Flag];

async fn leaves_in_two_runs(sim: &Sim, way: Way, place: &str) {
    let honest = Odd::honest(sim);
    for drop in ["third", "fourth"] {
        let report = run(sim, &honest, &sim.drop(drop, &few())).await;
        assert_eq!(report.members.leavers, 1, "{place}: {report:?}");
        assert!(!is_marked(sim, mark(way, LIST), WHO), "{place}");
    }
    let report = run(sim, &honest, &sim.drop("fifth", &few())).await;
    assert_eq!(report.members.leavers, 0, "{place}: {report:?}");
    assert_eq!(sim.store.body(&keys::unconfirmed(EXPORT)), None, "{place}");
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_after_a_lost_answer_leaves_with_the_segment() {
    for way in AT_ONCE {
        let (sim, place) = (Sim::of(way, 1), format!("{way:?}"));
        run(&sim, &Odd::honest(&sim), &sim.drop("first", &few())).await;
        let report = run(&sim, &Odd::new(&sim, lost_then_refused(1, &[WHO])), &sim.drop("second", &all())).await;
        assert_eq!((report.rows.rejected, report.rows.pending), (1, 0), "{place}: {report:?}");
        assert!(is_marked(&sim, mark(way, LIST), WHO), "{place}: the first request was applied");
        leaves_in_two_runs(&sim, way, &place).await;
    }
}

/// A run that is killed once the account has applied the person's row, and before it answers.
async fn killed(sim: &Sim, way: Way) -> RunRequest {
    let request = sim.drop("second", &all());
    let mut judge = lost_then_refused(1, &[WHO]);
    let hangs = Odd::new(sim, move |request| match judge(request) {
        Fate::Lost => Fate::Hangs,
        fate => fate,
    });
    let (dying, never) = (world(sim, &hangs, Duration::ZERO), Cancellation::default());
    let applied = async {
        while !is_marked(sim, mark(way, LIST), WHO) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        report = steps::run(&dying, &sim.config, &request, &never) => panic!("{way:?}: {report:?}"),
        () = applied => {}
    }
    request
}

const A_MONTH_AND_MORE: Duration = Duration::from_secs(32 * 24 * 3600);

#[tokio::test(start_paused = true)]
async fn who_was_sent_without_an_answer_leaves_a_month_later() {
    for way in AT_ONCE {
        let (sim, place) = (Sim::of(way, 1), format!("{way:?}"));
        run(&sim, &Odd::honest(&sim), &sim.drop("first", &few())).await;
        killed(&sim, way).await;
        sim.leases.end_all();
        let report = run_later(&sim, &Odd::honest(&sim), &sim.drop("late", &few()), A_MONTH_AND_MORE).await;
        assert_eq!((report.outcome, report.members.leavers), (Outcome::Succeeded, 1), "{place}: {report:?}");
        assert!(!is_marked(&sim, mark(way, LIST), WHO), "{place}");
        // The same of a run that came to its end without the answer.
        let (sim, request) = (Sim::of(way, 1), sim.drop("second", &all()));
        run(&sim, &Odd::honest(&sim), &sim.drop("first", &few())).await;
        sim.store.write(&request.drops[0].key, all());
        run(&sim, &Odd::new(&sim, lost_then_refused(u32::MAX, &[WHO])), &request).await;
        let report = run_later(&sim, &Odd::honest(&sim), &sim.drop("late", &few()), A_MONTH_AND_MORE).await;
        assert_eq!((report.outcome, report.members.leavers), (Outcome::Succeeded, 1), "{place}: {report:?}");
        assert!(!is_marked(&sim, mark(way, LIST), WHO), "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_can_no_longer_be_named_is_said_and_found_by_reconcile() {
    let sim = Sim::of(Way::Single, 1);
    run(&sim, &Odd::honest(&sim), &sim.drop("first", &few())).await;
    run(&sim, &Odd::new(&sim, lost_then_refused(u32::MAX, &[WHO])), &sim.drop("second", &all())).await;
    // As they expire in a bucket.
    sim.store.remove(&keys::unconfirmed(EXPORT));
    let report = run(&sim, &Odd::honest(&sim), &sim.drop("third", &few())).await;
    let said = report.warnings.join("\n");
    assert!(said.contains("1 people") && said.contains("reconcile newsletter"), "{said}");
    let reconcile = async |name: &str, mode| {
        sim.drop(name, &few());
        let asked = comparison(name, mode);
        let (honest, never) = (Odd::honest(&sim), Cancellation::default());
        steps::reconcile(&world(&sim, &honest, Duration::ZERO), &sim.config, &asked, &never).await.unwrap()
    };
    let report = reconcile("look", Mode::Look).await;
    assert_eq!((report.outcome, report.reconciled[0].extra), (Outcome::DifferencesFound, 1), "{report:?}");
    reconcile("repair", Mode::Repair).await;
    run(&sim, &Odd::honest(&sim), &sim.drop("fourth", &few())).await;
    assert!(!is_marked(&sim, LIST, WHO));
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_when_a_killed_run_goes_on_leaves() {
    for way in AT_ONCE {
        let (sim, place) = (Sim::of(way, 1), format!("{way:?}"));
        run(&sim, &Odd::honest(&sim), &sim.drop("first", &few())).await;
        let request = killed(&sim, way).await;
        let report = run(&sim, &Odd::new(&sim, lost_then_refused(0, &[WHO])), &request).await;
        assert_eq!((report.rows.rejected, report.rows.pending), (1, 0), "{place}: {report:?}");
        leaves_in_two_runs(&sim, way, &place).await;
    }
}

/// Those whom the canary sends ahead are among them.
#[tokio::test(start_paused = true)]
async fn who_is_refused_after_an_answer_named_one_for_all_leaves() {
    let sim = Sim::of(Way::Bulk, 1);
    let odd = Odd::new(&sim, |request| match request.uri().path().rsplit('/').next() {
        Some("contacts") if request.method() == http::Method::POST => Fate::OneForAll,
        Some("contact") => Fate::Refused,
        _ => Fate::Answered,
    });
    let report = run(&sim, &odd, &sim.drop("first", &all())).await;
    assert_eq!(report.rows.rejected, 20, "{report:?}");
    assert!((0..20).all(|number| is_marked(&sim, LIST, &format!("person.{number}@example.com"))));
    let report = run(&sim, &Odd::honest(&sim), &sim.drop("second", &people(18, 20, 1))).await;
    assert_eq!((report.outcome, report.members.leavers), (Outcome::Succeeded, 18), "{report:?}");
    let on_list: Vec<String> = sim.sandbox.contents().members(LIST).into_iter().collect();
    assert_eq!(on_list, ["person.18@example.com", "person.19@example.com"]);
}

#[tokio::test(start_paused = true)]
async fn who_left_without_an_answer_and_stays_is_put_back() {
    let sim = Sim::of(Way::Single, 1);
    run(&sim, &Odd::honest(&sim), &sim.drop("first", &all())).await;
    let removes = |request: &http::Request<Bytes>| request.method() == http::Method::DELETE;
    let mut count = 0;
    let odd = Odd::new(&sim, move |request| {
        count += u32::from(removes(request));
        match count {
            _ if !removes(request) => Fate::Answered,
            1 => Fate::Lost,
            _ => Fate::Refused,
        }
    });
    let report = run(&sim, &odd, &sim.drop("second", &few())).await;
    assert_eq!(report.members.leavers_withheld, 1, "{report:?}");
    assert!(!is_marked(&sim, LIST, WHO), "the first request was applied");
    run(&sim, &Odd::honest(&sim), &sim.drop("third", &all())).await;
    assert!(is_marked(&sim, LIST, WHO));
}

#[tokio::test(start_paused = true)]
async fn fields_refused_after_a_lost_answer_are_sent_as_they_were() {
    let sim = Sim::of(Way::Single, 1);
    run(&sim, &Odd::honest(&sim), &sim.drop("first", &all())).await;
    let changed = few() + &more(3, 4, 2);
    let report = run(&sim, &Odd::new(&sim, lost_then_refused(1, &[WHO])), &sim.drop("second", &changed)).await;
    assert_eq!(report.rows.rejected, 1, "{report:?}");
    let value = || sim.sandbox.contents().by_email(WHO).unwrap().custom.get("Value").cloned();
    assert_eq!(value(), Some(2.into()));
    run(&sim, &Odd::honest(&sim), &sim.drop("third", &all())).await;
    assert_eq!(value(), Some(1.into()));
}
