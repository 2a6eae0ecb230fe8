//! The command line as people and scripts use it: the program itself, against a sandbox.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use autopilot_export::adapters::local::FileLeases;
use autopilot_export::ports::Leases;
use autopilot_export::run::{RunRecord, Trigger, keys};
use autopilot_export::sandbox::{Fault, Options};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::support::fixture::{API_KEY, Scene, people};

pub(crate) struct Cli {
    pub(crate) scene: Scene,
    config: PathBuf,
}

impl Cli {
    pub(crate) fn new(scene: Scene) -> Self {
        let config = scene.file("exports.json", scene.settings.to_string().as_bytes());
        Self { scene, config }
    }

    /// With a configuration that is written already.
    pub(crate) fn with_config(scene: Scene, config: PathBuf) -> Self {
        Self { scene, config }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Command::new(env!("CARGO_BIN_EXE_autopilot-export")), args)
    }

    fn command_of(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).arg("--config").arg(&self.config).arg("--store").arg(self.scene.root());
        command.env("AUTOPILOT_API_KEY", API_KEY).env_remove("RUST_LOG").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, args: &[&str]) -> (i32, String, String) {
        ended(self.command(args).output().await.unwrap())
    }

    /// The same with another store.
    pub(crate) async fn run_in(&self, store: &str, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
        command.args(args).arg("--config").arg(&self.config).arg("--store").arg(store);
        command.env("AUTOPILOT_API_KEY", API_KEY).env_remove("RUST_LOG").kill_on_drop(true).stdin(Stdio::null());
        ended(command.output().await.unwrap())
    }

    /// Runs the export on a drop; the report.
    pub(crate) async fn export(&self, drop: &Path) -> (i32, Value) {
        let (code, out, err) = self.run(&["run", "newsletter", "--json", "--drop", drop.to_str().unwrap()]).await;
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}\n{err}")))
    }

    pub(crate) fn start(&self, drop: &Path) -> Child {
        self.command(&["run", "newsletter", "--json", "--drop", drop.to_str().unwrap()]).spawn().unwrap()
    }

    /// Waits until the sandbox holds this many contacts.
    pub(crate) async fn until_it_holds(&self, contacts: usize) {
        for _ in 0..1000 {
            if self.scene.sandbox.contact_count() >= contacts {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the run never got so far");
    }
}

pub(crate) fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn run_json_prints_the_report_alone_and_exits_1_with_rejects() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", (people(0, 9, 1) + "no address,Ana,1\n").as_bytes());
    let (code, report) = cli.export(&drop).await;
    assert_eq!((code, &report["outcome"]), (1, &json!("succeeded_with_rejects")));
    for (part, names) in [
        ("rows", "read delivered unchanged rejected suppressed pending"),
        ("members", "joiners changed leavers leavers_withheld"),
        ("rejects", "missing_email invalid_email duplicate_email malformed_row invalid_value refused"),
        ("requests", "total bulk single list retried throttled peak_per_second"),
    ] {
        assert!(names.split(' ').all(|name| report[part][name].is_number()), "{part}: {report}");
    }
    for name in ["run_id", "export", "started_at", "finished_at", "trigger", "config_digest"] {
        assert!(report[name].is_string(), "{name}");
    }
    assert!(report["sources"][0]["bytes"].is_number() && report["guards_passed_over"].is_array());
    assert_eq!((&report["rows"]["delivered"], &report["trigger"]), (&json!(9), &json!("command")));
    assert_eq!(cli.export(&drop).await.0, 1, "the reject is still there");
}

