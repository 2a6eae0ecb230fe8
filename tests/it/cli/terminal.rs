//! What people see on a terminal: status, runs, reports, colours, completions and manual pages.

use std::path::{Path, PathBuf};

use autopilot_export::sandbox::Options;
use serde_json::{Value, json};

use super::command::Cli;
use super::init::run_in;
use crate::support::fixture::{API_KEY, Scene, people};

async fn after_a_run() -> (Cli, String) {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("schedule", json!("cron(0 6 * * ? *)"));
    scene.set_connection("display_name", json!("EU marketing"));
    let cli = Cli::new(scene);
    let drop = cli.scene.file("members.csv", (people(0, 4, 1) + "no address,Ana,1\n").as_bytes());
    let run = cli.export(&drop).await.1["run_id"].as_str().unwrap().to_owned();
    (cli, run)
}

#[tokio::test]
async fn status_has_a_line_for_each_export() {
    let (cli, run) = after_a_run().await;
    let (code, out, err) = cli.run(&["status"]).await;
    assert_eq!((code, out.lines().count()), (0, 1), "{out}{err}");
    for part in ["newsletter", "eu (EU marketing)", "Autopilot", "succeeded_with_rejects", "  4  ", "06:00 UTC"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (_, out, _) = cli.run(&["status", "--json"]).await;
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&status[0]["last_run"], &status[0]["members"]), (&json!(run), &json!(4)));
}

#[tokio::test]
async fn runs_are_newest_first_with_their_dates() {
    let (cli, first) = after_a_run().await;
    let drop = cli.scene.file("members.csv", people(0, 6, 1).as_bytes());
    let (_, out, err) = cli.run(&["run", "newsletter", drop.to_str().unwrap(), "--json"]).await;
    let second = serde_json::from_str::<Value>(&out).unwrap()["run_id"].as_str().unwrap().to_owned();
    assert!(err.contains("store: ") && err.contains(&format!("run: {second}")), "{err}");
    let (_, out, err) = cli.run(&["runs"]).await;
    let lines: Vec<&str> = out.lines().collect();
    // The header is not among what scripts read.
    assert!(err.starts_with("run, newest first") && lines.len() == 2, "{err}{out}");
    // Whatever their ids are, which name the second only.
    let ids = [second.as_str(), first.as_str()];
    assert!(lines.iter().zip(ids).all(|(line, id)| line.starts_with(id) && line.ends_with("UTC")), "{out}");
    for args in [&["report", "latest"][..], &["report", "latest", "newsletter"]] {
        let (code, out, _) = cli.run(args).await;
        assert!(code == 0 && out.contains(ids[0]), "{out}");
    }
    assert_eq!(cli.run(&["report", "latest", "other"]).await.0, 2);
}

#[tokio::test]
async fn the_paths_of_rejects_and_page_can_be_opened_from_here() {
    let (cli, run) = after_a_run().await;
    let (_, out, _) = cli.run(&["report", "latest"]).await;
    let path =
        out.lines().find_map(|line| line.trim().strip_prefix("in ").filter(|path| path.ends_with("rejects.csv")));
    assert!(path.is_some_and(|path| Path::new(path).is_file()), "{out}");
    let store = cli.scene.root().display().to_string();
    assert!(out.contains(&format!("--store {store} retry {run}")), "{out}");
    let (code, out, err) = cli.run(&["retry", "latest", "newsletter"]).await;
    let page = err.lines().find_map(|line| line.strip_prefix("page: "));
    assert!(code == 1 && out.contains("1 read"), "{out}{err}");
    assert!(page.is_some_and(|path| path.ends_with("report.html") && Path::new(path).is_file()), "{err}");
    assert_eq!(cli.run(&["retry", "latest", "other"]).await.0, 2);
}

#[tokio::test]
async fn quiet_leaves_results_and_errors_alone() {
    let (cli, _) = after_a_run().await;
    let drop = cli.scene.file("members.csv", people(0, 9, 1).as_bytes());
    let (code, out, err) = cli.run(&["run", "newsletter", drop.to_str().unwrap(), "--quiet"]).await;
    assert!(code == 0 && err.is_empty() && out.contains("9 read"), "{out}{err}");
    let (code, _, err) = cli.run(&["run", "newsletter", "nowhere.csv", "-q"]).await;
    assert!(code == 2 && err.contains("cannot be found"), "{err}");
}

