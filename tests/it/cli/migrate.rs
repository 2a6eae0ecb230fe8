//! `migrate`: an export written for Ortto, beside the one that it came from.

use autopilot_export::config::parse;
use autopilot_export::sandbox::{Options, OrttoOptions, Sandbox};
use serde_json::{Value, json};

use crate::cli::command::Cli;
use crate::support::fixture::{Scene, people};

fn ortto() -> Options {
    OrttoOptions::default().into()
}

/// A scene with a connection to an Ortto account besides, in which nobody has any field yet.
async fn scene(options: Options) -> (Scene, Sandbox) {
    let mut scene = Scene::new(Options::default()).await;
    let sandbox = Sandbox::start(options).await.unwrap();
    let consent = json!({ "agreed_by": "the tests", "agreed_on": "2020-01-01" });
    scene.set("/connections/ortto", json!({ "api": "ortto", "base_url": sandbox.url(), "consent": consent }));
    scene.set_membership(json!({ "list": "Gold, silver" }));
    let column = |name: &str, kind: &str| json!({ "column": name, "type": kind });
    scene.set_export(
        "match",
        json!({
            "email": "EMail", "first_name": "FirstName", "company": "FirstName", "phone": "Phone", "mobile_phone": "Phone2",
            "custom": { "Value": column("Value", "integer"), "Spent": column("Spent", "float"), "Seen": column("Seen", "date") }
        }),
    );
    (scene, sandbox)
}

fn make_field(sandbox: &Sandbox, name: &str, kind: &str) {
    let body = json!({ "name": name, "type": kind, "track_changes": false }).to_string();
    assert_eq!(sandbox.ask("POST", "/person/custom-field/create", "any", body.as_bytes()).unwrap().0, 200);
}

fn has(list: &Value, words: &str) -> bool {
    list.as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains(words))
}

#[tokio::test]
async fn migrate_names_fields_as_the_account_does() {
    let (scene, sandbox) = scene(ortto()).await;
    for (name, kind) in [("value", "decimal"), ("Spent", "decimal"), ("Seen", "date"), ("Company", "text")] {
        make_field(&sandbox, name, kind);
    }
    let cli = Cli::new(scene);
    let (code, out, err) = cli.run(&["migrate", "newsletter", "--to", "ortto", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let export = &made["export"];
    assert_eq!(
        (&made["name"], &made["looked_up"], &made["written"]),
        (&json!("newsletter-ortto"), &json!(true), &json!(false))
    );
    assert_eq!(export["connection"], json!("ortto"));
    assert_eq!(export["segments"][0]["membership"], json!({ "tag": "Gold silver" }));
    assert_eq!((&export["match"]["phone"], &export["match"]["company"]), (&json!("Phone"), &Value::Null));
    assert_eq!(
        export["match"]["custom"],
        json!({
            "value": { "column": "Value", "type": "decimal" },
            "Spent": { "column": "Spent", "type": "decimal" },
            "Seen": { "column": "Seen", "type": "date" },
            "Company": { "column": "FirstName", "type": "string" },
            "Mobile Phone": { "column": "Phone2", "type": "string" },
        })
    );
    for words in [
        "\"Mobile Phone\" (string) is not in the account",
        "journeys stay",
        "smart segments",
        "is subscribed",
        "may start",
    ] {
        assert!(has(&made["by_hand"], words), "{words}: {out}");
    }
    assert_eq!(made["first_fill"], Value::Null, "nobody knows how many people there are");
}

#[tokio::test]
async fn migrate_writes_the_export_and_leaves_the_rest_as_it_was() {
    let (mut scene, sandbox) = scene(ortto()).await;
    let custom = json!({ "Value": { "column": "Value", "type": "integer" } });
    scene.set_export("match", json!({ "email": "EMail", "first_name": "FirstName", "custom": custom }));
    make_field(&sandbox, "Value", "integer");
    let drop = scene.file("members.csv", people(0, 250, 1).as_bytes());
    let path = scene
        .file("odd.json", format!("\u{feff}{}\n\n", serde_json::to_string_pretty(&scene.settings).unwrap()).as_bytes());
    let cli = Cli::with_config(scene, path.clone());
    cli.export(&drop).await;
    let before = std::fs::read_to_string(&path).unwrap();
    let migrate = ["migrate", "newsletter", "--to", "ortto", "--json", "--write"];
    let (code, out, err) = cli.run(&migrate).await;
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let fill = &made["first_fill"];
    assert_eq!((&fill["people"], &made["written"]), (&json!(250), &json!(true)), "{out}");
    let after = std::fs::read_to_string(&path).unwrap();
    let same = before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other).count();
    let (added, rest) = after[same..].split_at(after.len() - before.len());
    assert_eq!(rest, &before[same..], "{added}");
    let config = parse(&after).unwrap();
    assert_eq!(config.exports.keys().collect::<Vec<_>>(), ["newsletter", "newsletter-ortto"]);
    // Both run side by side, and the estimate holds.
    let (code, out, err) = cli.run(&["run", "newsletter-ortto", "--json", "--drop", drop.to_str().unwrap()]).await;
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {err}"));
    let total = report["requests"]["total"].as_u64().unwrap();
    assert!(
        (fill["requests"].as_u64().unwrap()..=fill["requests_at_most"].as_u64().unwrap()).contains(&total),
        "{out}"
    );
    assert_eq!((code, sandbox.contents().members("Gold silver").len()), (0, 250));
    // Twice is refused, and so is what is not there.
    assert_eq!(cli.run(&migrate).await.0, 2);
    assert_eq!(cli.run(&["migrate", "newsletter", "--to", "eu"]).await.0, 2);
    assert_eq!(cli.run(&["migrate", "newsletter", "--to", "otto"]).await.0, 2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
}

#[tokio::test]
async fn migrate_goes_by_names_where_the_account_cannot_be_asked() {
    let (scene, sandbox) = scene(Options { api_key: Some("another".into()), ..ortto() }).await;
    let drop = scene
        .file("members.csv", b"EMail,FirstName,Phone,Phone2,Value,Spent,Seen\na@example.com,A,1,2,3,4.5,2026-01-01\n");
    let cli = Cli::new(scene);
    let (code, out, err) = cli
        .run(&["migrate", "newsletter", "--to", "ortto", "--json", "--as", "gold", "--drop", drop.to_str().unwrap()])
        .await;
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&made["looked_up"], &made["name"]), (&json!(false), &json!("gold")));
    let custom = &made["export"]["match"]["custom"];
    assert_eq!((&custom["Spent"]["type"], &custom["Seen"]["type"]), (&json!("decimal"), &json!("time")), "{out}");
    assert!(has(&made["by_hand"], "was not asked for its fields"), "{out}");
    assert_eq!(made["first_fill"]["people"], json!(1), "{out}");
    assert_eq!(sandbox.contact_count(), 0);
    let (code, out, _) = cli.run(&["migrate", "newsletter", "--to", "ortto"]).await;
    assert!(code == 0 && out.contains("segment \"Newsletter\": tag \"Gold silver\""), "{out}");
}
