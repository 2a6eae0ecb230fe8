//! What was sent without an answer arrives after all, or made a contact of its own: nobody stays a member for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::in_process::InProcess;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::ports::{Http, NoResponse};
use autopilot_export::report::Report;
use autopilot_export::run::RunRequest;
use autopilot_export::steps::{self, Cancellation};
use bytes::Bytes;

use super::deleted_contacts::{delete, is_marked, mark};
use crate::support::fixture::{LIST, more, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld, Way};

/// An account that takes what is written for a while without an answer, and applies it later.
#[derive(Clone)]
struct Slow {
    account: InProcess,
    is_slow: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<http::Request<Bytes>>>>,
}

impl Http for Slow {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, NoResponse> {
        let path = request.uri().path();
        let reads = request.method() == http::Method::GET || path.ends_with("/get") || path.ends_with("/get-by-ids");
        if !reads && self.is_slow.load(Ordering::SeqCst) {
            self.taken.lock().unwrap().push(request);
            tokio::time::sleep(within).await;
            return Err(NoResponse::TIMED_OUT);
        }
        self.account.send(request, within, max_bytes).await
    }
}

impl Slow {
    fn of(sim: &Sim) -> Self {
        Self { account: InProcess(sim.sandbox.clone()), is_slow: Arc::default(), taken: Arc::default() }
    }

    /// What was taken is applied.
    async fn arrives(&self) {
        let taken = std::mem::take(&mut *self.taken.lock().unwrap());
        assert!(!taken.is_empty());
        for request in taken {
            let _ = self.account.send(request, Duration::MAX, usize::MAX).await;
        }
    }
}

async fn run(sim: &Sim, slow: &Slow, request: &RunRequest) -> Report {
    let SimWorld { store, leases, secrets, clock, observer, .. } = sim.world(&Kill::never());
    let world = Adapters { store, leases, secrets, http: slow.clone(), clock, observer };
    let report = steps::run(&world, &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

const WHO: &str = "person.3@example.com";

fn leaves_nothing_behind(sim: &Sim, place: &str) {
    let keys = sim.store.keys();
    assert!(!keys.iter().any(|key| key.ends_with("unconfirmed.ndjson")), "{place}: {keys:?}");
}

#[tokio::test(start_paused = true)]
async fn who_joins_by_a_late_request_after_leaving_leaves_again() {
    for way in Way::ALL {
        for arrives in [true, false] {
            let (sim, place) = (Sim::of(way, 1), format!("{way:?}, {arrives}"));
            let slow = Slow::of(&sim);
            run(&sim, &slow, &sim.drop("first", &few())).await;
            slow.is_slow.store(true, Ordering::SeqCst);
            let report = run(&sim, &slow, &sim.drop("second", &all())).await;
            assert_eq!(report.rows.pending, 1, "{place}: {report:?}");
            slow.is_slow.store(false, Ordering::SeqCst);
            let report = run(&sim, &slow, &sim.drop("third", &few())).await;
            assert_eq!(report.members.leavers, 1, "{place}: {report:?}");
            if arrives {
                slow.arrives().await;
                // Where joiners take two requests, the second was never sent.
                assert_eq!(is_marked(&sim, mark(way, LIST), WHO), way != Way::List, "{place}");
            }
            let report = run(&sim, &slow, &sim.drop("fourth", &few())).await;
            assert_eq!(report.members.leavers, 1, "{place}: a leave is tried again: {report:?}");
            assert!(!is_marked(&sim, mark(way, LIST), WHO), "{place}");
            let report = run(&sim, &slow, &sim.drop("fifth", &few())).await;
            assert_eq!(report.members.leavers, 0, "{place}: it is seen to be gone: {report:?}");
            leaves_nothing_behind(&sim, &place);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_after_a_doubted_leave_is_a_member() {
    for way in Way::ALL {
        let (sim, place) = (Sim::of(way, 1), format!("{way:?}"));
        let slow = Slow::of(&sim);
        run(&sim, &slow, &sim.drop("first", &few())).await;
        slow.is_slow.store(true, Ordering::SeqCst);
        run(&sim, &slow, &sim.drop("second", &all())).await;
        slow.is_slow.store(false, Ordering::SeqCst);
        run(&sim, &slow, &sim.drop("third", &few())).await;
        let report = run(&sim, &slow, &sim.drop("fourth", &all())).await;
        assert_eq!(report.members.joiners, 1, "{place}: {report:?}");
        assert!(is_marked(&sim, mark(way, LIST), WHO), "{place}");
        leaves_nothing_behind(&sim, &place);
    }
}

/// Without one, and with it. There are enough for the account's way onto its lists to be learnt.
fn few() -> String {
    people(0, 3, 1) + &more(4, 60, 1)
}

fn all() -> String {
    people(0, 60, 1)
}

/// A contact that somebody deleted is made anew by a run that dies at one of its calls; then the person leaves.
#[tokio::test(start_paused = true)]
async fn who_was_made_anew_by_an_interrupted_run_leaves() {
    let gone = || people(0, 3, 2) + &more(4, 6, 2);
    for way in Way::ALL {
        for call in (1..).step_by(3) {
            let (sim, place) = (Sim::of(way, 1), format!("{way:?}, call {call}"));
            let slow = Slow::of(&sim);
            run(&sim, &slow, &sim.drop("first", &people(0, 6, 1))).await;
            delete(&sim, way, WHO);
            let kill = Kill::new(call, true);
            let (world, request) = (sim.world(&kill), sim.drop("second", &people(0, 6, 2)));
            let never = Cancellation::default();
            let is_over = tokio::select! {
                biased;
                () = kill.reached() => false,
                report = steps::run(&world, &sim.config, &request, &never) => report.is_ok(),
            };
            drop(world);
            sim.leases.end_all();
            for drop in ["third", "fourth"] {
                run(&sim, &slow, &sim.drop(drop, &gone())).await;
                assert!(!is_marked(&sim, mark(way, LIST), WHO), "{place}: after the {drop}");
            }
            let report = run(&sim, &slow, &sim.drop("fifth", &gone())).await;
            assert_eq!(report.members.leavers, 0, "{place}: {report:?}");
            leaves_nothing_behind(&sim, &place);
            if is_over {
                break;
            }
        }
    }
}