#[tokio::test]
async fn plan_says_what_a_run_would_do_and_sends_nothing() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 90, 1).as_bytes());
    let (code, out, _) = cli.run(&["plan", "newsletter", "--json", "--drop", drop.to_str().unwrap()]).await;
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &plan["members"]["joiners"], cli.scene.sandbox.counters().requests), (0, &json!(90), 0));
    let (_, report) = cli.export(&drop).await;
    let (fewest, most) = (plan["requests"].as_u64().unwrap(), plan["requests_at_most"].as_u64().unwrap());
    let total = report["requests"]["total"].as_u64().unwrap();
    assert!(fewest <= total && total <= most, "{fewest} <= {total} <= {most}: {report}");
}

#[tokio::test]
async fn retry_sends_refused_and_corrected_rows_and_removes_nobody() {
    let faults = Fault::parse_list("refuse-rows:person.7").unwrap();
    let cli = Cli::new(Scene::new(Options { faults, ..Options::default() }).await);
    let drop = cli.scene.file("members.csv", (people(0, 9, 1) + "new at example.com,Ana,1\n").as_bytes());
    let (code, report) = cli.export(&drop).await;
    let run = report["run_id"].as_str().unwrap();
    assert_eq!((code, cli.scene.members().len()), (1, 8));
    cli.scene.sandbox.clear_faults();
    let (code, out, err) = cli.run(&["retry", run, "--json"]).await;
    let retried: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!((code, &retried["rows"]["delivered"], &retried["rows"]["rejected"]), (1, &json!(1), &json!(1)), "{out}");
    assert_eq!((cli.scene.members().len(), &retried["members"]["leavers"]), (9, &json!(0)));
    let rejects = cli.scene.root().join(format!("runs/newsletter/{run}/rejects.csv"));
    let corrected = std::fs::read_to_string(rejects).unwrap().replace("new at example.com", "new@example.com");
    let file = cli.scene.file("corrected.csv", corrected.as_bytes());
    let (code, out, _) = cli.run(&["retry", file.to_str().unwrap(), "--json"]).await;
    assert_eq!((code, cli.scene.members().len()), (0, 10), "{out}");
    let (_, report) = cli.export(&drop).await;
    // What was sent in the place of the rejected row stays.
    assert_eq!((&report["rows"]["unchanged"], &report["members"]["leavers"]), (&json!(10), &json!(0)), "{report}");
}

#[tokio::test]
async fn a_segment_with_two_drops_is_refused_before_anything_is_sent() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let files = ["a.csv", "b.csv"].map(|name| cli.scene.file(name, people(0, 4, 1).as_bytes()));
    let [a, b] = files.each_ref().map(|file| file.to_str().unwrap());
    for command in ["run", "plan"] {
        let (code, _, err) = cli.run(&[command, "newsletter", "--drop", a, "--drop", b]).await;
        assert!(code == 2 && err.contains("more than one drop"), "{code}: {err}");
    }
    assert_eq!(cli.scene.sandbox.counters().requests, 0);
}

/// The reader of its output may go away; the run goes on.
#[tokio::test]
async fn a_run_ends_whole_where_nobody_reads_its_standard_error() {
    for verbose in ["-v", "-vv", "--json"] {
        let cli = Cli::new(Scene::new(Options::default()).await);
        let drop = cli.scene.file("members.csv", people(0, 40, 1).as_bytes());
        let (reader, writer) = std::io::pipe().unwrap();
        std::mem::drop(reader);
        let mut deaf = cli.command(&[verbose, "run", "newsletter", "--drop", drop.to_str().unwrap()]);
        let code = deaf.stderr(writer).status().await.unwrap().code();
        assert_eq!((code, cli.scene.members().len()), (Some(0), 40), "{verbose}");
    }
}

/// A run that takes a second or two: each joiner is a request of its own, 40 a second.
async fn slow() -> (Cli, PathBuf) {
    slow_at(40).await
}

/// The same at another rate.
pub(crate) async fn slow_at(rate: u32) -> (Cli, PathBuf) {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_connection("requests_per_second", json!(rate));
    let drop = scene.file("members.csv", (people(0, 80, 1) + "no address,Ana,1\n").as_bytes());
    (Cli::new(scene), drop)
}

