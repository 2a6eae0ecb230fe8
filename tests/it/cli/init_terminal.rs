//! The questions of `init`, as a person at a terminal answers them.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Runs a program on a terminal of its own, types lines, and prints what it showed.
const TERMINAL: &str = r#"
import os, pty, sys
answers, program = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(program[0], program)
os.write(terminal, answers.encode())
shown = b""
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    shown += piece
_, status = os.waitpid(child, 0)
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(status))
"#;

/// The exit code and what the terminal showed; none where Python is not there.
async fn typed(folder: &Path, answers: &[&str], args: &[&str]) -> Option<(i32, String)> {
    let lines: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
    let mut command = Command::new("python3");
    command.current_dir(folder).args(["-c", TERMINAL, &lines, env!("CARGO_BIN_EXE_autopilot-export")]).args(args);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    let output = match command.output().await {
        Ok(output) => output,
        Err(cause) => {
            eprintln!("skipped: a terminal needs python3, {cause}");
            return None;
        }
    };
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.is_empty(), "{err}");
    Some((output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).unwrap()))
}

const DROP: &str =
    "E-Mail;Newsletter;Abmeldung;Robinsonliste\nann@example.com;ja;nein;nein\nbea@example.com;nein;ja;nein\n";

#[tokio::test]
async fn a_person_answers_in_words_and_is_asked_back() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Kunden.csv"), DROP).unwrap();
    let answers = ["o", "n", "only", "optout", "optout", "never", "dpo@example.com", "heute", "20.11.2026"];
    let Some((code, shown)) = typed(folder.path(), &answers, &["init", "Kunden.csv"]).await else { return };
    for part in [
        "Newsletter looks like consent (1 \"ja\", 1 \"nein\"). Choose by a word:",
        "  only    rows with \"ja\" are sent, all others are not",
        "That is not one of only, never, optout, skip.",
        "  optout  people with \"ja\" are opted out in the account",
        "Only one column can be sent as an opt-out, and Abmeldung is.",
        "That is not a day as 2026-11-20 or 20.11.2026.",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let text = std::fs::read_to_string(folder.path().join("exports.json")).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap();
    let export = &settings["exports"]["kunden"];
    assert_eq!((code, export["match"]["unsubscribed"].as_str()), (0, Some("Abmeldung")), "{shown}");
    assert_eq!(export["require"][0]["column"], "Newsletter");
    assert_eq!(export["suppress"][0]["column"], "Robinsonliste");
    assert_eq!(settings["connections"]["autopilot"]["consent"]["agreed_on"], "2026-11-20");
}

#[tokio::test]
async fn a_name_without_a_day_is_not_lost_at_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Kunden.csv"), "E-Mail\nann@example.com\n").unwrap();
    let answers = ["dpo@example.com", "heute", ""];
    let Some((code, shown)) = typed(folder.path(), &answers, &["init", "Kunden.csv"]).await else { return };
    assert!(
        code == 0 && shown.contains("\"agreed_by\": \"dpo@example.com\", \"agreed_on\": \"YYYY-MM-DD\""),
        "{shown}"
    );
    assert!(!std::fs::read_to_string(folder.path().join("exports.json")).unwrap().contains("consent"));
}
