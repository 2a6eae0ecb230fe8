//! `stop` from another terminal, on a folder as the store.

use std::path::Path;

use serde_json::Value;

use crate::cli::command::{Cli, ended, slow_at};

#[tokio::test]
async fn stop_ends_a_run_of_another_terminal_and_all_say_stopped() {
    let (cli, drop) = slow_at(6).await;
    let child = cli.start(&drop);
    cli.until_it_holds(5).await;
    let runs: Value = serde_json::from_str(&cli.run(&["runs", "--json"]).await.1).unwrap();
    let run = runs[0]["run_id"].as_str().unwrap();
    let (code, out, err) = cli.run(&["stop", run]).await;
    assert!(code == 0 && out.contains("stopped"), "{code}: {out}{err}");
    let (code, out, err) = ended(child.wait_with_output().await.unwrap());
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!((code, report["outcome"].as_str()), (130, Some("stopped")), "{err}");
    for command in [&["runs"][..], &["report", run], &["watch", run]] {
        let (code, out, err) = cli.run(command).await;
        assert!(out.contains("stopped"), "{command:?}: {code}: {out}{err}");
    }
    let (code, _, err) = cli.run(&["stop", run]).await;
    assert!(code == 0 && err.contains("has ended already: stopped"), "{code}: {err}");
    a_dead_run_is_said_to_be_dead_and_stop_ends_it(&cli, &drop).await;
}

/// Killed, so that nothing ever writes its report.
async fn a_dead_run_is_said_to_be_dead_and_stop_ends_it(cli: &Cli, drop: &Path) {
    let mut child = cli.start(drop);
    cli.until_it_holds(cli.scene.sandbox.contact_count() + 2).await;
    child.kill().await.unwrap();
    let runs: Value = serde_json::from_str(&cli.run(&["runs", "--json"]).await.1).unwrap();
    assert_eq!(runs[0]["outcome"], "interrupted");
    let run = runs[0]["run_id"].as_str().unwrap();
    for (command, exit) in [("watch", 130), ("report", 2)] {
        let (code, out, err) = cli.run(&[command, run]).await;
        let hint = format!("never reached its end, and has no report yet; autopilot-export stop {run} ends it");
        assert!(code == exit && err.contains(&hint), "{command}: {code}: {out}{err}");
    }
    // The key of the account is not needed for it.
    let (code, out, err) = ended(cli.command(&["stop", run]).env_remove("AUTOPILOT_API_KEY").output().await.unwrap());
    assert!(code == 0 && out.contains("stopped: ") && out.contains(" delivered"), "{code}: {out}{err}");
    for command in ["report", "watch"] {
        assert!(cli.run(&[command, run]).await.1.contains("stopped"), "{command}");
    }
}

#[tokio::test]
async fn a_run_that_is_not_there_cannot_be_stopped() {
    let (cli, _) = slow_at(6).await;
    for run in ["20260101T000000Z-newsletter-00000000", "newsletter"] {
        let (code, out, err) = cli.run(&["stop", run]).await;
        assert!(code == 2 && out.is_empty() && err.contains("unknown run"), "{code}: {out}{err}");
    }
    assert_eq!(cli.run(&["runs"]).await.1, "");
}
