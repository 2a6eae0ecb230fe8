//! Random drops and random faults against a model that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use autopilot_export::error::Kind;
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::RunRequest;
use autopilot_export::sandbox::{BulkLists, Fault, Options};
use fastrand::Rng;
use futures_util::stream::{StreamExt, iter};
use serde_json::json;

use crate::support::fixture::Scene;

/// A row of a drop. Emails are few, so that rows meet again.
#[derive(Clone, Debug)]
struct Row {
    email: String,
    name: String,
    value: String,
    whole: bool,
}

/// The model: who is on the list and with which fields, after a drop was delivered; and the rows that are rejected.
#[derive(Clone, Debug, Default)]
struct Model {
    members: BTreeMap<String, (String, String)>,
    /// The unreadable rows of the last drop whose leavers were removed.
    unreadable: usize,
}

fn apply(model: &mut Model, rows: &[Row], quiet: &str) -> usize {
    let members = &mut model.members;
    let readable = |row: &&Row| row.whole && row.email.contains('@');
    let unreadable = rows.iter().filter(|row| !readable(row)).count();
    // One row that says no counts for all rows of its address.
    let is_quiet = |row: &&Row| row.name == quiet;
    let suppressed: BTreeSet<String> =
        rows.iter().filter(readable).filter(is_quiet).map(|row| row.email.to_lowercase()).collect();
    let mut seen = BTreeSet::new();
    let mut stay = BTreeSet::new();
    let mut rejected = unreadable;
    for row in rows.iter().filter(readable) {
        let email = row.email.to_lowercase();
        match row.value.parse::<i64>() {
            _ if !seen.insert(email.clone()) => rejected += 1,
            _ if suppressed.contains(&email) => drop(members.remove(&email)),
            Ok(_) => drop((stay.insert(email.clone()), members.insert(email, (row.name.clone(), row.value.clone())))),
            Err(_) => drop((stay.insert(email), rejected += 1)),
        }
    }
    if unreadable <= model.unreadable + model.unreadable / 20 {
        members.retain(|email, _| stay.contains(email));
    }
    if members.keys().all(|email| stay.contains(email)) {
        model.unreadable = unreadable;
    }
    rejected
}

fn rows(random: &mut Rng) -> Vec<Row> {
    let population = random.u32(1..60);
    let row = |random: &mut Rng| {
        let number = random.u32(0..population);
        let name = random.choice(["Ana", "Zoë", "O'Neill", "Quiet", "a \"b\", c"]).unwrap();
        Row {
            email: match random.u8(0..40) {
                0 => String::new(),
                1 => "no address".into(),
                2 => format!("Person.{number}@Example.com"),
                _ => format!("person.{number}@example.com"),
            },
            name: name.into(),
            value: if random.u8(0..30) == 0 { "many".into() } else { random.u8(0..3).to_string() },
            whole: random.u8(0..150) > 0,
        }
    };
    (0..random.u32(1..130)).map(|_| row(random)).collect()
}

fn text(rows: &[Row]) -> String {
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let lines = rows.iter().map(|row| {
        let cells = [&row.email, &row.name, &row.value].map(|cell| quoted(cell));
        cells[..if row.whole { 3 } else { 2 }].join(",") + "\r\n"
    });
    format!("EMail,FirstName,Value\r\n{}", lines.collect::<String>())
}

fn faults(random: &mut Rng) -> Vec<Fault> {
    let kinds = ["429", "500", "408", "504", "cut-before", "cut-after", "truncate", "garbage", "html", "drop-rows"];
    let chosen = (0..random.usize(0..3)).map(|_| {
        let share = f64::from(random.u8(0..10)) / 100.0;
        format!("{}:{share}", random.choice(kinds).unwrap())
    });
    let text: Vec<String> = chosen.collect();
    Fault::parse_list(&text.join(",")).unwrap()
}

async fn story(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let lists = [BulkLists::Always, BulkLists::CreateOnly, BulkLists::Never];
    let mut options = Options { seed, ..Options::default() };
    options.autopilot.bulk_lists = random.choice(lists).unwrap();
    options.autopilot.single_lists = random.choice(lists).unwrap();
    let field = random.u8(0..3) == 0;
    let mut scene = Scene::new(options).await;
    if field {
        scene.set_membership(json!({ "field": "Reader" }));
    }
    scene.set_connection("lanes", json!(random.u32(1..5)));
    scene.set_export("suppress", json!([{ "column": "FirstName", "equals": "Quiet" }]));
    let mut model = Model::default();
    for number in 0..3 {
        let place = format!("seed {seed}, drop {number}");
        let rows = rows(&mut random);
        let request = scene.drop(text(&rows));
        let before = model.clone();
        let rejected = apply(&mut model, &rows, "Quiet");
        scene.sandbox.set_faults(faults(&mut random));
        let mut report = scene.run(&request).await;
        check(&report, &rows, &place);
        if report.outcome == Outcome::Failed {
            assert_eq!(report.error.as_ref().map(|error| error.kind), Some(Kind::Unavailable), "{place}: {report:?}");
        }
        let refused = report.rejects.iter().any(|(code, count)| code.name() == "refused" && *count > 0);
        if refused || report.outcome == Outcome::Failed {
            // What a lost row or an outage left over, the next run of the same drop makes good.
            scene.sandbox.clear_faults();
            report = scene.run(&RunRequest { run_id: scene.drop("").run_id, ..request }).await;
            check(&report, &rows, &place);
        }
        assert_eq!((report.rows.rejected, report.rows.pending), (rejected as u64, 0), "{place}: {report:?}");
        let held = scene.held();
        let marked = |(_, custom, on_list): &(_, serde_json::Value, bool)| {
            if field { custom["Reader"] == true } else { *on_list }
        };
        let members: BTreeSet<&String> =
            held.iter().filter(|(_, contact)| marked(contact)).map(|(email, _)| email).collect();
        assert_eq!(members, model.members.keys().collect(), "{place}: {report:?}\nbefore: {:?}", before.members.keys());
        for (email, (name, value)) in &model.members {
            let (fields, custom, _) = &held[email];
            assert_eq!(
                (&fields["FirstName"], &custom["Value"]),
                (&json!(name), &json!(value.parse::<i64>().unwrap())),
                "{place}"
            );
        }
        assert_eq!(scene.state().len(), model.members.len(), "{place}");
    }
}

// Promise 1, in every run: "`read = delivered + unchanged + rejected + suppressed + pending`".
fn check(report: &Report, rows: &[Row], place: &str) {
    assert_eq!(report.rows.read, rows.len() as u64, "{place}: {report:?}");
    assert!(report.rows.add_up(), "{place}: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_drops_and_faults_end_as_the_model_says() {
    iter(1..=30_u64).for_each_concurrent(10, story).await;
}
