//! What comes from outside reaches no terminal as it came: keys, columns, the account's texts, run ids, paths.

use autopilot_export::run::keys;
use autopilot_export::sandbox::Options;
use serde_json::{Value, json};

use super::command::Cli;
use crate::support::fixture::{Scene, people};

/// Turns the text red, hides the cursor, goes right to left.
const ODD: &str = "odd\u{1b}[31m\u{9b}\u{202e}\u{7}x";

fn is_plain(what: &str, (_, out, err): &(i32, String, String)) {
    for text in [out, err] {
        let odd = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert!(odd.is_none(), "{what} prints {odd:?}: {text:?}");
    }
    assert!([out, err].iter().any(|text| text.contains("odd") || text.contains('…')), "{what}: {out}{err}");
}

#[tokio::test]
async fn nothing_from_outside_reaches_a_terminal_as_it_came() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("guards", json!({ "max_reject_share": 1, "unreadable_rows": 9 }));
    let cli = Cli::new(scene);
    let drop = cli.scene.file(&format!("{ODD}.csv"), (people(0, 3, 1) + "no address,Ana,1\n").as_bytes());
    let (code, report) = cli.export(&drop).await;
    assert_eq!(code, 1, "{report}");
    let run = report["run_id"].as_str().unwrap().to_owned();
    for name in ["report.json", "report.html", "run.json"] {
        let text = std::fs::read_to_string(cli.scene.root().join(keys::of_run(&run, name))).unwrap();
        is_plain(name, &(0, text, String::new()));
    }
    // What an account or a newer program may have put into a report.
    let key = cli.scene.root().join(keys::of_run(&run, "report.json"));
    let mut stored: Value = serde_json::from_slice(&std::fs::read(&key).unwrap()).unwrap();
    stored["warnings"] = json!([format!("2 lists have the title \"{ODD}\"")]);
    stored["guards_passed_over"] = json!([ODD]);
    std::fs::write(&key, serde_json::to_vec(&stored).unwrap()).unwrap();
    cli.scene.write(&format!("runs/newsletter/20261126T000000Z-{ODD}-00000000/run.json"), b"{}");
    let path = drop.to_str().unwrap();
    let missing = format!("{path}.gone");
    let columns = cli.scene.file("columns.csv", format!("{ODD},FirstName,Value\na@example.com,Ana,1\n").as_bytes());
    for args in [
        &["report", &run][..],
        &["report", &run, "--json"],
        &["runs"],
        &["runs", "--json"],
        &["runs", ODD, "--clean"],
        &["watch", &format!("20261126T000000Z-{ODD}-00000000")],
        &["report", ODD],
        &["retry", &missing],
        &["run", "newsletter", "--drop", &missing],
        &["run", ODD],
        &["run", "newsletter", "--pass-guard", ODD],
        &["plan", "newsletter", "--drop", columns.to_str().unwrap()],
    ] {
        if args.contains(&"--clean") {
            // There is nothing to name.
            assert!(cli.run(args).await.1.is_empty());
            continue;
        }
        is_plain(&args.join(" "), &cli.run(args).await);
    }
}