#[tokio::test]
async fn verbose_logs_steps_requests_and_leases_and_no_person() {
    let (cli, _) = after_a_run().await;
    let drop = cli.scene.file("members.csv", people(0, 9, 1).as_bytes());
    let (code, _, err) = cli.run(&["run", "newsletter", drop.to_str().unwrap(), "-v"]).await;
    for part in ["prepare: ", "open: ", "deliver: ", "finish: ", "kind=", "the lease is taken"] {
        assert!(code == 0 && err.contains(part), "{part}: {err}");
    }
    assert!(!err.contains("person.") && !err.contains("Ana") && !err.contains(API_KEY), "{err}");
}

#[tokio::test]
async fn colour_is_for_terminals_or_on_request() {
    let (cli, _) = after_a_run().await;
    for (args, is_coloured) in [(&["report", "latest"][..], false), (&["report", "latest", "--color", "always"], true)]
    {
        let (_, out, _) = cli.run(args).await;
        assert_eq!(out.contains("\u{1b}["), is_coloured, "{out}");
        assert!(out.contains("succeeded_with_rejects"), "the word is there in any case");
    }
    let (_, out, _) = cli.run(&["report", "latest", "--color", "always", "--json"]).await;
    assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
}

#[tokio::test]
async fn completions_and_manual_pages_name_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let commands = ["init", "run", "plan", "retry", "status", "runs", "report", "explain", "completions"];
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run_in(folder.path(), &["completions", shell]).await;
        assert!(code == 0 && commands.iter().all(|command| out.contains(command)), "{shell}: {out}");
        assert!(out.contains("pass-guard"), "{shell}");
    }
    let (code, out, err) = run_in(folder.path(), &["man"]).await;
    assert!(
        code == 0 && out.contains(".TH autopilot-export") && commands.iter().all(|name| out.contains(name)),
        "{err}{out}"
    );
    let (code, out, _) = run_in(folder.path(), &["man", "plan"]).await;
    assert!(code == 0 && out.contains("autopilot") && out.contains("rejects"), "{out}");
    assert_eq!(run_in(folder.path(), &["man", "pla"]).await.0, 2);
    assert_eq!(run_in(folder.path(), &["man", "--out", "pages"]).await.0, 0);
    let page = |name: &str| -> PathBuf { folder.path().join("pages").join(name) };
    assert!(page("autopilot-export.1").is_file() && page("autopilot-export-run.1").is_file());
}

// A shell looks up what a script sets: with the program's name, or it completes nothing behind a command.
#[tokio::test]
async fn bash_completes_the_options_of_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let (_, script, _) = run_in(folder.path(), &["completions", "bash"]).await;
    let words =
        "COMP_WORDS=(autopilot-export plan --rej); COMP_CWORD=2; _autopilot__export autopilot-export --rej plan";
    let bash = tokio::process::Command::new("bash")
        .arg("-c")
        .arg(format!("{script}\n{words}; echo \"${{COMPREPLY[@]}}\""))
        .output();
    let output = bash.await.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "--rejects", "{err}");
}

#[tokio::test]
async fn a_typo_or_a_missing_key_makes_no_failed_run() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 3, 1).as_bytes());
    let args = ["run", "newsletter", drop.to_str().unwrap()];
    let (code, _, err) = cli.run(&[&args[..], &["--pass-guard", "max_leaver_share"]].concat()).await;
    assert!(code == 2 && err.contains("unknown guard"), "{code}: {err}");
    let output = cli.command(&args).env_remove("AUTOPILOT_API_KEY").output().await.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && err.contains("the key is missing"), "{err}");
    let (_, _, err) = cli.run(&["runs"]).await;
    assert!(err.contains("no runs yet"), "{err}");
    let (code, _, _) = cli.run(&args).await;
    assert_eq!((code, cli.run(&["watch", "latest"]).await.0), (0, 0));
}