#[tokio::test]
async fn a_killed_run_resumes_to_the_same_contacts_and_counts() {
    let (cli, drop) = slow().await;
    for contacts in [1, 10, 25, 40, 60] {
        let mut child = cli.start(&drop);
        cli.until_it_holds(contacts).await;
        child.kill().await.unwrap();
        child.wait().await.unwrap();
    }
    let (code, report) = cli.export(&drop).await;
    let rows = json!({ "read": 81, "delivered": 80, "unchanged": 0, "rejected": 1, "suppressed": 0, "pending": 0 });
    assert_eq!((code, &report["rows"]), (1, &rows));
    assert_eq!((cli.scene.emails().len(), cli.scene.members().len(), cli.scene.state().len()), (80, 80, 80));
}

#[tokio::test]
async fn an_interrupted_run_saves_and_the_next_finishes_it() {
    let (cli, drop) = slow().await;
    let child = cli.start(&drop);
    cli.until_it_holds(30).await;
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let (code, out, err) = ended(child.wait_with_output().await.unwrap());
    assert_eq!(code, 130, "{out}{err}");
    assert!(err.contains("the next run of the export sends the rest"), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["outcome"], "interrupted");
    let saved = report["rows"]["delivered"].as_u64().unwrap();
    assert!(saved >= 20 && report["rows"]["pending"].as_u64().unwrap() + saved == 80, "{report}");
    let (code, report) = cli.export(&drop).await;
    assert_eq!((code, report["rows"]["delivered"].as_u64().unwrap()), (1, 80 - saved), "{report}");
    assert_eq!((cli.scene.emails().len(), cli.scene.members().len(), cli.scene.state().len()), (80, 80, 80));
}

#[tokio::test]
async fn the_second_process_on_a_store_waits_and_both_succeed() {
    let (cli, drop) = slow().await;
    let first = cli.start(&drop);
    cli.until_it_holds(5).await;
    let other = cli.scene.file("other.csv", people(40, 90, 1).as_bytes());
    let second = cli.start(&other);
    let (first, second) = tokio::join!(first.wait_with_output(), second.wait_with_output());
    let ((code, _, _), (after, out, err)) = (ended(first.unwrap()), ended(second.unwrap()));
    assert_eq!((code, after), (1, 0), "{out}{err}");
    assert!(err.contains("busy with another run"), "{err}");
    assert_eq!((cli.scene.emails().len(), cli.scene.members().len(), cli.scene.state().len()), (90, 50, 50));
}

#[tokio::test]
async fn runs_report_schema_and_check_tell_what_there_is() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 4, 1).as_bytes());
    assert_eq!(cli.run(&["runs"]).await.0, 0, "having no runs yet is not an error");
    let run = cli.export(&drop).await.1["run_id"].as_str().unwrap().to_owned();
    let (code, out, _) = cli.run(&["runs"]).await;
    assert!(code == 0 && out.contains(&run) && out.contains("succeeded"), "{out}");
    assert!(cli.run(&["runs", "newsletter", "--json"]).await.1.contains(&run));
    let (code, out, _) = cli.run(&["report", &run]).await;
    assert!(code == 0 && out.contains("4 delivered"), "{out}");
    let (code, out, _) = cli.run(&["report", &run, "--html"]).await;
    assert!(code == 0 && out.starts_with("<!DOCTYPE html>") && out.contains(&run), "{out}");
    let (code, out, _) = cli.run(&["report", "20260101T000000Z-newsletter-00000000"]).await;
    assert!(code == 2 && out.is_empty());
    let (code, out, _) = cli.run(&["schema"]).await;
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()["type"].as_str()), (0, Some("object")));
    let writes = cli.scene.sandbox.counters().writes;
    let (code, out, err) = cli.run(&["check"]).await;
    assert!(code == 0 && out.contains("list \"Newsletter\" is there"), "{out}{err}");
    assert_eq!(cli.scene.sandbox.counters().writes, writes, "check changes nothing");
    cli.scene.sandbox.set_api_key(Some("another".into()));
    assert_eq!(cli.run(&["check"]).await.0, 3);
}

