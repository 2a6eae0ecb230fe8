//! Promise 2 where addresses change: killed at any call, going on ends with the same contacts, each under its new address.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use autopilot_export::run::{RunRequest, keys};
use autopilot_export::steps::{self, Limit, Prepared};

use super::{VIP, contact, id, make, members, names, of, rows, run, run_in, sim};
use crate::support::fixture::LIST;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

const BEFORE: [(&str, &str); 4] = [("ann", "1"), ("bo", "2"), ("cy", "3"), ("di", "4")];
const AFTER: [(&str, &str); 4] = [("anna", "1"), ("bob", "2"), ("cyd", "3"), ("ed", "5")];

fn both(people: &[(&str, &str)]) -> [(&'static str, String); 2] {
    [(LIST, rows(people)), (VIP, rows(people))]
}

/// What each address is: which contact, and a member of which segments.
type Held = BTreeMap<String, (String, bool, bool)>;

fn held(sim: &Sim, way: Way) -> Held {
    let (list, vip) = (members(sim, way, LIST), members(sim, way, VIP));
    let contacts = sim.sandbox.contents().contacts.into_iter();
    let held = contacts.map(|contact| {
        let name = contact.email.unwrap().replace("@x.example", "");
        let (in_list, in_vip) = (list.contains(&name), vip.contains(&name));
        (name, (contact.id, in_list, in_vip))
    });
    held.collect()
}

async fn yesterday(way: Way) -> Sim {
    let sim = sim(way, &[LIST, VIP]);
    run(&sim, &of(&sim, "a", &both(&BEFORE))).await;
    // Whose new address is another contact's.
    make(&sim, way, "cyd");
    sim
}

/// Kills the run at a call, and goes on with these rows.
async fn killed(way: Way, kill: &Arc<Kill>, then: &[(&str, &str)]) -> Sim {
    let sim = yesterday(way).await;
    let request = of(&sim, "b", &both(&AFTER));
    let world = sim.world(kill);
    tokio::select! {
        biased;
        () = kill.reached() => {}
        _ = run_in(&sim, &world, &request) => {}
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let report = run(&sim, &of(&sim, "c", &both(then))).await;
    assert_eq!((report.error, report.rows.pending), (None, 0), "{way:?} {}", kill.calls());
    sim
}

fn counting_writes(kill: Arc<Kill>) -> Arc<Kill> {
    kill.count_only_writes();
    kill
}

async fn killed_anywhere(way: Way, then: &[(&str, &str)], expected: impl Fn(&Sim, &str)) {
    let never = counting_writes(Kill::never());
    expected(&killed(way, &never, then).await, &format!("{way:?}"));
    let calls = never.calls();
    for (at, after) in (1..=calls).flat_map(|at| [(at, false), (at, true)]) {
        let place = format!("{way:?}, call {at} of {calls}, after: {after}");
        let sim = killed(way, &counting_writes(Kill::new(at, after)), then).await;
        expected(&sim, &place);
        // What is known of everybody is true. Who may have joined leaves twice, and then nothing is left to do.
        sim.state();
        let report = run(&sim, &of(&sim, "d", &both(then))).await;
        assert_eq!(report.rows.unchanged, report.rows.read, "{place}: {report:?}");
        expected(&sim, &place);
        let before = super::writes(&sim);
        let report = run(&sim, &of(&sim, "e", &both(then))).await;
        assert_eq!((report.rows.unchanged, report.members.leavers), (report.rows.read, 0), "{place}: {report:?}");
        assert_eq!(super::writes(&sim) - before, 0, "{place}: {report:?}");
    }
}

async fn goes_on(way: Way) {
    let sim = yesterday(way).await;
    let ids: Vec<String> = ["ann", "bo", "cyd", "di"].map(|name| id(&sim, name)).into();
    killed_anywhere(way, &AFTER, |sim, place| {
        let held = held(sim, way);
        for (name, before) in ["anna", "bob", "cyd"].into_iter().zip(&ids) {
            assert_eq!(held.get(name), Some(&(before.clone(), true, true)), "{place}: {name} of {held:?}");
        }
        for name in ["cy", "di"] {
            assert!(held.get(name).is_some_and(|(_, list, vip)| !list && !vip), "{place}: {name} of {held:?}");
        }
        assert_eq!((held.len(), members(sim, way, LIST)), (6, names(&["anna", "bob", "cyd", "ed"])), "{place}");
    })
    .await;
}

async fn goes_back(way: Way) {
    let sim = yesterday(way).await;
    let ids: Vec<String> = ["ann", "bo"].map(|name| id(&sim, name)).into();
    killed_anywhere(way, &BEFORE, |sim, place| {
        let held = held(sim, way);
        for (name, before) in ["ann", "bo"].into_iter().zip(&ids) {
            assert_eq!(held.get(name), Some(&(before.clone(), true, true)), "{place}: {name} of {held:?}");
        }
        assert_eq!(members(sim, way, LIST), names(&["ann", "bo", "cy", "di"]), "{place}: {held:?}");
        assert!(contact(sim, "anna").is_none() && contact(sim, "bob").is_none(), "{place}: {held:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_keeps_one_contact_at_autopilot() {
    goes_on(Way::List).await;
    goes_on(Way::Field).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_keeps_one_contact_at_ortto() {
    goes_on(Way::Tag).await;
    goes_on(Way::Flag).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_change_may_be_taken_back() {
    goes_back(Way::List).await;
    goes_back(Way::Tag).await;
}

/// One call of a step, retried until it returns, as on AWS.
macro_rules! again {
    ($step:expr) => {
        loop {
            if let Ok(done) = tokio::time::timeout(Duration::from_secs(200), $step).await {
                break done.unwrap();
            }
        }
    };
}

async fn by_calls(sim: &Sim, kill: &Arc<Kill>, request: &RunRequest) {
    let (world, config) = (sim.world(kill), &sim.config);
    while !matches!(again!(steps::prepare(&world, config, request)), Prepared::Ready { .. }) {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let opened = again!(steps::open(&world, config, request));
    for lane in 0..opened.count {
        while !again!(steps::deliver(&world, config, request, lane, &Limit::default())).done {}
    }
    let report = again!(steps::finish(&world, config, request, None));
    assert_eq!((report.error, report.rows.pending), (None, 0), "{}", kill.calls());
}

#[tokio::test(start_paused = true)]
async fn a_repeated_step_keeps_one_contact() {
    for way in Way::DESTINATIONS {
        let (mut at, mut is_through) = (0, false);
        while !is_through {
            at += 1;
            let sim = yesterday(way).await;
            let ids: Vec<String> = ["ann", "bo", "cyd"].map(|name| id(&sim, name)).into();
            let kill = counting_writes(Kill::alone(at, true));
            by_calls(&sim, &kill, &of(&sim, "b", &both(&AFTER))).await;
            is_through = kill.calls() < at;
            let held = held(&sim, way);
            for (name, before) in ["anna", "bob", "cyd"].into_iter().zip(&ids) {
                assert_eq!(held.get(name), Some(&(before.clone(), true, true)), "{way:?} {at}: {held:?}");
            }
            assert_eq!(held.len(), 6, "{way:?} {at}: {held:?}");
            let left = sim.store.keys();
            assert!(!left.iter().any(|key| keys::is_transient(key)), "{way:?} {at}: {left:?}");
        }
    }
}

// Promise 7: "within the time limit", also where many addresses change.
#[tokio::test(start_paused = true)]
async fn a_short_call_leaves_addresses_to_the_next() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, &[LIST]);
        sim.pace(10, 1);
        let people = |version: u32| -> String {
            let row = |n: u32| format!("p{n}v{version}@x.example,Ann,{n}\n");
            "EMail,FirstName,Id\n".to_owned() + &(0..70).map(row).collect::<String>()
        };
        run(&sim, &of(&sim, "a", &[(LIST, people(0))])).await;
        let before: Vec<String> = (0..70).map(|n| id(&sim, &format!("p{n}v0"))).collect();
        let (world, config) = (sim.world(&Kill::never()), &sim.config);
        let request = of(&sim, "b", &[(LIST, people(1))]);
        assert!(matches!(steps::prepare(&world, config, &request).await.unwrap(), Prepared::Ready { .. }));
        steps::open(&world, config, &request).await.unwrap();
        let mut calls = 1;
        loop {
            let now = world.clock.now();
            let until = now.checked_add(jiff::SignedDuration::from_secs(12)).unwrap();
            let limit = Limit { until: Some(until), ..Limit::default() };
            let done = steps::deliver(&world, config, &request, 0, &limit).await.unwrap().done;
            assert!(world.clock.now() <= until, "{way:?}: call {calls}");
            if done {
                break;
            }
            calls += 1;
        }
        let report = steps::finish(&world, config, &request, None).await.unwrap();
        assert_eq!((report.members.address_changed, report.rows.delivered), (70, 70), "{way:?}: {report:?}");
        assert!(calls > 1, "{way:?}");
        let after: Vec<String> = (0..70).map(|n| id(&sim, &format!("p{n}v1"))).collect();
        assert_eq!((after, sim.sandbox.contact_count()), (before, 70), "{way:?}");
        assert!(sim.peak() <= 10, "{way:?}: {}", sim.peak());
    }
}
