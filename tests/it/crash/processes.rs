//! Promise 2, by the programs themselves: `autopilot-export run` and `retry` against an `autopilot-export sandbox`, killed by
//! SIGKILL and SIGTERM at random moments, with other drops and other configurations in between. What the sandbox holds in
//! the end is what judges. `SEED=n` plays one seed alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::fixture::{API_KEY, LIST, settings};
use crate::support::sim::Way;

/// Stories, and kills in each. Where a program ends before it is killed, it is started once more.
const STORIES: u64 = 40;
const KILLS: u32 = 11;
/// One story in this many is Ortto's; it has fewer kills, as a run waits for half a minute after each.
const ORTTO: u64 = 4;
const ORTTO_KILLS: u32 = 4;
/// People, so that they meet again.
const PEOPLE: u32 = 120;
/// Longer than any run takes.
const FOR_EVER: Duration = Duration::from_secs(120);

/// A drop: the value of each of its members.
type Drop = BTreeMap<String, i64>;

/// A sandbox in a process of its own.
struct Account(Child, String);

impl Account {
    fn start(way: Way, random: &mut Rng) -> Self {
        let lists = |random: &mut Rng| *random.choice(&["never", "create-only", "always"]).unwrap();
        let mut command = program();
        command.args(["sandbox", "--port", "0", "--latency-ms", "3", "--seed", &random.u32(..).to_string()]);
        if way.is_ortto() {
            command.args(["--api", "ortto"]);
        } else {
            command.args(["--bulk-lists", lists(random), "--single-lists", lists(random)]);
        }
        command.args(["--faults", random.choice(&["", "429:0.02,500:0.02", "cut-after:0.02,408:0.02"]).unwrap()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.split_once("http://").and_then(|(_, rest)| rest.split_once("/v1")).unwrap().0.to_owned();
        Self(child, address)
    }

    fn contents(&self) -> Value {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        let host = &self.1;
        write!(stream, "GET /_sandbox/contents HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap()
    }
}

impl std::ops::Drop for Account {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.env("AUTOPILOT_API_KEY", API_KEY).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

struct Story {
    way: Way,
    random: Rng,
    folder: tempfile::TempDir,
    account: Account,
    settings: Value,
    drops: Vec<(PathBuf, Drop)>,
    history: String,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let way = if seed.is_multiple_of(ORTTO) { Way::Tag } else { Way::List };
        let account = Account::start(way, &mut random);
        let mut settings = way.settings(settings(&format!("http://{}/v1", account.1)));
        let by_field = random.u8(..4) == 0;
        let membership = if by_field { json!({ "field": "Reader" }) } else { way.membership() };
        settings["exports"]["newsletter"]["segments"][0]["membership"] = membership;
        let folder = tempfile::tempdir().unwrap();
        Self { way, random, folder, account, settings, drops: Vec::new(), history: format!("seed {seed}, {way:?}:") }
    }

    fn drop(&mut self, is_sound: bool) {
        let mut drop = Drop::new();
        let mut text = "EMail,FirstName,Value\n".to_owned();
        for person in 0..PEOPLE {
            let value = self.random.i64(0..3);
            match self.random.u8(..20) {
                0..8 => continue,
                8 if !is_sound => text.push_str(&format!("person.{person}@example.com,Ann,many\n")),
                9 if !is_sound => text.push_str(&format!("person.{person} at example.com,Ann,{value}\n")),
                _ => {
                    text.push_str(&format!("person.{person}@example.com,Ann,{value}\n"));
                    drop.insert(format!("person.{person}@example.com"), value);
                }
            }
        }
        let path = self.folder.path().join(format!("drop-{}.csv", self.drops.len()));
        std::fs::write(&path, text).unwrap();
        self.drops.push((path, drop));
    }

    /// Another configuration, which changes nobody's fields.
    fn configure(&mut self) {
        let random = &mut self.random;
        let connection = &mut self.settings["connections"]["eu"];
        connection["requests_per_second"] = json!(random.u32(60..200));
        connection["lanes"] = json!(random.u32(1..5));
        let share = random.choice(&[1.0, 0.9]).unwrap();
        self.settings["exports"]["newsletter"]["guards"]["max_reject_share"] = json!(share);
        std::fs::write(self.folder.path().join("exports.json"), self.settings.to_string()).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command.args(args).arg("--config").arg(self.folder.path().join("exports.json"));
        command.arg("--store").arg(self.folder.path().join("store"));
        command
    }

    /// A command on the newest drop, or on what a run rejected.
    fn next(&mut self) -> Command {
        if self.random.bool() || self.drops.is_empty() {
            self.drop(false);
        }
        if self.random.u8(..3) == 0 {
            self.configure();
        }
        let rejects = rejects(&self.folder.path().join("store/runs/newsletter"));
        let is_retry = self.random.u8(..4) == 0;
        if let Some(rejects) = self.random.choice(&rejects).filter(|_| is_retry) {
            let text = std::fs::read_to_string(rejects).unwrap().replace("many", "7").replace(" at ", "@");
            let corrected = self.folder.path().join("corrected.csv");
            std::fs::write(&corrected, text).unwrap();
            self.history.push_str(" retry");
            return self.command(&["retry", corrected.to_str().unwrap()]);
        }
        self.history.push_str(&format!(" run {}", self.drops.len() - 1));
        let path = self.drops.last().unwrap().0.clone();
        self.command(&["run", "newsletter", "--drop", path.to_str().unwrap()])
    }

    /// Starts a command and kills it; whether it was killed before its end.
    fn kill(&mut self) -> bool {
        let mut child = self.next().spawn().unwrap();
        // A run of Ortto first waits for as long as one that was killed may have to answer for refused calls.
        let longest = if self.way.is_ortto() { 24_000 } else { 1600 };
        std::thread::sleep(Duration::from_millis(self.random.u64(20..longest)));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(!matches!(status.code(), Some(70) | None), "{}: {status}", self.history);
            return false;
        }
        let by_term = self.random.bool();
        self.history.push_str(if by_term { " TERM" } else { " KILL" });
        if by_term {
            assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
        } else {
            child.kill().unwrap();
        }
        let status = wait(&mut child, &self.history);
        assert!(status != Some(70), "{}: a bug", self.history);
        true
    }

    /// Carries the last drop out, and compares.
    fn end(&mut self) {
        self.drop(true);
        self.configure();
        let path = self.drops.last().unwrap().0.clone();
        let args = ["run", "newsletter", "--json", "--drop", path.to_str().unwrap()];
        let mut reports = Vec::new();
        for _ in 0..3 {
            let output = self.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{}: {said}", self.history);
            reports.push(serde_json::from_slice::<Value>(&output.stdout).unwrap());
        }
        // Those who had been sent without an answer leave twice.
        let members = &reports[1]["members"];
        assert!(members["joiners"] == 0 && members["changed"] == 0, "{}: {}", self.history, reports[1]);
        assert_eq!(reports[2]["outcome"], "nothing_to_do", "{}: {}", self.history, reports[2]);
        let contents = self.account.contents();
        let lists: Vec<&Value> = contents["lists"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|list| list["title"] == LIST)
            .map(|list| &list["id"])
            .collect();
        let contacts = contents["contacts"].as_array().unwrap();
        let is_member = |contact: &&Value| {
            let listed = contact["lists"].as_array().unwrap().iter().any(|id| lists.contains(&id));
            listed || contact["custom"]["Reader"] == true
        };
        let member = |contact: &Value| {
            (contact["email"].as_str().unwrap().to_owned(), contact["custom"]["Value"].as_i64().unwrap_or(-1))
        };
        let members: Vec<(String, i64)> = contacts.iter().filter(is_member).map(member).collect();
        let count = members.len();
        let members: Drop = members.into_iter().collect();
        assert_eq!(count, members.len(), "{}: a contact stands twice", self.history);
        assert_eq!(members, self.drops.last().unwrap().1, "{}: {}", self.history, reports[0]);
    }
}

/// The rejects files of all runs, in order.
fn rejects(runs: &Path) -> Vec<PathBuf> {
    let Ok(runs) = std::fs::read_dir(runs) else { return Vec::new() };
    let files = runs.filter_map(|run| Some(run.ok()?.path().join("rejects.csv")));
    let mut files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    files.sort();
    files
}

fn wait(child: &mut Child, history: &str) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(began.elapsed() < FOR_EVER, "{history}: does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn play(seed: u64) -> u64 {
    let mut story = Story::new(seed);
    story.configure();
    let (mut kills, most) = (0, if story.way.is_ortto() { ORTTO_KILLS } else { KILLS });
    for _ in 0..most * 4 {
        kills += u64::from(story.kill());
        if kills == u64::from(most) {
            break;
        }
    }
    story.end();
    println!("{}, {kills} kills", story.history);
    kills
}

#[test]
#[ignore = "real processes, for minutes: make soak"]
fn killed_processes_end_with_what_the_last_drop_says() {
    if let Ok(seed) = std::env::var("SEED") {
        play(seed.parse().unwrap());
        return;
    }
    let (next, kills) = (AtomicU64::new(1), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed > STORIES {
                        return;
                    }
                    kills.fetch_add(play(seed), Ordering::SeqCst);
                }
            });
        }
    });
    let kills = kills.into_inner();
    println!("{kills} kills in {STORIES} stories");
    assert!(kills >= 300, "{kills} kills");
}
