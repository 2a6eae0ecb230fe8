//! `reconcile` as a person uses it.

use std::time::Duration;

use autopilot_export::run::keys;
use autopilot_export::sandbox::Options;
use serde_json::Value;

use crate::cli::command::Cli;
use crate::support::fixture::{API_KEY, EXPORT, LIST, Scene, people};

#[tokio::test]
async fn reconcile_tells_by_its_exit_and_repairs_when_asked() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 20, 1).as_bytes());
    let drop = drop.to_str().unwrap();
    let (code, _, err) = cli.run(&["run", EXPORT, drop]).await;
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = cli.run(&["reconcile", EXPORT]).await;
    assert!(code == 0 && out.contains("20 members, 20 there, 0 missing"), "{code}: {out}{err}");
    assert!(err.contains("1 pages of people are asked for, which takes about 1 s"), "{err}");
    let list = cli.scene.sandbox.contents().lists[0].id.clone();
    let path = format!("list/{list}/contact/person.3@example.com");
    assert_eq!(cli.scene.sandbox.ask("DELETE", &path, API_KEY, b"").unwrap().0, 200);
    let (code, out, err) = cli.run(&["reconcile", EXPORT, "--json", "--segment", LIST]).await;
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{err}"));
    assert_eq!(
        (code, &report["outcome"], &report["reconciled"][0]["missing"]),
        (1, &"differences_found".into(), &1.into())
    );
    let run = report["run_id"].as_str().unwrap();
    let rows = cli.scene.root().join(format!("runs/{EXPORT}/{run}/differences.csv"));
    assert!(std::fs::read_to_string(&rows).unwrap().contains("Newsletter,missing,person.3@example.com,person_"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&rows).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for args in [&["runs", EXPORT][..], &["report", run], &["report", run, "--html"]] {
        let (code, out, err) = cli.run(args).await;
        assert!(code == 0 && out.contains("differences"), "{args:?}: {code}: {out}{err}");
        assert!(!out.contains("person.3@"), "{args:?}");
    }
    // There is no drop in the store, and none is named.
    let (code, _, err) = cli.run(&["reconcile", EXPORT, "--repair"]).await;
    assert!(code == 2 && err.contains("no drop"), "{code}: {err}");
    let (code, out, err) = cli.run(&["reconcile", EXPORT, drop, "--repair"]).await;
    assert!(code == 0 && out.contains("1 joiner"), "{code}: {out}{err}");
    let (code, out, err) = cli.run(&["reconcile", EXPORT]).await;
    assert!(code == 0 && out.contains("0 missing"), "{code}: {out}{err}");
    for (args, exit) in [(&["--segment", "None"][..], 2), (&["--adopt", "--repair"], 2), (&[drop], 2)] {
        let (code, _, err) = cli.run(&[&["reconcile", EXPORT], args].concat()).await;
        assert_eq!(code, exit, "{args:?}: {err}");
    }
}

#[tokio::test]
async fn a_killed_reconcile_goes_on_where_it_was() {
    let mut cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 2000, 1).as_bytes());
    let (code, _, err) = cli.run(&["run", EXPORT, drop.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{err}");
    cli.scene.set_connection("requests_per_second", 4.into());
    let cli = Cli::new(cli.scene);
    let folder = cli.scene.root().join(format!("runs/{EXPORT}"));
    let parts = || {
        let runs = std::fs::read_dir(&folder).unwrap();
        let files = runs.filter_map(|run| std::fs::read_dir(run.ok()?.path().join("census")).ok()).flatten();
        files.filter(|file| keys::is_answers(&file.as_ref().unwrap().file_name().to_string_lossy())).count()
    };
    let requests = || cli.scene.sandbox.counters().requests;
    let mut child = cli.command(&["reconcile", EXPORT]).spawn().unwrap();
    for _ in 0..300 {
        if parts() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().await.unwrap();
    assert!(parts() >= 2, "it was killed in the midst of it");
    let before = requests();
    let (code, out, err) = cli.run(&["reconcile", EXPORT]).await;
    assert!(code == 0 && out.contains("2000 members, 2000 there"), "{code}: {out}{err}");
    assert!(err.contains("goes on where it was"), "{err}");
    // Of the 20 pages, and who the account is.
    assert!(requests() - before < 20, "{}", requests() - before);
    assert_eq!(parts(), 0);
}
