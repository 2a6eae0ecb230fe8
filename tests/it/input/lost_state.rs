//! A state that was lost is an error before anything is written: without it everybody is sent again, and leavers stay on the list.

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::keys;
use autopilot_export::sandbox::{Fault, Options};
use serde_json::json;

use crate::cli::command::Cli;
use crate::support::fixture::{EXPORT, LIST, Scene, people};

fn lose_state(scene: &Scene) {
    std::fs::remove_dir_all(scene.root().join("state").join(EXPORT)).unwrap();
}

fn message(report: &Report) -> &str {
    report.error.as_ref().map_or("", |error| &error.message)
}

#[tokio::test]
async fn a_state_that_is_gone_is_an_error_with_its_remedies() {
    let scene = Scene::new(Options::default()).await;
    scene.run(&scene.drop(people(0, 6, 1))).await;
    lose_state(&scene);
    let report = scene.run(&scene.drop(people(2, 6, 1))).await;
    assert_eq!((report.outcome, report.requests.total), (Outcome::Failed, 0), "{report:?}");
    let store = scene.root().display().to_string();
    for part in [store.as_str(), "--store", "reconcile newsletter --adopt", "--full"] {
        assert!(message(&report).contains(part), "{part}: {}", message(&report));
    }
    assert_eq!(report.error.as_ref().unwrap().kind.exit_code(), 2);
    let mut full = scene.drop(people(2, 6, 1));
    full.full = true;
    let report = scene.run(&full).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 4), "{report:?}");
    let report = scene.run(&scene.drop(people(2, 6, 1))).await;
    assert_eq!(report.outcome, Outcome::NothingToDo, "{report:?}");
}

#[tokio::test]
async fn a_list_with_members_and_no_state_is_an_error() {
    let scene = Scene::new(Options::default()).await;
    scene.run(&scene.drop(people(0, 3, 1))).await;
    // Another store, as one that was mistyped.
    std::fs::remove_dir_all(scene.root().join("state")).unwrap();
    std::fs::remove_dir_all(scene.root().join("runs")).unwrap();
    let before = scene.sandbox.counters().writes;
    let report = scene.run(&scene.drop(people(0, 4, 1))).await;
    assert_eq!((report.outcome, scene.sandbox.counters().writes), (Outcome::Failed, before), "{report:?}");
    assert!(message(&report).contains("has members already") && message(&report).contains("--full"), "{report:?}");
    let mut full = scene.drop(people(0, 4, 1));
    full.full = true;
    assert_eq!(scene.run(&full).await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_damaged_report_stops_neither_runs_nor_the_next_run() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.run(&cli.scene.drop(people(0, 3, 1))).await;
    cli.scene.write(&keys::of_run(&first.run_id, "report.json"), b"{");
    let second = cli.scene.run(&cli.scene.drop(people(0, 3, 2))).await;
    assert_eq!(second.rows.delivered, 3, "{second:?}");
    let (code, out, err) = cli.run(&["runs"]).await;
    assert!(code == 0 && out.contains(&second.run_id) && out.contains(&first.run_id), "{code}: {out}{err}");
    // Where the state is gone, the report that is whole still tells.
    lose_state(&cli.scene);
    let report = cli.scene.run(&cli.scene.drop(people(0, 3, 3))).await;
    assert!(report.outcome == Outcome::Failed && message(&report).contains(&second.run_id), "{report:?}");
}

#[tokio::test]
async fn runs_that_confirmed_nothing_leave_no_state_to_lose() {
    let scene = Scene::new(Options { faults: Fault::parse_list("401:1").unwrap(), ..Options::default() }).await;
    let report = scene.run(&scene.drop(people(0, 3, 1))).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Failed, 0));
    scene.sandbox.clear_faults();
    let report = scene.run(&scene.drop(people(0, 3, 1))).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
}

#[tokio::test]
async fn a_segment_that_is_new_to_its_export_has_lost_no_state() {
    let mut scene = Scene::new(Options::default()).await;
    scene.run(&scene.drop(people(0, 3, 1))).await;
    scene.set_export(
        "segments",
        json!([
            { "name": LIST, "prefix": "segments/newsletter/" },
            { "name": "VIP", "prefix": "segments/vip/" }
        ]),
    );
    let mut request = scene.drop(people(1, 3, 1));
    request.drops[0].segment = "VIP".into();
    let report = scene.run(&request).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 2), "{report:?}");
    assert_eq!(report.confirmed, [("VIP".to_owned(), 2)].into());
}

#[tokio::test]
async fn the_command_line_names_its_store_and_refuses_a_mistyped_one() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 3, 1).as_bytes());
    let drop = drop.to_str().unwrap();
    let (code, _, err) = cli.run(&["run", EXPORT, drop]).await;
    let first = err.lines().next().unwrap_or_default();
    assert_eq!((code, first), (0, format!("store: {}", cli.scene.root().display()).as_str()), "{err}");
    for store in ["s3:/bucket", "S3:bucket", "s3://", ""] {
        let (code, _, err) = cli.run_in(store, &["run", EXPORT, drop]).await;
        assert!(code == 2 && err.contains("s3://BUCKET"), "{store}: {code}: {err}");
    }
}

#[tokio::test]
async fn rejects_are_an_exit_of_1_unless_they_are_allowed() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", (people(0, 3, 1) + "a b,A,1\n").as_bytes());
    for (args, expected) in [(&[][..], 1), (&[][..], 1), (&["--allow-rejects"][..], 0)] {
        let (code, out, _) = cli.run(&[&["run", EXPORT, drop.to_str().unwrap(), "--json"], args].concat()).await;
        assert!(code == expected && out.contains("succeeded_with_rejects"), "{args:?}: {code}: {out}");
    }
    // What else there is to report stays.
    let gone = cli.scene.file("gone.csv", b"EMail,FirstName,Value\n");
    let (code, _, _) = cli.run(&["run", EXPORT, gone.to_str().unwrap(), "--allow-rejects"]).await;
    assert_eq!(code, 4);
}

#[tokio::test]
async fn runs_calls_a_run_interrupted_that_never_reached_its_end() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let scene = &cli.scene;
    let request = scene.drop(people(0, 20, 1));
    let kill = crate::support::kill::Kill::new(6, true);
    let world = scene.world(kill.clone(), crate::support::kill::Kill::never());
    tokio::select! {
        () = kill.reached() => {}
        done = scene.run_in(&world, &request) => panic!("never came there: {done:?}"),
    }
    let at_work = cli.run(&["runs"]).await.1;
    drop(world);
    let died = cli.run(&["runs"]).await.1;
    scene.run(&scene.drop(people(0, 21, 1))).await;
    assert!(scene.root().join(keys::of_run(&request.run_id, "report.json")).exists());
    let finished = cli.run(&["runs", EXPORT]).await.1;
    assert!(at_work.contains("unfinished") && !at_work.contains("interrupted"), "{at_work}");
    for shown in [died, finished] {
        let line = shown.lines().find(|line| line.contains(&request.run_id)).unwrap_or_default();
        assert!(line.contains("interrupted"), "{shown}");
    }
    assert_eq!(scene.members().len(), 21);
}
