//! `person`: which exports hold somebody, and what the account has now.

use autopilot_export::sandbox::{Options, OrttoOptions};
use autopilot_export::steps::person::{Sought, ask_accounts, erase, holdings};
use serde_json::{Value, json};

use super::drop;
use crate::cli::command::Cli;
use crate::destination::ortto;
use crate::support::fixture::{API_KEY, LIST, Scene, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

#[tokio::test(start_paused = true)]
async fn person_says_what_is_held_and_what_is_there() {
    for way in Way::ALL {
        let sim = Sim::of(way, 1);
        drop(&sim, "first", &people(0, 5, 1)).await;
        drop(&sim, "second", &people(0, 4, 1)).await;
        let world = sim.world(&Kill::never());
        for (email, member) in [("Person.1@example.com", true), ("person.4@example.com", false)] {
            let sought = Sought::read(email).unwrap();
            let mut held = holdings(&world, &sim.config, &sought).await.unwrap();
            assert_eq!((held.len(), held[0].held, &*held[0].export), (1, member, "newsletter"), "{way:?}");
            assert_eq!(held[0].segments[0].member, if member { "yes" } else { "no" }, "{way:?}");
            assert!(held[0].segments[0].as_of.is_some() && held[0].fields_confirmed == member, "{way:?}");
            let there = ask_accounts(&world, &sim.config, &mut held, &sought).await.unwrap();
            assert_eq!(held[0].segments[0].marked_there, Some(member), "{way:?} {email}");
            let contact = sim.sandbox.contents().by_email(email).unwrap().id.clone();
            assert_eq!(there[0].contact_id, Some(contact), "{way:?}");
        }
        let nobody = Sought::read("nobody@example.com").unwrap();
        let mut held = holdings(&world, &sim.config, &nobody).await.unwrap();
        assert_eq!(ask_accounts(&world, &sim.config, &mut held, &nobody).await.unwrap()[0].contact_id, None, "{way:?}");
    }
}

#[tokio::test]
async fn person_is_a_command_with_and_without_a_network() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.file("first.csv", people(0, 5, 1).as_bytes());
    assert_eq!(cli.export(&first).await.0, 0);
    let (code, out, err) = cli.run(&["person", "person.1@example.com"]).await;
    assert!(code == 0 && out.contains("newsletter: holds the person, delivered, contact person_"), "{out}{err}");
    assert!(out.contains("a member, marked in the account"), "{out}");
    let requests = cli.scene.sandbox.counters().requests;
    let (code, out, err) = cli.run(&["person", "person.1@example.com", "--offline", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!((code, &shown["exports"][0]["held"], &shown["accounts"]), (0, &json!(true), &Value::Null), "{shown}");
    assert_eq!(cli.scene.sandbox.counters().requests, requests);
    let (code, _, err) = cli.run(&["person", "no address"]).await;
    assert_eq!(code, 2, "{err}");
}

#[tokio::test]
async fn erase_is_confirmed_by_the_address() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.file("first.csv", people(0, 5, 1).as_bytes());
    assert_eq!(cli.export(&first).await.0, 0);
    for args in [&["erase", "person.1@example.com"][..], &["erase", "person.1@example.com", "--yes", "a@b.example"]] {
        let (code, _, err) = cli.run(args).await;
        assert!(code == 2 && err.contains("nothing was done") && !err.contains("person.1"), "{err}");
    }
    assert!(cli.scene.members().contains("person.1@example.com"));
    let (code, out, err) = cli.run(&["erase", "person.1@example.com", "--yes", "Person.1@example.com"]).await;
    assert!(code == 0 && out.contains("newsletter") && !out.contains("person.1"), "{out}{err}");
    assert!(!cli.scene.members().contains("person.1@example.com"));
    assert!(cli.scene.emails().contains("person.1@example.com"));
    let (_, report) = cli.export(&first).await;
    assert_eq!(report["rows"]["suppressed"], 1, "{report}");
    assert!(!cli.scene.members().contains("person.1@example.com"));
}

#[tokio::test]
async fn erase_says_whom_it_did_not_find_in_the_account() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.file("first.csv", people(0, 5, 1).as_bytes());
    assert_eq!(cli.export(&first).await.0, 0);
    let id = cli.scene.sandbox.contents().by_email("person.1@example.com").unwrap().id.clone();
    cli.scene.sandbox.ask("DELETE", &format!("/contact/{id}"), API_KEY, b"").unwrap();
    let erase = ["erase", "person.1@example.com", "--yes", "person.1@example.com", "--delete-contact"];
    let (code, out, err) = cli.run(&erase).await;
    assert!(code == 0 && out.contains("off nothing, as nobody with this address was found there"), "{out}{err}");
    assert!(out.contains(&format!("the contact {id} was not found under this address")), "{out}");
    assert!(out.contains("contacts deleted: 0") && !out.contains("off list"), "{out}");
}