#[tokio::test]
async fn runs_are_listed_without_a_configuration() {
    let mut cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 4, 1).as_bytes());
    let run = cli.export(&drop).await.1["run_id"].as_str().unwrap().to_owned();
    cli.config = cli.scene.root().join("no-such.json");
    for command in [&["runs"][..], &["report", &run], &["report", &run, "--html"], &["watch", &run]] {
        let (code, out, err) = cli.run(command).await;
        assert!(code == 0 && (out + &err).contains(&run), "{command:?}: {code}: {err}");
    }
    assert_eq!(cli.run(&["plan", "newsletter"]).await.0, 2);
}

async fn is_ended_by(signal: &str, child: Child) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait_with_output()).await;
    assert_eq!(ended.unwrap().unwrap().status.code(), Some(130), "{signal}");
}

#[tokio::test]
async fn a_signal_ends_commands_other_than_run() {
    let options = Options { latency: Duration::from_secs(20), ..Options::default() };
    let cli = Cli::new(Scene::new(options).await);
    for signal in ["-INT", "-TERM"] {
        let child = cli.command(&["check"]).spawn().unwrap();
        let before = cli.scene.sandbox.counters().requests;
        while cli.scene.sandbox.counters().requests == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        is_ended_by(signal, child).await;
    }
}

#[tokio::test]
async fn a_signal_ends_the_watching_of_a_run() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let request = cli.scene.request("", Trigger::Command);
    let record = RunRecord::begin(&request, "eu", String::new(), Vec::new(), Vec::new(), jiff::Timestamp::now());
    cli.scene.write(&keys::of_run(&request.run_id, "run.json"), &serde_json::to_vec(&record).unwrap());
    let leases = FileLeases::new(cli.scene.root());
    assert!(leases.take("eu", "who is at work").await.unwrap());
    for signal in ["-INT", "-TERM"] {
        let mut child = cli.command(&["watch", &request.run_id]).spawn().unwrap();
        // It looks, and will look again.
        let mut said = [0; 1];
        child.stderr.as_mut().unwrap().read_exact(&mut said).await.unwrap();
        is_ended_by(signal, child).await;
    }
}

/// As a power failure may leave them.
#[tokio::test]
async fn a_run_with_damaged_results_is_watched_on() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let request = cli.scene.request("", Trigger::Command);
    let record = RunRecord::begin(&request, "eu", String::new(), Vec::new(), Vec::new(), jiff::Timestamp::now());
    cli.scene.write(&keys::of_run(&request.run_id, "run.json"), &serde_json::to_vec(&record).unwrap());
    let leases = FileLeases::new(cli.scene.root());
    assert!(leases.take("eu", "who is at work").await.unwrap());
    cli.scene.write(&keys::results(&request.run_id, 0, 0), b"\0\0\0\0");
    let mut child = cli.command(&["watch", &request.run_id]).spawn().unwrap();
    let expected = b"0 of 0 rows done, 0 requests, 0.0/s\n";
    let mut said = [0; 36];
    child.stderr.as_mut().unwrap().read_exact(&mut said).await.unwrap();
    assert_eq!(&said, expected, "{}", String::from_utf8_lossy(&said));
    is_ended_by("-INT", child).await;
}

