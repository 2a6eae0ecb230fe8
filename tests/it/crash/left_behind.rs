//! What a process that was killed leaves in the store, and records that were damaged there.

use std::path::Path;
use std::time::{Duration, SystemTime};

use autopilot_export::error::{Kind, Result};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys, run_id};
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{self, Cancellation, Cleaned};
use serde_json::json;

use crate::support::fixture::{EXPORT, LIST, Scene, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// Files below a folder that hold an address.
fn with_addresses(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(with_addresses(&path));
        } else if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("@example.com") {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Dates a file 31 days back.
fn make_old(scene: &Scene, key: &str) {
    let file = std::fs::File::options().write(true).open(scene.root().join(key)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(31 * 24 * 3600)).unwrap();
}

/// Leaves what killed processes do: a file that was being written, a retry that never began, rejects of long ago.
fn leave(scene: &Scene) -> (String, String) {
    let never = run_id(jiff::Timestamp::now(), EXPORT, "never");
    scene.write(&keys::retry(&never, LIST), b"EMail\nleft.behind@example.com\n");
    scene.write(&keys::of_run(&never, ".unfinished-1-2-rejects.csv"), b"EMail\ncut.off@example.com\n");
    scene.write(&format!("runs/{EXPORT}/.unfinished-1-2-unconfirmed.ndjson"), b"cut.off@example.com");
    let old = keys::of_run(&run_id(jiff::Timestamp::UNIX_EPOCH, EXPORT, "old"), "rejects.csv");
    scene.write(&old, b"EMail\nold@example.com\n");
    make_old(scene, &old);
    let young = keys::of_run(&run_id(jiff::Timestamp::UNIX_EPOCH, EXPORT, "young"), "rejects.csv");
    scene.write(&young, b"EMail\nyoung@example.com\n");
    (old, young)
}

#[tokio::test]
async fn what_killed_runs_left_behind_is_gone_with_the_next_run() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        let (_, young) = leave(&scene);
        assert_eq!(with_addresses(&scene.root()).len(), 5);
        scene.run(&scene.drop(people(0, 3, 1))).await;
        let left = with_addresses(&scene.root());
        assert!(left.len() == 1 && left[0].ends_with(&young), "{left:?}");
    }
}

#[tokio::test]
async fn rejects_are_kept_for_as_many_days_as_rejects_days_says() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::of(way).await;
        scene.set_export("rejects_days", json!(32));
        let (old, young) = leave(&scene);
        scene.run(&scene.drop(people(0, 3, 1))).await;
        let left = with_addresses(&scene.root());
        assert!([old, young].iter().all(|key| left.iter().any(|path| path.ends_with(key))), "{left:?}");
    }
}

#[tokio::test]
async fn addresses_of_unanswered_rows_expire_as_rejects_do() {
    let scene = Scene::new(Options::default()).await;
    let key = keys::unconfirmed(EXPORT);
    scene.write(&key, b"{\"k\":\"00\",\"e\":\"sent@example.com\"}\n");
    let clean = async || steps::clean(&scene.immortal(), Some("eu"), EXPORT, Some(30)).await.unwrap();
    assert_eq!(clean().await, Cleaned::Done(0, None));
    make_old(&scene, &key);
    assert_eq!(clean().await, Cleaned::Done(1, None));
    assert!(with_addresses(&scene.root()).is_empty());
}

#[tokio::test]
async fn runs_clean_removes_all_but_what_an_unfinished_run_needs() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        leave(&scene);
        let request = scene.drop(people(0, 3, 1));
        let world = scene.immortal();
        steps::prepare(&world, &scene.config, &request).await.unwrap();
        drop(world);
        leave(&scene);
        let world = scene.immortal();
        let cleaned = steps::clean(&world, Some("eu"), EXPORT, Some(30)).await.unwrap();
        let Cleaned::Done(removed, Some(kept)) = cleaned else { panic!("{cleaned:?}") };
        assert_eq!((removed, kept.as_str()), (2, request.run_id.as_str()));
        let left = with_addresses(&scene.root());
        assert!(left.iter().all(|path| path.contains(&kept) || path.ends_with("rejects.csv")), "{left:?}");
        drop(world);
        let report = scene.run(&request).await;
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 3), "{report:?}");
    }
}

async fn run(sim: &Sim, request: &RunRequest) -> Result<Report> {
    steps::run(&sim.world(&Kill::never()), &sim.config, request, &Cancellation::default()).await
}

#[tokio::test(start_paused = true)]
async fn a_damaged_order_or_unconfirmed_file_says_what_to_do() {
    for way in Way::DESTINATIONS {
        for (key, says) in [(keys::order(EXPORT, LIST), "remove it"), (keys::unconfirmed(EXPORT), "taken off by hand")]
        {
            let sim = Sim::of(way, 1);
            run(&sim, &sim.drop("first", &people(0, 20, 1))).await.unwrap();
            sim.store.write(&key, b"\0\0\0".as_slice());
            let second = sim.drop("second", &people(5, 20, 1));
            let report = run(&sim, &second).await.unwrap();
            let error = report.error.unwrap();
            assert!(error.kind == Kind::Config && error.message.contains(says), "{error:?}");
            let full = RunRequest { full: true, ..sim.drop("third", &people(5, 20, 1)) };
            let report = run(&sim, &full).await.unwrap();
            assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_gone_while_a_run_is_unfinished_is_an_error() {
    for way in Way::DESTINATIONS {
        let sim = Sim::of(way, 1);
        run(&sim, &sim.drop("first", &people(0, 20, 1))).await.unwrap();
        let state = sim.store.body(&keys::profiles(EXPORT)).unwrap();
        let request = sim.drop("second", &people(0, 30, 1));
        let world = sim.world(&Kill::never());
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        steps::open(&world, &sim.config, &request).await.unwrap();
        use autopilot_export::ports::Store;
        sim.store.delete(&keys::profiles(EXPORT)).await.unwrap();
        let error = steps::finish(&world, &sim.config, &request, None).await.unwrap_err();
        assert!(error.kind == Kind::Config && error.to_string().contains("is missing"), "{error}");
        assert_eq!(sim.store.body(&keys::profiles(EXPORT)), None, "no empty state took its place");
        sim.store.write(&keys::profiles(EXPORT), state);
        steps::finish(&world, &sim.config, &request, None).await.unwrap();
        assert_eq!(sim.state().len(), 20, "what was there before");
    }
}