/// A contact whose address somebody spelled otherwise in an account that compares addresses with their case.
#[tokio::test(start_paused = true)]
async fn a_contact_in_capitals_is_found_by_the_id_of_the_state() {
    for way in [Way::Tag, Way::Flag] {
        for (assumed, is_archived, deletes) in [
            (&["folds-filter-case=false"][..], false, false),
            (&["folds-filter-case=false"], false, true),
            (&["folds-filter-case=false", "folds-email-case=false"], false, false),
            (&["folds-filter-case=false", "folds-email-case=false"], false, true),
            (&["folds-filter-case=false", "archived-by-id=true"], true, true),
            (&["folds-filter-case=false", "archived-by-id=true"], true, false),
        ] {
            let options = OrttoOptions::parse(assumed.iter().copied()).unwrap().into();
            let sim = Sim::with(way, options);
            drop(&sim, "first", &people(0, 5, 1)).await;
            let id = sim.sandbox.contents().by_email("person.1@example.com").unwrap().id.clone();
            spell(&sim, &id, "Person.1@EXAMPLE.com");
            if is_archived {
                let body = json!({ "inclusion_ids": [id] }).to_string();
                sim.sandbox.ask("PUT", "/person/archive", API_KEY, body.as_bytes()).unwrap();
            }
            let place = format!("{way:?} {assumed:?} {is_archived} {deletes}");
            let (world, sought) = (sim.world(&Kill::never()), Sought::read("person.1@example.com").unwrap());
            let mut held = holdings(&world, &sim.config, &sought).await.unwrap();
            let there = ask_accounts(&world, &sim.config, &mut held, &sought).await.unwrap();
            let found = there[0].contact_id.as_ref();
            assert_eq!(found, (!is_archived).then_some(&id), "{place}");
            assert_eq!(held[0].segments[0].marked_there, Some(!is_archived), "{place}");
            let receipt = erase(&world, &sim.config, &sought, deletes).await.unwrap();
            assert_eq!(receipt.contacts_deleted, deletes.then_some(1), "{place}");
            let off = &receipt.taken_off[0];
            assert_eq!((off.contacts_found, off.marks.len()), if is_archived { (0, 0) } else { (1, 1) }, "{place}");
            let not_found = if is_archived && !deletes { vec![id.clone()] } else { Vec::new() };
            assert_eq!(off.contacts_not_found, not_found, "{place}");
            let contents = sim.sandbox.contents();
            let left = contents.contacts.iter().find(|contact| contact.id == id);
            assert_eq!(left.is_some(), !deletes, "{place}");
            let is_flagged = left.is_some_and(|left| left.custom.get("Reader") == Some(&json!(true)));
            let is_tagged = contents.members(LIST).iter().any(|member| member.to_lowercase().contains("person.1@"));
            assert!(is_archived || !is_flagged && !is_tagged, "{place}");
            assert_eq!(contents.contacts.len(), if deletes { 4 } else { 5 }, "{place}: nobody was made");
        }
    }
}

/// A contact of the state that has another address in the account may be somebody else's.
#[tokio::test(start_paused = true)]
async fn erase_leaves_a_contact_with_another_address_and_says_so() {
    let sim = Sim::of(Way::Tag, 1);
    drop(&sim, "first", &people(0, 5, 1)).await;
    let id = sim.sandbox.contents().by_email("person.1@example.com").unwrap().id.clone();
    spell(&sim, &id, "another@example.com");
    let before = sim.sandbox.contents();
    let (world, sought) = (sim.world(&Kill::never()), Sought::read("person.1@example.com").unwrap());
    let receipt = erase(&world, &sim.config, &sought, true).await.unwrap();
    let off = &receipt.taken_off[0];
    assert_eq!((off.contacts_found, off.marks.len(), &off.contacts_not_found), (0, 0, &vec![id]));
    assert_eq!(receipt.contacts_deleted, Some(0));
    assert_eq!(sim.sandbox.contents(), before);
}

/// Gives a person another address by hand.
fn spell(sim: &Sim, id: &str, email: &str) {
    let person = json!({ "fields": { "str::person_id": id, "str::email": email } });
    let body = json!({ "people": [person], "async": false, "merge_by": ["str::person_id"] }).to_string();
    let (status, answer) = sim.sandbox.ask("POST", "/person/merge", API_KEY, body.as_bytes()).unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    assert!(sim.sandbox.contents().by_email(email).is_some());
}

/// Where answers come in another order than asked, the state has ids of other people.
#[tokio::test(start_paused = true)]
async fn nobody_elses_contact_is_named_beside_one_that_was_found() {
    let sim = ortto::sim(&["entry-order=shuffled"]);
    drop(&sim, "first", &people(0, 30, 1)).await;
    let world = sim.world(&Kill::never());
    for number in 0..10 {
        let email = format!("person.{number}@example.com");
        let (id, sought) = (sim.sandbox.contents().by_email(&email).unwrap().id.clone(), Sought::read(&email).unwrap());
        let mut held = holdings(&world, &sim.config, &sought).await.unwrap();
        let there = ask_accounts(&world, &sim.config, &mut held, &sought).await.unwrap();
        assert_eq!((&held[0].contact_id, &there[0].contact_id), (&Some(id.clone()), &Some(id)), "{email}");
        let receipt = erase(&world, &sim.config, &sought, true).await.unwrap();
        let off = &receipt.taken_off[0];
        assert_eq!((off.contacts_found, off.contacts_not_found.len()), (1, 0), "{email}");
        assert_eq!(receipt.contacts_deleted, Some(1), "{email}");
    }
    assert_eq!(sim.sandbox.contents().members(LIST).len(), 20);
}
