//! A profile in several segments of an export: its fields belong to the export, and the newest drop's win; each
//! segment has its own members.

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{AppliedDrop, RequestedDrop, RunRequest, Trigger, keys};
use autopilot_export::sandbox::Fault;
use autopilot_export::state::{Digester, FIELDS_UNCONFIRMED, MemberStatus, Profile};
use autopilot_export::steps::{self, Cancellation};
use serde_json::{Value, json};

use crate::support::fixture::{EXPORT, LIST, STATE_KEY, csv, people, profiles_of};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, request};

const VIP: &str = "VIP";
const ANN: &str = "ann@example.com";

/// An export of two segments, the list and the VIPs; `is_swapped` names the VIPs first.
fn sim(way: Way, is_swapped: bool) -> Sim {
    let mut sim = Sim::of(way, 1);
    let membership = |name: &str| way.membership_of(name);
    let mut segments = vec![
        json!({ "name": LIST, "prefix": "segments/newsletter/", "membership": membership(LIST) }),
        json!({ "name": VIP, "prefix": "segments/vip/", "membership": membership(VIP) }),
    ];
    if is_swapped {
        segments.reverse();
    }
    sim.set("/exports/newsletter/segments", Value::from(segments));
    sim.pace(100, 2);
    sim
}

/// Writes a drop, which is newer than all that were written before, and asks for it as an event does.
fn drop(sim: &Sim, segment: &str, name: &str, body: &str) -> RunRequest {
    let folder = if segment == LIST { "newsletter" } else { "vip" };
    let key = format!("segments/{folder}/{name}.csv");
    sim.store.write(&key, body.to_owned());
    let drops = vec![RequestedDrop { segment: segment.into(), key: key.clone(), version: None, is_empty: false }];
    RunRequest { trigger: Trigger::S3, drops, ..request(&format!("{segment} {name}"), &key) }
}

/// A run of the newest drop of each segment.
fn of_all(seed: &str) -> RunRequest {
    RunRequest { trigger: Trigger::Schedule, drops: Vec::new(), ..request(seed, "") }
}

