//! `check --offline`, as it runs where there is neither a key nor a network.

use std::process::Command;

use autopilot_export::config::schema;
use serde_json::{Value, json};

use crate::support::fixture::settings;

/// Runs the program in a folder of its own, without a key.
fn check(folder: &tempfile::TempDir, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.current_dir(folder.path()).args(["check", "--offline"]).args(args).env_remove("AUTOPILOT_API_KEY");
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn with(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exports.json"), settings).unwrap();
    folder
}

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9/v1";

#[test]
fn check_offline_needs_no_key_and_no_network() {
    let folder = with(&settings(NOWHERE).to_string());
    let (code, out, err) = check(&folder, &[]);
    assert!(code == 0 && out.contains("ok     export newsletter: may be sent"), "{code}: {out}{err}");
    assert!(!folder.path().join(".autopilot-export").exists(), "it writes nothing");
    let (code, out, _) = check(&folder, &["--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()[0]["ok"].as_bool()), (0, Some(true)));
}

#[test]
fn check_offline_has_the_exit_codes_of_check() {
    let mut refused = settings(NOWHERE);
    refused["connections"]["eu"].as_object_mut().unwrap().remove("consent");
    let (code, out, _) = check(&with(&refused.to_string()), &[]);
    assert!(code == 2 && out.contains("wrong  export newsletter") && out.contains("nobody has agreed"), "{out}");
    let mut faulty = settings(NOWHERE);
    faulty["exports"]["newsletter"]["sements"] = json!([]);
    let (code, _, err) = check(&with(&faulty.to_string()), &[]);
    assert!(code == 2 && err.contains("exports.newsletter.sements"), "{err}");
}

#[test]
fn a_comment_is_refused_with_its_line() {
    let text = serde_json::to_string_pretty(&settings(NOWHERE)).unwrap();
    for (comment, line) in [("{ // ours", 1), ("{\n  /* ours */", 2), ("{\n\n# ours", 3)] {
        let (code, out, err) = check(&with(&text.replacen('{', comment, 1).replacen("ours", "ours\n", 1)), &[]);
        assert!(code == 2 && out.is_empty(), "{out}");
        assert!(err.contains(&format!("config: line {line}, column")) && err.contains("comment"), "{comment}: {err}");
        assert!(err.contains("Terraform reads the same file"), "{err}");
    }
}

#[test]
fn a_schema_of_another_version_is_found() {
    let mut named = settings(NOWHERE);
    named["$schema"] = json!("./exports.schema.json");
    let folder = with(&named.to_string());
    let (code, out, _) = check(&folder, &[]);
    assert!(code == 0 && out.contains("is not there") && out.contains("autopilot-export schema >"), "{out}");
    let path = folder.path().join("exports.schema.json");
    std::fs::write(&path, schema().to_string()).unwrap();
    assert_eq!(check(&folder, &[]).0, 0);
    std::fs::write(&path, "{}").unwrap();
    let (code, out, _) = check(&folder, &[]);
    assert!(code == 2 && out.contains("wrong  schema"), "{out}");
}

#[test]
fn check_names_the_fields_that_two_exports_write() {
    let mut two = settings(NOWHERE);
    let mut other = two["exports"]["newsletter"].clone();
    (other["segments"][0]["name"], other["segments"][0]["prefix"]) = (json!("Other"), json!("other/"));
    other["segments"][0]["membership"] = json!({ "list": "Other" });
    other["match"]["last_name"] = json!("FirstName");
    two["exports"]["winback"] = other;
    let said = |settings: &Value| check(&with(&settings.to_string()), &[]);
    let (code, out, err) = said(&two);
    assert!(code == 0 && out.contains("exports newsletter and winback match differently and both write"), "{out}{err}");
    assert!(out.contains("write first_name, Value;"), "{out}");
    two["exports"]["winback"]["match"] = two["exports"]["newsletter"]["match"].clone();
    assert!(!said(&two).1.contains("both write"), "the same matching writes the same values");
}
