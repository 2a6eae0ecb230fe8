//! Weeks of drops in which customers come, go and change their addresses, over and over, of runs that may be killed anywhere:
//! who was there all the time is one contact, and nobody else is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::{VIP, id, members, of, rows, run, run_in, sim, writes};
use crate::support::fixture::LIST;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

const CUSTOMERS: usize = 6;
const DROPS: usize = 14;

/// A customer's address and whether the drops have them, and among the VIPs.
#[derive(Clone, Debug)]
struct Customer {
    version: usize,
    is_there: bool,
    is_vip: bool,
    /// Their contact, for as long as all drops have them.
    contact: Option<String>,
    /// Addresses that joined in a killed run: the state may know them without a contact.
    unanswered: BTreeSet<usize>,
}

fn name(number: usize, version: usize) -> String {
    format!("p{number}v{version}")
}

fn people(customers: &[Customer], is_in: impl Fn(&Customer) -> bool) -> Vec<(String, String)> {
    let there = customers.iter().enumerate().filter(|(_, customer)| customer.is_there && is_in(customer));
    there.map(|(number, customer)| (name(number, customer.version), number.to_string())).collect()
}

fn drops(customers: &[Customer]) -> [(&'static str, String); 2] {
    let body =
        |people: Vec<(String, String)>| rows(&people.iter().map(|(name, id)| (&**name, &**id)).collect::<Vec<_>>());
    [(LIST, body(people(customers, |_| true))), (VIP, body(people(customers, |customer| customer.is_vip)))]
}

/// Where a run before was killed, a leaver may have to wait for the next run: `withheld` says how many do.
fn check(sim: &Sim, way: Way, (customers, withheld): (&mut [Customer], u64), place: &str) {
    for (segment, is_vip) in [(LIST, false), (VIP, true)] {
        let expected = people(customers, |customer| customer.is_vip || !is_vip).into_iter().map(|(name, _)| name);
        let (expected, there): (BTreeSet<String>, _) = (expected.collect(), members(sim, way, segment));
        let more = there.difference(&expected).count() as u64;
        assert!(more <= withheld && there.is_superset(&expected), "{place}: {segment}: {there:?}, not {expected:?}");
    }
    sim.held();
    for (number, customer) in customers.iter_mut().enumerate() {
        let now = id(sim, &name(number, customer.version));
        match (&customer.contact, customer.is_there) {
            (Some(before), true) => assert_eq!(now, *before, "{place}: {number} of {customer:?}"),
            (None, true) => customer.contact = Some(now),
            (_, false) => customer.contact = None,
        }
    }
}

async fn story(way: Way, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sim = sim(way, &[LIST, VIP]);
    sim.set("/exports/newsletter/guards/allow_empty", json!(true));
    let mut customers: Vec<Customer> = (0..CUSTOMERS)
        .map(|_| Customer {
            version: 0,
            is_there: true,
            is_vip: random.bool(),
            contact: None,
            unanswered: BTreeSet::new(),
        })
        .collect();
    let mut counted = BTreeMap::new();
    for number in 0..DROPS {
        for (which, customer) in customers.iter_mut().enumerate() {
            // Who goes, or leaves the VIPs with a new address, may be another contact when they are back.
            match random.u32(0..10) {
                0 => (customer.is_there, customer.contact) = (!customer.is_there, None),
                1..=3 => {
                    customer.version = random.usize(0..4);
                    // Another contact may have the address, from before they went.
                    let holder = id(&sim, &name(which, customer.version));
                    let is_free = !customer.unanswered.contains(&customer.version);
                    let is_own = |own: &String| is_free && (holder.is_empty() || holder == *own);
                    customer.contact = customer.contact.take().filter(is_own);
                }
                4 => (customer.is_vip, customer.contact) = (!customer.is_vip, None),
                _ => {}
            }
        }
        let request = of(&sim, &format!("drop {number}"), &drops(&customers));
        let kill = if random.bool() { Kill::new(random.u64(1..120), random.bool()) } else { Kill::never() };
        kill.count_only_writes();
        let place = format!("{way:?}, seed {seed}, drop {number}, killed at {kill:?}: {customers:?}");
        let world = sim.world(&kill);
        let report = tokio::select! {
            biased;
            () = kill.reached() => None,
            report = run_in(&sim, &world, &request) => Some(report),
        };
        tokio::time::sleep(Duration::from_secs(60)).await;
        let Some(report) = report else {
            let joining = customers.iter_mut().filter(|customer| customer.is_there && customer.contact.is_none());
            joining.for_each(|customer| customer.unanswered.extend([customer.version]));
            continue;
        };
        assert_eq!((report.error.as_ref(), report.rows.pending), (None, 0), "{place}: {report:?}");
        *counted.entry(report.members.address_changed > 0).or_insert(0) += 1;
        check(&sim, way, (&mut customers, report.members.leavers_withheld), &place);
    }
    for number in 0..3 {
        let report = run(&sim, &of(&sim, &format!("last {number}"), &drops(&customers))).await;
        let place = format!("{way:?}, seed {seed}, last {number}: {report:?}");
        check(&sim, way, (&mut customers, report.members.leavers_withheld), &place);
    }
    let before = writes(&sim);
    let report = run(&sim, &of(&sim, "none", &drops(&customers))).await;
    assert_eq!((report.rows.unchanged, writes(&sim) - before), (report.rows.read, 0), "{way:?} {seed}: {report:?}");
    check(&sim, way, (&mut customers, 0), &format!("{way:?}, seed {seed}"));
    assert!(counted.contains_key(&true) || seed > 0, "{counted:?}");
}

#[tokio::test(start_paused = true)]
async fn customers_stay_one_contact_through_any_story_at_autopilot() {
    for seed in 0..40 {
        story(Way::List, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn customers_stay_one_contact_through_any_story_at_ortto() {
    for seed in 0..40 {
        story(Way::Tag, seed).await;
    }
}
