//! Contacts that people delete in the account: those who are sent again are members again, of every segment.

use autopilot_export::report::Report;
use autopilot_export::run::{RequestedDrop, RunRequest};
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;

use crate::support::fixture::{API_KEY, LIST, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

const VIP: &str = "VIP";

async fn run(sim: &Sim, request: &RunRequest) -> Report {
    let report = steps::run(&sim.world(&Kill::never()), &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up() && report.error.is_none(), "{report:?}");
    report
}

/// Somebody deletes a contact in the account.
pub(super) fn delete(sim: &Sim, way: Way, email: &str) {
    let id = sim.sandbox.contents().by_email(email).unwrap().id.clone();
    let ask = |method: &str, path: &str, body: String| {
        let (status, answer) = sim.sandbox.ask(method, path, API_KEY, body.as_bytes()).unwrap();
        assert!(status < 300, "{}", String::from_utf8_lossy(&answer));
    };
    if way.is_ortto() {
        let body = json!({ "inclusion_ids": [id] }).to_string();
        ask("PUT", "/person/archive", body.clone());
        ask("DELETE", "/person/delete", body);
    } else {
        ask("DELETE", &format!("contact/{id}"), String::new());
    }
    assert!(sim.sandbox.contents().by_email(email).is_none());
}

/// Whether somebody is marked as a member, by the mark's name.
pub(super) fn is_marked(sim: &Sim, mark: &str, email: &str) -> bool {
    let contents = sim.sandbox.contents();
    let is_flagged = contents.by_email(email).is_some_and(|contact| contact.custom.get(mark) == Some(&true.into()));
    is_flagged || contents.members(mark).contains(email)
}

pub(super) fn mark(way: Way, list: &'static str) -> &'static str {
    match (way, list) {
        (Way::Field | Way::Flag, LIST) => "Reader",
        _ => list,
    }
}

const WHO: &str = "person.3@example.com";

#[tokio::test(start_paused = true)]
async fn a_deleted_contact_that_changes_is_a_member_again() {
    for way in Way::ALL {
        let sim = Sim::of(way, 1);
        run(&sim, &sim.drop("first", &people(0, 20, 1))).await;
        delete(&sim, way, WHO);
        run(&sim, &sim.drop("second", &people(0, 20, 2))).await;
        assert!(is_marked(&sim, mark(way, LIST), WHO), "{way:?}");
        let report = run(&sim, &sim.drop("third", &people(0, 20, 2))).await;
        assert_eq!(report.members.joiners + report.members.changed, 0, "{way:?}");
    }
}

/// Two segments, and a run of both.
fn two(way: Way) -> Sim {
    let mut sim = Sim::of(way, 1);
    let segment = |name: &str| {
        let prefix = format!("segments/{}/", name.to_lowercase());
        json!({ "name": name, "prefix": prefix, "membership": way.membership_of(mark(way, if name == VIP { VIP } else { LIST })) })
    };
    sim.set("/exports/newsletter/segments", json!([segment(LIST), segment(VIP)]));
    sim
}

fn both(sim: &Sim, name: &str, news: &str, vip: &str) -> RunRequest {
    let mut request = sim.drop(name, news);
    let key = format!("segments/vip/{name}.csv");
    sim.store.write(&key, vip.to_owned());
    request.drops.push(RequestedDrop { segment: VIP.into(), key, version: None, is_empty: false });
    request
}

#[tokio::test(start_paused = true)]
async fn a_deleted_contact_is_put_right_in_every_segment() {
    for way in Way::ALL {
        for (news, vip) in [(people(0, 20, 2), people(0, 20, 2)), (people(0, 20, 1), people(0, 20, 1))] {
            let sim = two(way);
            // In one segment only at first: it joins the other when its contact is gone.
            let without = people(4, 20, 1);
            let before = if news == vip && news.contains(",2\n") { people(0, 20, 1) } else { without };
            run(&sim, &both(&sim, "first", &people(0, 20, 1), &before)).await;
            delete(&sim, way, WHO);
            run(&sim, &both(&sim, "second", &news, &vip)).await;
            run(&sim, &both(&sim, "third", &news, &vip)).await;
            for list in [LIST, VIP] {
                assert!(is_marked(&sim, mark(way, list), WHO), "{way:?}: {list}");
            }
            let report = run(&sim, &both(&sim, "fourth", &news, &vip)).await;
            assert_eq!(report.members.joiners + report.members.changed, 0, "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_contact_that_opts_out_alone_joins_again() {
    let mut sim = Sim::of(Way::List, 1);
    sim.set("/exports/newsletter/match/unsubscribed", json!("Out"));
    let rows =
        |value: &str, out: &str| format!("EMail,FirstName,Value,Out\n{WHO},Ann,{value},{out}\nb@example.com,Bob,1,\n");
    run(&sim, &sim.drop("first", &rows("1", ""))).await;
    delete(&sim, Way::List, WHO);
    // The row is rejected; its opt-out is sent by itself, and makes a contact.
    run(&sim, &sim.drop("second", &rows("many", "yes"))).await;
    assert!(sim.sandbox.contents().by_email(WHO).unwrap().unsubscribed);
    run(&sim, &sim.drop("third", &rows("1", "yes"))).await;
    assert!(is_marked(&sim, LIST, WHO));
}
