//! The README, as somebody follows it who knows nothing else.

use std::path::Path;
use std::process::Stdio;

use autopilot_export::sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tokio::process::Command;

use super::command::ended;

const README: &str = include_str!("../../../README.md");
const MAKEFILE: &str = include_str!("../../../Makefile");

/// The commands that are not run, by how they begin, and why.
const NOT_RUN: [(&str, &str); 8] = [
    ("git clone ", "the repository is there"),
    ("cargo install ", "the program is built"),
    ("echo 'alert_emails", "writes into the repository"),
    ("make ", "takes minutes or an account on AWS; its target is looked up"),
    ("eval ", "needs a deployment"),
    ("aws s3 cp ", "needs a deployment"),
    ("autopilot-export --store s3:", "needs a deployment; its options are parsed"),
    ("autopilot-export sandbox", "does not end; its options are parsed"),
];

/// The blocks of a language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("\n```{language}\n");
    let bodies = README.split(fence.as_str()).skip(1);
    bodies.map(|rest| rest.split("\n```\n").next().unwrap()).collect()
}

/// Runs a command line with the program on the path.
async fn shell(folder: &Path, line: &str) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_autopilot-export")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env("PATH", path).env_remove("RUST_LOG").stdin(Stdio::null());
    let (code, out, err) = ended(command.output().await.unwrap());
    (code, format!("{}\n{}", out.trim_end(), err.trim_end()))
}

/// An output without what differs from run to run: ids, and how long something took.
fn steady(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |(at, word): (usize, &&str)| match words.get(at.wrapping_sub(1)) {
            Some(&("in" | "most")) if word.parse::<f64>().is_ok() => "N".to_owned(),
            _ => match word.find("-members-") {
                Some(id) if id >= 16 => format!("{}ID{}", &word[..id - 16], &word[id + 17..]),
                _ => (*word).to_owned(),
            },
        };
        words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).filter(|line| !line.is_empty()).collect()
}

/// Whether these lines were printed, where `...` stands for any that are left out.
fn are_shown(expected: &[String], shown: &[String]) -> bool {
    match expected.split_first() {
        None => shown.is_empty(),
        Some((first, rest)) if first == "..." => (0..=shown.len()).any(|left_out| are_shown(rest, &shown[left_out..])),
        Some((first, rest)) => shown.first() == Some(first) && are_shown(rest, &shown[1..]),
    }
}

#[tokio::test]
async fn the_readme_shows_what_its_commands_print() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    std::fs::write(folder.path().join("members.csv"), format!("{}\n", blocks("csv")[0])).unwrap();
    let mut exports = String::new();
    let mut ran = 0;
    for block in blocks("console") {
        for step in format!("\n{block}").split("\n$ ").skip(1) {
            let (line, expected) = step.split_once('\n').unwrap_or((step, ""));
            if line.starts_with("export ") {
                exports += &format!("{line}; ");
                continue;
            }
            let here = line.replace("--sandbox ", &format!("--sandbox={} ", sandbox.url()));
            let (code, shown) = shell(folder.path(), &format!("{exports}{here}")).await;
            assert!(code == 0 || shown.contains("succeeded_with_rejects"), "{line}: {code}\n{shown}");
            assert!(are_shown(&steady(expected), &steady(&shown)), "{line}\n{shown}");
            ran += 1;
        }
    }
    assert!(ran >= 6 && sandbox.contents().members("Members").len() == 4, "{ran}");
}

/// The lines of the blocks for a shell, without what explains them.
fn lines() -> impl Iterator<Item = &'static str> {
    let lines = blocks("sh").into_iter().flat_map(str::lines);
    lines.map(|line| line.split_once(" # ").map_or(line, |(line, _)| line).trim())
}

#[tokio::test]
async fn the_readme_has_no_command_that_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for line in lines().filter(|line| !is_run(line)) {
        let (start, _) = NOT_RUN.iter().find(|(start, _)| line.starts_with(start)).unwrap_or_else(|| panic!("{line}"));
        if *start == "make " {
            let target = line.split(' ').nth(1).unwrap();
            assert!(MAKEFILE.contains(&format!("\n{target}: ")), "{line}");
        } else if start.starts_with(PROGRAM) {
            let (code, shown) = shell(folder.path(), &format!("{line} --help")).await;
            assert_eq!(code, 0, "{line}: {shown}");
        }
        seen += 1;
    }
    assert!(seen > 10);
    assert_eq!(shell(folder.path(), "autopilot-export plan --no-such-option --help").await.0, 2);
}

const PROGRAM: &str = "autopilot-export ";

/// Whether a line is run: all that need neither AWS nor another terminal.
fn is_run(line: &str) -> bool {
    line.starts_with(PROGRAM) && !NOT_RUN.iter().any(|(start, _)| line.starts_with(start))
}

/// The configuration of the README, without what explains it.
fn annotated() -> String {
    let uncommented = |line: &str| line.split_once(" // ").map_or(line, |(line, _)| line).to_owned() + "\n";
    blocks("jsonc")[0].lines().map(uncommented).collect()
}

/// Changes the configuration in a folder.
fn configure(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("exports.json");
    let mut config = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

#[tokio::test]
async fn the_readme_s_commands_for_good_work() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let mut folder = tempfile::tempdir().unwrap();
    let mut ran = Vec::new();
    for line in lines().filter(|line| is_run(line)) {
        let command = line.split(' ').nth(1).unwrap();
        if command == "init" {
            folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("members.csv"), format!("{}\n", blocks("csv")[0])).unwrap();
            std::fs::write(folder.path().join("key.txt"), "any-key-will-do-here\n").unwrap();
        } else if command == "migrate" {
            std::fs::write(folder.path().join("exports.json"), annotated()).unwrap();
            let ortto = json!({ "api": "ortto", "secret": "autopilot-export/ortto-eu", "region": "eu" });
            configure(folder.path(), |config| config["connections"]["ortto-eu"] = ortto);
        }
        let (code, shown) = shell(folder.path(), line).await;
        assert!(code == 0 || shown.contains("succeeded_with_rejects"), "{line}: {code}\n{shown}");
        if command == "init" && !line.contains("ortto") {
            // In the vendor's place, and agreed to.
            configure(folder.path(), |config| {
                let connection = &mut config["connections"]["autopilot"];
                connection["base_url"] = sandbox.url().into();
                connection["requests_per_second"] = json!(50);
                connection["consent"] = json!({ "agreed_by": "me", "agreed_on": "2026-11-26" });
            });
        }
        ran.push(command);
    }
    assert_eq!(ran, ["init", "check", "plan", "run", "run", "status", "init", "init", "migrate"]);
    assert_eq!(sandbox.contents().members("Members").len(), 3);
}

#[tokio::test]
async fn the_annotated_configuration_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exports.json"), annotated()).unwrap();
    let (code, shown) = shell(folder.path(), "autopilot-export check --offline").await;
    assert_eq!(code, 0, "{shown}");
}
