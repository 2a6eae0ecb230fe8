//! Ortto may answer in another order than asked: an id that the state keeps is then another person's.

use serde_json::json;

use super::{LIST, members, of, rows, run, writes};
use crate::destination::ortto;
use crate::support::fixture::API_KEY;
use crate::support::sim::{Sim, Way};

/// An export with customer ids to an account that answers in this order.
fn sim(way: Way, order: &str) -> Sim {
    let mut sim = Sim::with(way, ortto::options(&[&format!("entry-order={order}")]));
    sim.set("/exports/newsletter/match", json!({ "email": "EMail", "first_name": "FirstName", "id": "Id" }));
    sim
}

/// Persons with their ids; the first `moved` have new addresses.
fn people(count: usize, moved: usize) -> String {
    let name = |number| if number < moved { format!("new{number}") } else { format!("p{number}") };
    let all: Vec<(String, String)> = (0..count).map(|number| (name(number), format!("C{number}"))).collect();
    rows(&all.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn a_new_address_goes_to_its_own_contact_whatever_the_ids_say() {
    for (way, order) in [(Way::Tag, "shuffled"), (Way::Tag, "completion"), (Way::Flag, "shuffled")] {
        let sim = sim(way, order);
        let segment = if way == Way::Flag { "Reader" } else { LIST };
        run(&sim, &of(&sim, "a", &[(LIST, people(90, 0))])).await;
        let id = |name: &str| {
            let contents = sim.sandbox.contents();
            contents.by_email(&format!("{name}@x.example")).map(|contact| contact.id.clone()).unwrap()
        };
        let before: Vec<String> = (0..25).map(|number| id(&format!("p{number}"))).collect();
        let report = run(&sim, &of(&sim, "b", &[(LIST, people(90, 25))])).await;
        assert_eq!((report.members.address_changed, report.members.leavers), (25, 0), "{report:?}");
        let after: Vec<String> = (0..25).map(|number| id(&format!("new{number}"))).collect();
        assert_eq!(after, before, "{way:?} {order}: each stays the contact that it is");
        let expected = (0..90).map(|number| if number < 25 { format!("new{number}") } else { format!("p{number}") });
        assert_eq!(members(&sim, way, segment), expected.collect(), "{way:?} {order}");
        assert_eq!(sim.sandbox.contact_count(), 90);
        let written = writes(&sim);
        run(&sim, &of(&sim, "c", &[(LIST, people(90, 25))])).await;
        assert_eq!(writes(&sim), written, "{way:?} {order}: a second run sends nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_loses_a_mark_to_the_new_address_of_one_who_is_gone() {
    let sim = sim(Way::Tag, "shuffled");
    run(&sim, &of(&sim, "a", &[(LIST, people(60, 0))])).await;
    let id = sim.sandbox.contents().by_email("p0@x.example").map(|contact| contact.id.clone()).unwrap();
    let archive = json!({ "inclusion_ids": [id] });
    sim.sandbox.ask("PUT", "person/archive", API_KEY, archive.to_string().as_bytes()).unwrap();
    let report = run(&sim, &of(&sim, "b", &[(LIST, people(60, 1))])).await;
    let expected = (0..60).map(|number| if number == 0 { "new0".to_owned() } else { format!("p{number}") });
    assert_eq!(members(&sim, Way::Tag, LIST), expected.collect(), "{report:?}");
}
