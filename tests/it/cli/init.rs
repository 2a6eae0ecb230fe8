//! `init`: a first configuration from a file of one's own, as a new user makes it.

use std::path::Path;
use std::process::Stdio;

use autopilot_export::config::{Membership, parse};
use autopilot_export::sandbox::{Options, Sandbox};
use autopilot_export::value::Decimal;
use serde_json::Value;
use tokio::process::Command;

pub(crate) const GERMAN: &str = "E-Mail;Vorname;Nachname;Geburtsdatum;Umsatz;Newsletter-Abmeldung\r\n\
    jürgen@example.com;Jürgen;Müller;31.12.1980;1.234,56;Nein\r\n\
    ann@example.com;Ann;Groß;01.02.1999;12,50;Ja\r\n\
    bea@example.com;Bea;Öz;;7;Nein\r\n";

/// Runs the program in a folder, with nobody at the terminal.
pub(crate) async fn run_in(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.current_dir(folder).args(args).env_remove("RUST_LOG").env_remove("AUTOPILOT_API_KEY");
    if args.first() == Some(&"run") || args.first() == Some(&"try") {
        command.env("AUTOPILOT_API_KEY", "any");
    }
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn windows_1252(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

#[tokio::test]
async fn init_then_plan_then_run_need_no_editing() {
    for bytes in [GERMAN.as_bytes().to_vec(), windows_1252(GERMAN), format!("\u{feff}{GERMAN}").into_bytes()] {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        std::fs::write(folder.path().join("Kunden.csv"), bytes).unwrap();
        let url = format!("--sandbox={}", sandbox.url());
        let agreed = ["--agreed-by", "dpo@example.com", "--agreed-on", "2026-11-23"];
        let args = [&["init", "Kunden.csv", &url, "--opt-out", "Newsletter-Abmeldung"], &agreed[..]].concat();
        let (code, out, err) = run_in(folder.path(), &args).await;
        assert_eq!(code, 0, "{out}{err}");
        assert!(err.contains("next: autopilot-export plan kunden Kunden.csv"), "{err}");
        let (code, out, err) = run_in(folder.path(), &["plan", "kunden", "Kunden.csv", "--json"]).await;
        assert_eq!(code, 0, "{out}{err}");
        let plan: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((plan["members"]["joiners"].as_u64(), plan["rejected"].as_u64()), (Some(3), Some(0)), "{out}");
        let (code, out, err) = run_in(folder.path(), &["run", "kunden", "Kunden.csv"]).await;
        assert_eq!(code, 0, "{out}{err}");
        let contacts = sandbox.contents().contacts;
        assert_eq!(contacts.len(), 3);
        let texts: Vec<String> = contacts.into_iter().map(|contact| format!("{contact:?}")).collect();
        for part in ["Jürgen", "Müller", "1980-12-31", "1234.56", "12.5"] {
            assert!(texts.iter().any(|text| text.contains(part)), "{part}: {texts:?}");
        }
        assert_eq!(sandbox.contents().members("Kunden").len(), 3);
    }
}

#[tokio::test]
async fn what_init_writes_is_valid_and_typed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Kunden.csv"), GERMAN).unwrap();
    let (code, out, err) = run_in(folder.path(), &["init", "Kunden.csv"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let text = std::fs::read_to_string(folder.path().join("exports.json")).unwrap();
    assert!(text.contains("\"$schema\": \"./exports.schema.json\""), "{text}");
    assert!(folder.path().join("exports.schema.json").is_file());
    let config = parse(&text).unwrap();
    let export = &config.exports["kunden"];
    let custom = |name: &str| &export.match_.custom[name];
    assert_eq!(
        (export.match_.email.as_str(), &export.segments[0].membership),
        ("E-Mail", &Membership::List("Kunden".into()))
    );
    assert_eq!(
        (custom("Geburtsdatum").kind.name(), custom("Geburtsdatum").field.format.as_deref()),
        ("date", Some("%d.%m.%Y"))
    );
    assert_eq!((custom("Umsatz").kind.name(), custom("Umsatz").field.reading.decimal), ("float", Decimal::Comma));
    assert_eq!(
        (&export.reading.true_words, &export.reading.false_words),
        (&vec!["Ja".to_owned()], &vec!["Nein".to_owned()])
    );
    // Written a second time it would be lost.
    let (code, _, err) = run_in(folder.path(), &["init", "Kunden.csv"]).await;
    assert!(code == 2 && err.contains("exists already"), "{err}");
}

#[tokio::test]
async fn a_consent_that_nobody_gave_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Kunden.csv"), GERMAN).unwrap();
    let (code, out, err) = run_in(folder.path(), &["init", "Kunden.csv"]).await;
    let text = std::fs::read_to_string(folder.path().join("exports.json")).unwrap();
    assert!(code == 0 && !text.contains("consent") && !text.contains("Abmeldung"), "{text}");
    assert!(err.contains("\"agreed_by\"") && err.contains("\"unsubscribed\": \"Newsletter-Abmeldung\""), "{out}{err}");
    let (code, _, err) = run_in(folder.path(), &["run", "kunden", "Kunden.csv"]).await;
    assert!(code == 2 && err.contains("nobody has agreed"), "{err}");
}

#[tokio::test]
async fn init_refuses_what_it_cannot_read_and_wrong_flags() {
    let folder = tempfile::tempdir().unwrap();
    let refused = async |body: &str, args: &[&str], what: &str| {
        std::fs::write(folder.path().join("a.csv"), body).unwrap();
        let (code, out, err) = run_in(folder.path(), &[&["init", "a.csv"], args].concat()).await;
        assert!(code == 2 || code == 4, "{code}: {out}{err}");
        assert!(err.contains(what) && !folder.path().join("exports.json").exists(), "{what}: {err}");
        assert!(!err.contains("ann@") && !err.contains("Larsen"), "{err}");
    };
    refused("", &[], "is empty").await;
    refused("ann@example.com,Ann\n", &[], "looks like data").await;
    refused("Emil,Larsen,+4790000001\nOlga,Larsen,+4790000002\n", &[], "may hold data").await;
    refused("Name,City\nAnn,Oslo\n", &[], "--email COLUMN").await;
    refused("A,B\nann@example.com,bea@example.com\n", &[], "name one with --email: A, B").await;
    refused("EMail,Stop\nann@example.com,weekly\n", &["--opt-out", "Stop"], "more than words for yes and no").await;
    refused("EMail,Stop\nann@example.com,ja\n", &["--suppress", "Stopp"], "the nearest is Stop").await;
    refused("EMail\nann@example.com\n", &["--sandbox=http://example.com/v1"], "must start with https://").await;
}

#[tokio::test]
async fn json_lines_and_ortto_are_proposed_too() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"email\":\"ann@example.com\",\"birthday\":\"1980-12-31\",\"points\":7}\n";
    std::fs::write(folder.path().join("members.json"), lines).unwrap();
    let (code, out, err) = run_in(folder.path(), &["init", "members.json", "--api", "ortto"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let config = parse(&std::fs::read_to_string(folder.path().join("exports.json")).unwrap()).unwrap();
    let export = &config.exports["members"];
    assert_eq!(export.segments[0].membership, Membership::Tag("Members".into()));
    assert_eq!((export.match_.standard[0].0.name, export.match_.custom["points"].kind.name()), ("birthday", "integer"));
}