async fn run(sim: &Sim, request: &RunRequest) -> Report {
    let world = sim.world(&Kill::never());
    let report = steps::run(&world, &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

fn value(sim: &Sim, email: &str) -> Value {
    sim.held()[email].1["Value"].clone()
}

/// Whether somebody is marked as a member at the account.
fn is_marked(sim: &Sim, segment: &str, email: &str) -> bool {
    let contents = sim.sandbox.contents();
    contents.members(segment).contains(email)
        || contents.by_email(email).is_some_and(|contact| contact.custom.get(segment) == Some(&true.into()))
}

/// What the state knows of somebody: the profile, and the membership of list and VIPs.
fn known(sim: &Sim, email: &str) -> Option<(Profile, [MemberStatus; 2])> {
    let (header, profiles) = profiles_of(&sim.store.body(&keys::profiles(EXPORT)).unwrap());
    let key = Digester::new(STATE_KEY).unwrap().profile(email);
    let profile = profiles.into_iter().find(|profile| profile.key == key)?;
    let status = [LIST, VIP].map(|name| header.position(name).map(|at| profile.status(at)).unwrap_or_default());
    Some((profile, status))
}

#[tokio::test(start_paused = true)]
async fn a_newer_drop_of_another_segment_leaves_no_stale_value() {
    for way in [Way::Bulk, Way::Field, Way::Tag, Way::Flag] {
        let sim = sim(way, false);
        for (number, (segment, sent)) in [(LIST, 1), (VIP, 2), (LIST, 1), (VIP, 1), (LIST, 1)].into_iter().enumerate() {
            let before = if number == 0 { Value::Null } else { value(&sim, ANN) };
            let report = run(&sim, &drop(&sim, segment, &number.to_string(), &csv(&[(ANN, "Ann", sent)]))).await;
            assert_eq!(value(&sim, ANN), sent, "{way:?}, run {number}: {report:?}");
            let joins = number < 2;
            assert_eq!(report.members.joiners, u64::from(joins), "{way:?}, run {number}: {report:?}");
            assert_eq!(
                report.members.changed,
                u64::from(!joins && before != sent),
                "{way:?}, run {number}: {report:?}"
            );
        }
        assert!(is_marked(&sim, LIST, ANN) && is_marked(&sim, VIP, ANN), "{way:?}");
        assert_eq!(known(&sim, ANN).unwrap().1, [MemberStatus::Confirmed; 2]);
    }
}

/// Whatever was known before, however the segments are ordered in the configuration, and whichever lane is first.
#[tokio::test(start_paused = true)]
async fn in_one_run_the_newest_drops_values_win() {
    for way in Way::ALL {
        for (is_swapped, newest) in [(false, LIST), (false, VIP), (true, LIST), (true, VIP)] {
            for before in [&[][..], &[LIST], &[VIP], &[LIST, VIP]] {
                let (sim, place) = (sim(way, is_swapped), format!("{way:?}, {is_swapped}, {newest}, {before:?}"));
                for (number, segment) in before.iter().enumerate() {
                    run(&sim, &drop(&sim, segment, &format!("before {number}"), &people(0, 60, 7))).await;
                }
                let older = if newest == LIST { VIP } else { LIST };
                drop(&sim, older, "now", &people(0, 60, 1));
                drop(&sim, newest, "now", &people(0, 60, 2));
                let report = run(&sim, &of_all("both")).await;
                assert_eq!((report.outcome, report.rows.read), (Outcome::Succeeded, 120), "{place}: {report:?}");
                let joiners = 60 * (2 - before.len()) as u64;
                assert_eq!(report.members.joiners, joiners, "{place}: {report:?}");
                for email in (0..60).map(|number| format!("person.{number}@example.com")) {
                    assert_eq!(value(&sim, &email), 2, "{place}");
                    assert!(is_marked(&sim, LIST, &email) && is_marked(&sim, VIP, &email), "{place}");
                    let (profile, status) = known(&sim, &email).unwrap();
                    assert_eq!(status, [MemberStatus::Confirmed; 2], "{place}");
                    assert_ne!(profile.digest, FIELDS_UNCONFIRMED, "{place}");
                }
                let again = run(&sim, &of_all("again")).await;
                assert_eq!(again.outcome, Outcome::NothingToDo, "{place}: {again:?}");
            }
        }
    }
}

// Promise 5: "Older never overwrites newer", whichever segments the two drops are of.
#[tokio::test(start_paused = true)]
async fn a_late_drop_changes_no_field_of_another_segments_newer_drop() {
    for (way, is_member) in [Way::Bulk, Way::Tag].into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let sim = sim(way, false);
        if is_member {
            run(&sim, &drop(&sim, LIST, "before", &csv(&[(ANN, "Ann", 1)]))).await;
        }
        let late = drop(&sim, LIST, "late", &csv(&[(ANN, "Ann", 2), ("bob@example.com", "Bob", 2)]));
        run(&sim, &drop(&sim, VIP, "newer", &csv(&[(ANN, "Ann", 3)]))).await;
        let digest = known(&sim, ANN).unwrap().0.digest;
        let report = run(&sim, &late).await;
        assert_eq!(report.members.joiners, if is_member { 1 } else { 2 }, "{report:?}");
        assert_eq!((value(&sim, ANN), value(&sim, "bob@example.com")), (json!(3), json!(2)), "{is_member}");
        assert!(is_marked(&sim, LIST, ANN) && is_marked(&sim, VIP, ANN));
        assert_eq!(known(&sim, ANN).unwrap().0.digest, digest, "the newer drop's fields are known as before");
        let report = run(&sim, &drop(&sim, LIST, "next", &csv(&[(ANN, "Ann", 2)]))).await;
        assert_eq!((report.members.changed, value(&sim, ANN)), (1, json!(2)), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaver_keeps_digest_and_id_until_the_last_segment() {
    for way in [Way::Bulk, Way::Field, Way::Tag, Way::Flag] {
        let sim = sim(way, false);
        let other = ("bob@example.com", "Bob", 1);
        for segment in [LIST, VIP] {
            run(&sim, &drop(&sim, segment, "first", &csv(&[(ANN, "Ann", 1), other]))).await;
        }
        let before = known(&sim, ANN).unwrap().0;
        let report = run(&sim, &drop(&sim, LIST, "second", &csv(&[other]))).await;
        assert_eq!(report.members.leavers, 1, "{report:?}");
        let (now, status) = known(&sim, ANN).unwrap();
        assert_eq!((now.digest, &now.contact_id), (before.digest, &before.contact_id));
        assert_eq!(status, [MemberStatus::Absent, MemberStatus::Confirmed]);
        assert!(!is_marked(&sim, LIST, ANN) && is_marked(&sim, VIP, ANN));
        let report = run(&sim, &drop(&sim, VIP, "second", &csv(&[(ANN, "Ann", 1), other]))).await;
        assert_eq!(report.rows.unchanged, 2, "{report:?}");
        run(&sim, &drop(&sim, VIP, "third", &csv(&[other]))).await;
        assert_eq!(known(&sim, ANN), None, "nothing is kept of who is in no segment");
        assert!(!is_marked(&sim, VIP, ANN) && known(&sim, "bob@example.com").is_some());
    }
}

// A response names the emails that were applied, not the rows.
#[tokio::test(start_paused = true)]
async fn leavers_of_two_fields_at_once_lose_both_marks() {
    for way in [Way::Bulk, Way::Field] {
        for faults in ["", "drop-rows:1", "drop-rows:0.3"] {
            let sim = sim(way, false);
            for segment in [LIST, VIP] {
                run(&sim, &drop(&sim, segment, "before", &people(0, 12, 1))).await;
                drop(&sim, segment, "now", &people(0, 2, 1));
            }
            sim.sandbox.set_faults(Fault::parse_list(faults).unwrap());
            let report = run(&sim, &of_all("both")).await;
            assert_eq!((report.outcome, report.members.leavers), (Outcome::Succeeded, 20), "{way:?}: {report:?}");
            for number in 0..12 {
                let email = format!("person.{number}@example.com");
                let marks = [LIST, VIP].map(|segment| is_marked(&sim, segment, &email));
                assert_eq!(marks, [number < 2; 2], "{way:?}, {faults}, {email}: {report:?}");
            }
        }
    }
}

// "Distinct profiles over all segments of the export", whatever this run carries.
#[tokio::test(start_paused = true)]
async fn max_profiles_counts_the_profiles_of_all_segments() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, false);
        sim.set("/exports/newsletter/guards/max_profiles", json!(25));
        run(&sim, &drop(&sim, LIST, "first", &people(0, 20, 1))).await;
        for (name, from, to, outcome) in [
            ("the same people", 10, 20, Outcome::Succeeded),
            ("up to the limit", 15, 25, Outcome::Succeeded),
            ("above it", 15, 26, Outcome::StoppedByGuard),
            ("others", 22, 25, Outcome::Succeeded),
        ] {
            let report = run(&sim, &drop(&sim, VIP, name, &people(from, to, 1))).await;
            assert_eq!(report.outcome, outcome, "{name}: {report:?}");
            let message = report.error.map(|error| error.message).unwrap_or_default();
            assert_eq!(
                message.contains("26 profiles; max_profiles allows 25"),
                outcome == Outcome::StoppedByGuard,
                "{message}"
            );
        }
        // The state is not read, but what it has of the other segment counts.
        let full = RunRequest { full: true, ..drop(&sim, VIP, "all others", &people(30, 36, 1)) };
        assert_eq!(run(&sim, &full).await.outcome, Outcome::StoppedByGuard);
        let full = RunRequest { full: true, ..drop(&sim, VIP, "few others", &people(30, 33, 1)) };
        assert_eq!(run(&sim, &full).await.outcome, Outcome::Succeeded);
    }
}

/// The measure by which a later drop's unreadable rows are judged.
#[tokio::test(start_paused = true)]
async fn unreadable_rows_are_recorded_when_leavers_are_removed() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, false);
        let order = |segment: &str| -> AppliedDrop {
            serde_json::from_slice(&sim.store.body(&keys::order(EXPORT, segment)).unwrap()).unwrap()
        };
        let bad = "no address,Ann,1\n,Bob,1\n";
        let broken = "cy@example.com,Cy\n";
        for (number, (rows, members, unreadable)) in [
            // It has no leavers.
            (people(0, 10, 1) + bad, 10, 2),
            // No more than before.
            (people(2, 10, 1) + bad, 8, 2),
            // Its leavers are withheld.
            (people(4, 10, 1) + bad + broken, 8, 2),
            (people(2, 10, 2) + bad + bad, 8, 4),
            // Nothing is new in it.
            (people(2, 10, 2), 8, 0),
        ]
        .into_iter()
        .enumerate()
        {
            let report = run(&sim, &drop(&sim, LIST, &number.to_string(), &rows)).await;
            let order = order(LIST);
            assert_eq!((order.members, order.unreadable_rows), (members, unreadable), "drop {number}: {report:?}");
        }
        assert!(sim.store.body(&keys::order(EXPORT, VIP)).is_none());
    }
}

