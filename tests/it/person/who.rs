//! `person`: which exports hold somebody, and what the account has now.

use autopilot_export::sandbox::Options;
use autopilot_export::steps::person::{Sought, ask_accounts, holdings};
use serde_json::{Value, json};

use super::drop;
use crate::cli::command::Cli;
use crate::support::fixture::{Scene, people};
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
