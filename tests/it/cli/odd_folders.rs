//! Folders and files as no exporter writes them: links, and times that cannot be.

use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{AppliedDrop, RunRequest, Trigger, keys};
use autopilot_export::sandbox::Options;

use crate::support::fixture::{EXPORT, LIST, Scene, people};

const DROP: &str = "segments/newsletter/drop.csv";

async fn newest(scene: &Scene) -> Report {
    scene.run(&RunRequest { drops: Vec::new(), ..scene.request("", Trigger::Schedule) }).await
}

fn order(scene: &Scene) -> AppliedDrop {
    let order = std::fs::read(scene.root().join(keys::order(EXPORT, LIST))).unwrap();
    serde_json::from_slice(&order).unwrap()
}

fn days(days: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * days)
}

#[tokio::test]
async fn a_drop_dated_in_the_future_keeps_no_later_one_out() {
    let scene = Scene::new(Options::default()).await;
    scene.write(DROP, people(0, 3, 1).as_bytes());
    let file = std::fs::File::options().write(true).open(scene.root().join(DROP)).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(3 * 24 * 3600)).unwrap();
    let report = newest(&scene).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 3), "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.contains("in the future")), "{report:?}");
    assert!(order(&scene).time < jiff::Timestamp::now() + days(1));
    scene.write(DROP, people(0, 5, 1).as_bytes());
    let report = newest(&scene).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 2), "{report:?}");
    assert!(report.warnings.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_clock_that_was_ahead_between_runs_keeps_no_drop_out() {
    let scene = Scene::new(Options::default()).await;
    scene.write(DROP, people(0, 3, 1).as_bytes());
    newest(&scene).await;
    let ahead = AppliedDrop { time: jiff::Timestamp::now() + days(400), ..order(&scene) };
    scene.write(&keys::order(EXPORT, LIST), &serde_json::to_vec(&ahead).unwrap());
    scene.write(DROP, people(0, 5, 1).as_bytes());
    let report = newest(&scene).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 2), "{report:?}");
    assert!(order(&scene).time < jiff::Timestamp::now() + days(1));
}

#[tokio::test]
async fn a_link_out_of_a_drops_folder_or_nowhere_is_an_error() {
    let scene = Scene::new(Options::default()).await;
    scene.write(DROP, people(0, 3, 1).as_bytes());
    let folder = scene.root().join("segments/newsletter");
    symlink(&folder, folder.join("loop")).unwrap();
    symlink("../newsletter", folder.join("again")).unwrap();
    assert_eq!(newest(&scene).await.rows.delivered, 3);
    let outside = scene.file("elsewhere.csv", people(0, 9, 1).as_bytes());
    for (to, what) in
        [(outside, "zz.csv is a link out of it"), ("gone.csv".into(), "zz.csv is a link that leads nowhere")]
    {
        symlink(to, folder.join("zz.csv")).unwrap();
        let report = newest(&scene).await;
        let message = report.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
        assert!(message.contains(what), "{report:?}");
        assert_eq!(scene.members().len(), 3, "nobody was sent or taken off");
        std::fs::remove_file(folder.join("zz.csv")).unwrap();
    }
}