/// What all that was known and done comes to.
fn comes_to(sim: &Sim) -> impl PartialEq + std::fmt::Debug + use<> {
    let (header, profiles) = profiles_of(&sim.store.body(&keys::profiles(EXPORT)).unwrap());
    let contents = sim.sandbox.contents();
    let held: Vec<_> = sim.held().into_iter().map(|(email, (fields, custom, _))| (email, fields, custom)).collect();
    let known: Vec<_> =
        profiles.into_iter().map(|profile| (profile.key, profile.digest, profile.memberships)).collect();
    (held, [LIST, VIP].map(|list| contents.members(list)), header.segments, known)
}

// Promise 2: "Nothing is lost", in a run of several segments as well.
#[tokio::test(start_paused = true)]
async fn a_run_of_two_segments_may_die_anywhere() {
    let begun = async |way| {
        let sim = sim(way, false);
        run(&sim, &drop(&sim, LIST, "before", &people(0, 8, 1))).await;
        drop(&sim, LIST, "now", &people(3, 12, 1));
        drop(&sim, VIP, "now", &people(5, 14, 2));
        sim
    };
    for way in Way::ALL {
        let sim = begun(way).await;
        run(&sim, &of_all("both")).await;
        let whole = comes_to(&sim);
        let mut stops = 0;
        for at in (1..).step_by(3) {
            let (sim, kill) = (begun(way).await, Kill::new(at, at % 2 == 0));
            let (world, stop) = (sim.world(&kill), Cancellation::default());
            let both = of_all("both");
            tokio::select! {
                biased;
                () = kill.reached() => {}
                _ = steps::run(&world, &sim.config, &both, &stop) => break,
            }
            stops += 1;
            // The run itself goes on, or another comes after it.
            let next = of_all(if at % 4 < 2 { "both" } else { "another" });
            let report = run(&sim, &next).await;
            assert_eq!(report.rows.pending, 0, "{way:?}, call {at}: {report:?}");
            assert_eq!(comes_to(&sim), whole, "{way:?}, call {at}: {report:?}");
            let left: Vec<_> =
                sim.store.keys().into_iter().filter(|key| key.ends_with("/unconfirmed.ndjson")).collect();
            assert!(left.is_empty(), "{way:?}, call {at}: {left:?}");
        }
        assert!(stops > 25, "{way:?}: {stops}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaver_of_the_newer_segment_has_the_others_values_at_once() {
    for way in [Way::Bulk, Way::Field, Way::Tag, Way::Flag] {
        for (is_swapped, newest) in [(false, LIST), (false, VIP), (true, LIST), (true, VIP)] {
            let (sim, place) = (sim(way, is_swapped), format!("{way:?}, {is_swapped}, {newest}"));
            let other = ("bob@example.com", "Bob", 1);
            let older = if newest == LIST { VIP } else { LIST };
            drop(&sim, older, "older", &csv(&[(ANN, "Ann", 1), other]));
            drop(&sim, newest, "newer", &csv(&[(ANN, "Ann", 2), other]));
            run(&sim, &of_all("both")).await;
            assert_eq!(value(&sim, ANN), 2, "{place}");
            drop(&sim, newest, "next", &csv(&[other]));
            let report = run(&sim, &of_all("left")).await;
            assert_eq!((report.members.leavers, report.members.changed), (1, 1), "{place}: {report:?}");
            assert_eq!(value(&sim, ANN), 1, "{place}");
            assert!(!is_marked(&sim, newest, ANN) && is_marked(&sim, older, ANN), "{place}");
            let again = run(&sim, &of_all("again")).await;
            assert_eq!(again.outcome, Outcome::NothingToDo, "{place}: {again:?}");
        }
    }
}