#[tokio::test]
async fn what_is_disabled_is_not_checked_and_check_says_so() {
    for disabled in ["/connections/eu/enabled", "/exports/newsletter/enabled"] {
        let mut scene = Scene::new(Options { api_key: Some("another".into()), ..Options::default() }).await;
        scene.set(disabled, json!(false));
        let cli = Cli::new(scene);
        let drop = cli.scene.file("no-such-columns.csv", b"A,B\n1,2\n");
        cli.scene.write("segments/newsletter/members.csv", &std::fs::read(drop).unwrap());
        if disabled.starts_with("/exports") {
            cli.scene.sandbox.set_api_key(Some(API_KEY.into()));
        }
        let (code, out, err) = cli.run(&["check"]).await;
        assert_eq!(code, 0, "{disabled}: {out}{err}");
        assert!(out.contains("ok     export newsletter: is disabled, and not checked"), "{disabled}: {out}");
        assert_eq!(out.matches("export newsletter").count(), 1, "{disabled}: {out}");
    }
}

/// A thread that wants more memory for its stack than there are addresses cannot be started, and the program panics.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_panic_ends_every_command_with_70() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 4, 1).as_bytes());
    for args in [&["runs"][..], &["check"], &["run", "newsletter", "--drop", drop.to_str().unwrap()]] {
        let mut command = cli.command(args);
        let (code, out, err) = ended(command.env("RUST_MIN_STACK", (1_u64 << 55).to_string()).output().await.unwrap());
        // A run says first which store it uses, and what it is called; the list of runs has a header.
        let is_first = |line: &&str| ["store: ", "run: ", "run, "].iter().any(|first| line.starts_with(first));
        let err: String = err.split_inclusive('\n').filter(|line| !is_first(line)).collect();
        assert_eq!((code, out.as_str(), err.lines().count()), (70, "", 1), "{args:?}: {err}");
        assert!(err.starts_with("bug: ") && err.ends_with("please report this line\n"), "{args:?}: {err}");
    }
    assert_eq!(cli.scene.emails().len(), 0);
}

/// A panic's message may quote anything; outside Lambda its library panics.
#[cfg(feature = "lambda")]
#[tokio::test]
async fn a_panic_is_reported_by_its_place_alone() {
    let mut function = Command::new(env!("CARGO_BIN_EXE_autopilot-export-lambda"));
    let (_, out, err) = ended(function.env_clear().output().await.unwrap());
    assert!(err.starts_with("bug: ") && err.ends_with("please report this line\n"), "{err}");
    assert_eq!((out.as_str(), err.lines().count()), ("", 1), "{err}");
}

/// A disk is full where no file can grow: the shell keeps files to 2 KB.
#[tokio::test]
async fn a_full_disk_is_an_error_and_nothing_unrecorded_is_sent() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 5000, 1).as_bytes());
    let mut cramped = Command::new("sh");
    cramped.args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_autopilot-export")]);
    let args = ["run", "newsletter", "--drop", drop.to_str().unwrap()];
    let (code, _, err) = ended(cli.command_of(cramped, &args).output().await.unwrap());
    assert!(code == 5 && err.contains("make room on the disk and run again"), "{code}: {err}");
    assert_eq!(cli.scene.sandbox.contact_count(), 0);
    let (code, report) = cli.export(&drop).await;
    assert_eq!((code, &report["rows"]["delivered"]), (0, &json!(5000)));
}

#[tokio::test]
async fn usage_that_makes_no_sense_exits_2() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let (code, out, err) = cli.run(&["run", "newsleter"]).await;
    assert!(code == 2 && out.is_empty() && err.contains("the nearest is newsletter"), "{err}");
    assert_eq!(cli.run(&["run"]).await.0, 2);
    assert_eq!(cli.run(&["run", "newsletter", "--drop", "/no/such/file"]).await.0, 2);
    let (code, _, err) = cli.run(&["run", "newsletter"]).await;
    assert!(code == 4 && err.contains("no drop found under segments/newsletter/"), "{err}");
    let no_key = cli.command(&["run", "newsletter"]).env_remove("AUTOPILOT_API_KEY").output().await.unwrap();
    assert_eq!(ended(no_key).0, 2);
    assert_eq!(cli.scene.sandbox.counters().requests, 0);
}
