//! `person --history`: what each run decided of somebody, and by which row. Killed at any call, it tells the truth.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use autopilot_export::report::Outcome;
use autopilot_export::run::{Mode, RequestedDrop, RunRequest, keys};
use autopilot_export::sandbox::{AutopilotOptions, Fault, Options, OrttoOptions};
use autopilot_export::state::{Digester, half, hex};
use autopilot_export::steps::person::{History, SENT_AGAIN, Sought, Told, erase, history};
use autopilot_export::steps::{self, Cancellation, HISTORY_DAYS};
use serde_json::{Value, json};

use super::{drop, run};
use crate::cli::command::Cli;
use crate::support::fixture::{EXPORT, LIST, STATE_KEY, Scene, more, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, comparison};

/// Both destinations.
const WAYS: [Way; 2] = [Way::List, Way::Tag];

fn email(number: u32) -> String {
    format!("person.{number}@example.com")
}

async fn of(sim: &Sim, email: &str) -> History {
    history(&sim.world(&Kill::never()), &sim.config, &Sought::read(email).unwrap()).await.unwrap()
}

/// The verdicts on a person, the newest first, each with the line of its row.
async fn verdicts(sim: &Sim, email: &str) -> Vec<(&'static str, Option<u32>)> {
    of(sim, email).await.verdicts.iter().map(|said| (said.verdict, said.line)).collect()
}

async fn last_words(sim: &Sim, email: &str) -> String {
    of(sim, email).await.verdicts.first().map(|said| said.words.clone()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn history_names_the_run_the_verdict_and_the_row() {
    for way in Way::ALL {
        let sim = Sim::of(way, 1);
        let first = drop(&sim, "first", &people(0, 4, 1)).await;
        // Two changes, a leaver, and somebody twice.
        let second = drop(&sim, "second", &(people(0, 2, 2) + &more(2, 3, 1) + &more(0, 1, 9))).await;
        drop(&sim, "third", &people(0, 4, 2)).await;
        let place = format!("{way:?}");
        assert_eq!(verdicts(&sim, &email(1)).await, [("changed", Some(3)), ("joined", Some(3))], "{place}");
        assert_eq!(verdicts(&sim, &email(2)).await, [("changed", Some(4)), ("joined", Some(4))], "{place}");
        let three = [("joined", Some(5)), ("left", None), ("joined", Some(5))];
        assert_eq!(verdicts(&sim, &email(3)).await, three, "{place}");
        let twice = of(&sim, "Person.0@Example.com").await;
        let names: Vec<_> = twice.verdicts.iter().map(|said| (said.verdict, said.line, &*said.run_id)).collect();
        let (first, second) = (first.run_id.as_str(), second.run_id.as_str());
        let mut expected = [("changed", Some(2), second), ("rejected", Some(5), second), ("joined", Some(2), first)];
        if second < first {
            expected.rotate_left(2);
        }
        let sorted = |mut all: Vec<(&'static str, Option<u32>, &str)>| {
            all.sort_unstable();
            all.into_iter().map(|(verdict, line, run)| (verdict, line, run.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(sorted(names), sorted(expected.to_vec()), "{place}");
        let Told { export, segment, source, words, .. } = of(&sim, &email(3)).await.verdicts.pop().unwrap();
        let said = (export.as_str(), segment.as_str(), source.as_deref(), words.as_str());
        assert_eq!(said, (EXPORT, LIST, Some("segments/newsletter/first.csv"), "joined"), "{place}");
        assert_eq!(of(&sim, "nobody@example.com").await, History::default(), "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_names_the_rule_that_suppresses() {
    for way in WAYS {
        let mut sim = Sim::of(way, 1);
        drop(&sim, "first", &people(0, 5, 1)).await;
        sim.set("/exports/newsletter/suppress", json!([{ "column": "Value", "equals": 7 }]));
        sim.set("/exports/newsletter/require", json!([{ "column": "FirstName", "equals": "Ana 1" }]));
        sim.set("/exports/newsletter/suppression_file", json!("lists/stop.txt"));
        sim.store.write("lists/stop.txt", "person.3@example.com\n");
        let rows = "EMail,FirstName,Value\nperson.0@example.com,Ana 1,7\nperson.1@example.com,Ana 1,1\n\
                    person.2@example.com,No,1\nperson.3@example.com,Ana 1,1\nperson.4@example.com,Ana 1,1\n\
                    person.4@example.com,Ana 1,7\n";
        drop(&sim, "second", rows).await;
        for (number, words, line) in [
            (0, "suppressed by suppress, column Value", 2),
            (2, "suppressed by require, column FirstName", 4),
            (3, "suppressed by the suppression file", 5),
        ] {
            let said = of(&sim, &email(number)).await.verdicts;
            let found = said.iter().find(|said| said.verdict == "suppressed").map(|said| (&*said.words, said.line));
            assert_eq!(found, Some((words, Some(line))), "{way:?} {number}: {said:?}");
            assert!(said.iter().any(|said| said.verdict == "left"), "{way:?} {number}: {said:?}");
        }
        let said = of(&sim, &email(4)).await.verdicts;
        assert!(said.iter().any(|said| said.verdict == "suppressed"), "{way:?}: {said:?}");
        assert!(sim.held().values().filter(|(.., is_member)| *is_member).count() == 1, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_names_the_guard_that_withholds() {
    for way in WAYS {
        let mut sim = Sim::of(way, 1);
        drop(&sim, "first", &people(0, 5, 1)).await;
        // Nobody of a drop with an unreadable address leaves.
        drop(&sim, "second", &(people(0, 4, 1) + "no address,Ana,1\n")).await;
        let words = last_words(&sim, &email(4)).await;
        assert_eq!(words, "is not in the drop, and stays: withheld by the guard unreadable_rows", "{way:?}");
        sim.set("/exports/newsletter/guards/max_leavers_share", json!(0.2));
        sim.set("/exports/newsletter/guards/max_profiles", json!(1));
        let report = drop(&sim, "third", &(people(0, 1, 2) + &more(8, 9, 1))).await;
        assert_eq!(report.outcome, Outcome::StoppedByGuard, "{way:?}: {report:?}");
        for (number, was_to, line) in [(0, "be changed", Some(2)), (1, "leave", None), (8, "join", Some(3))] {
            let said = of(&sim, &email(number)).await.verdicts.remove(0);
            let words = format!("was to {was_to}: withheld by the guard max_leavers_share, max_profiles");
            assert_eq!((said.words, said.verdict, said.line), (words, "withheld", line), "{way:?} {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn history_names_refused_rejected_and_limited_rows() {
    for way in WAYS {
        let faults = Fault::parse_list("refuse-rows:person.3@").unwrap();
        let options = match way.is_ortto() {
            true => Options { faults, rate: Some(2000.0), ..OrttoOptions::default().into() },
            false => Options { faults, ..AutopilotOptions { ..AutopilotOptions::default() }.into() },
        };
        let sim = Sim::with(way, options);
        let rows = people(0, 4, 1) + "value@example.com,Ana,many\n";
        let report = drop(&sim, "first", &rows).await;
        assert_eq!((report.rows.rejected, report.rows.delivered), (2, 3), "{way:?}: {report:?}");
        assert_eq!(verdicts(&sim, &email(3)).await, [("refused", Some(5))], "{way:?}");
        assert_eq!(last_words(&sim, &email(3)).await, "was to join: refused by the account", "{way:?}");
        assert_eq!(last_words(&sim, "value@example.com").await, "rejected: invalid_value", "{way:?}");
        let mut request = sim.drop("second", &(people(0, 3, 1) + &more(5, 7, 1)));
        request.terms.limit = Some(1);
        run(&sim.world(&Kill::never()), &sim, &request).await;
        assert_eq!(verdicts(&sim, &email(5)).await, [("joined", Some(5))], "{way:?}");
        assert_eq!(verdicts(&sim, &email(6)).await, [("not_sent", Some(6))], "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_names_the_segment_and_an_opt_out() {
    for way in WAYS {
        let mut sim = Sim::of(way, 1);
        let segment = |name: &str, mark: &str| json!({ "name": name, "prefix": format!("segments/{name}/"), "membership": way.membership_of(mark) });
        sim.set("/exports/newsletter/segments", json!([segment(LIST, LIST), segment("VIP", "Others")]));
        sim.set("/exports/newsletter/match/unsubscribed", json!("Out"));
        let rows = |out: &str, value: &str| {
            format!("EMail,FirstName,Value,Out\nperson.1@example.com,Ana,1,\nperson.2@example.com,Bo,{value},{out}\n")
        };
        let mut names = Vec::new();
        for (name, body) in [("first", rows("", "1")), ("second", rows("true", "many"))] {
            let mut asked = sim.drop(name, &body);
            let key = format!("segments/VIP/{name}.csv");
            sim.store.write(&key, "EMail,FirstName,Value,Out\nperson.2@example.com,Bo,1,\n");
            asked.drops.push(RequestedDrop { segment: "VIP".into(), key, version: None, is_empty: false });
            run(&sim.world(&Kill::never()), &sim, &asked).await;
            let said = of(&sim, &email(2)).await.verdicts.into_iter().filter(|said| said.run_id == asked.run_id);
            let mut of_run: Vec<_> = said.map(|said| (said.segment, said.verdict, said.line)).collect();
            of_run.sort();
            names.push(of_run);
        }
        let segments = |verdict, line| [(LIST.to_owned(), verdict, line), ("VIP".to_owned(), verdict, Some(2))];
        assert_eq!(names[0], segments("joined", Some(3)), "{way:?}");
        assert!(names[1].contains(&(LIST.to_owned(), "rejected", Some(3))), "{way:?}: {names:?}");
        assert!(
            names[1].iter().any(|(_, verdict, _)| ["opted_out", "changed"].contains(verdict)),
            "{way:?}: {names:?}"
        );
    }
}

/// Yesterday's members are in place; today's drop has joiners, changes, leavers and rejects.
async fn yesterday(way: Way) -> (Sim, RunRequest) {
    let mut sim = Sim::of(way, 1);
    sim.pace(2000, 2);
    sim.set("/exports/newsletter/guards/unreadable_rows", json!(1));
    drop(&sim, "yesterday", &people(0, 5, 1)).await;
    let today = people(2, 3, 1) + "person.3@example.com,Changed,2\nno address,Ana,1\nvalue@example.com,Ana,many\n";
    let request = sim.drop("today", &(today + &more(10, 16, 1)));
    (sim, request)
}

/// Who is in either drop.
fn everybody() -> Vec<String> {
    (0..5).chain(10..16).map(email).chain(["value@example.com".to_owned()]).collect()
}

async fn of_run(sim: &Sim, run_id: &str) -> BTreeMap<String, Vec<(&'static str, Option<u32>)>> {
    let mut all = BTreeMap::new();
    for email in everybody() {
        let said = of(sim, &email).await.verdicts.into_iter().filter(|said| said.run_id == run_id);
        all.insert(email, said.map(|said| (said.verdict, said.line)).collect());
    }
    all
}

/// Whom the account has on the list.
fn is_on_the_list(sim: &Sim, email: &str) -> bool {
    sim.held().get(email).is_some_and(|(.., is_member)| *is_member)
}

/// Promise 2: "Nothing is lost. Stop the program after any request, at any step, any number of times".
#[tokio::test(start_paused = true)]
async fn history_is_the_same_killed_at_every_call() {
    for way in WAYS {
        let (sim, request) = yesterday(way).await;
        let never = Kill::never();
        never.count_only_writes();
        run(&sim.world(&never), &sim, &request).await;
        let whole = of_run(&sim, &request.run_id).await;
        assert_eq!((&*whole[&email(10)], &*whole[&email(0)]), (&[("joined", Some(6))][..], &[("left", None)][..]));
        assert_eq!((&*whole[&email(3)], &*whole[&email(2)]), (&[("changed", Some(3))][..], &[][..]));
        for at in 1..=never.calls() {
            let (sim, request) = yesterday(way).await;
            let kill = Kill::new(at, at % 2 == 0);
            kill.count_only_writes();
            let world = sim.world(&kill);
            tokio::select! {
                biased;
                () = kill.reached() => {}
                done = run(&world, &sim, &request) => panic!("{way:?}: {at}: never came there: {done:?}"),
            }
            sim.leases.end_all();
            let place = format!("{way:?} killed at {at}");
            // What is said now was confirmed.
            for (email, said) in of_run(&sim, &request.run_id).await {
                for (verdict, _) in said {
                    assert!(verdict != "joined" || is_on_the_list(&sim, &email), "{place}: {email}");
                    assert!(verdict != "left" || !is_on_the_list(&sim, &email), "{place}: {email}");
                }
            }
            run(&sim.world(&Kill::never()), &sim, &request).await;
            assert_eq!(of_run(&sim, &request.run_id).await, whole, "{place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn history_of_a_run_that_died_claims_what_was_confirmed() {
    for way in WAYS {
        let (sim, request) = yesterday(way).await;
        let never = Kill::never();
        run(&sim.world(&never), &sim, &request).await;
        for at in (1..=never.calls()).step_by(3) {
            let (sim, request) = yesterday(way).await;
            let kill = Kill::new(at, at % 2 == 0);
            let world = sim.world(&kill);
            tokio::select! {
                biased;
                () = kill.reached() => {}
                done = run(&world, &sim, &request) => panic!("{way:?}: {at}: never came there: {done:?}"),
            }
            sim.leases.end_all();
            // Another drop with the same people: who joined in the run that died does not join again.
            let next = drop(&sim, "tomorrow", &(people(2, 4, 2) + &more(10, 16, 1))).await;
            let (before, now) = (of_run(&sim, &request.run_id).await, of_run(&sim, &next.run_id).await);
            for number in 10..16 {
                let email = email(number);
                let joined =
                    |said: &BTreeMap<String, Vec<_>>| said[&email].iter().filter(|(v, _)| *v == "joined").count();
                let place = format!("{way:?} killed at {at}: {email}: {:?} {:?}", before[&email], now[&email]);
                assert_eq!(joined(&before) + joined(&now), 1, "{place}");
                assert!(!before[&email].iter().any(|(verdict, _)| *verdict == "planned"), "{place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn history_names_whom_reconcile_took_over() {
    for way in WAYS {
        let sim = Sim::of(way, 1);
        drop(&sim, "first", &people(0, 5, 1)).await;
        // The state is lost, and all that is known of runs.
        sim.store.keys().iter().filter(|key| !key.starts_with("segments/")).for_each(|key| sim.store.remove(key));
        let request = comparison("adopt", Mode::Adopt);
        let world = sim.world(&Kill::never());
        steps::reconcile(&world, &sim.config, &request, &Cancellation::default()).await.unwrap();
        let History { verdicts: said, not_recorded, unreadable } = of(&sim, &email(4)).await;
        assert_eq!((said.len(), not_recorded.len() + unreadable.len()), (1, 0), "{way:?}: {said:?}");
        assert_eq!((&*said[0].run_id, said[0].verdict), (&*request.run_id, "found_there"), "{way:?}");
        drop(&sim, "second", &people(0, 4, 1)).await;
        let names: Vec<_> = verdicts(&sim, &email(4)).await.into_iter().map(|(verdict, _)| verdict).collect();
        assert!(names.contains(&"left") && names.contains(&"found_there"), "{way:?}: {names:?}");
        erase(&sim.world(&Kill::never()), &sim.config, &Sought::read(&email(4)).unwrap(), false).await.unwrap();
        assert_eq!(of(&sim, &email(4)).await.verdicts, [], "{way:?}");
        assert_eq!(of(&sim, &email(3)).await.verdicts.len(), 2, "{way:?}");
    }
}

/// Promise 10: "No secret and no personal data".
#[tokio::test(start_paused = true)]
async fn history_holds_no_address_and_no_value() {
    for way in WAYS {
        let (sim, request) = yesterday(way).await;
        run(&sim.world(&Kill::never()), &sim, &request).await;
        let names: Vec<String> = sim.store.keys().into_iter().filter(|key| keys::is_history(key)).collect();
        assert_eq!(names.len(), 2, "{way:?}");
        for name in names {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&*sim.store.body(&name).unwrap()).read_to_end(&mut text).unwrap();
            for secret in ["@example", "example.com", "person.", "Ana", "Changed", "many", STATE_KEY] {
                let is_in = text.windows(secret.len()).any(|part| part.eq_ignore_ascii_case(secret.as_bytes()));
                assert!(!is_in, "{way:?} {name}: {secret}");
            }
            let digest = half(&Digester::new(STATE_KEY).unwrap().profile(&email(10)));
            let is_keyed = text.windows(16).any(|part| part == digest);
            assert!(is_keyed || !name.contains(&request.run_id), "{way:?}: {}", hex(&digest));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn erase_takes_a_person_out_of_the_history() {
    for way in WAYS {
        let (sim, request) = yesterday(way).await;
        run(&sim.world(&Kill::never()), &sim, &request).await;
        let (others, gone) = (of(&sim, &email(11)).await, email(10));
        assert!(!of(&sim, &gone).await.verdicts.is_empty());
        erase(&sim.world(&Kill::never()), &sim.config, &Sought::read(&gone).unwrap(), false).await.unwrap();
        assert_eq!(of(&sim, &gone).await.verdicts, [], "{way:?}");
        assert_eq!(of(&sim, &email(11)).await, others, "{way:?}");
        // Nor does a later drop bring the person back into it.
        drop(&sim, "after", &(people(10, 16, 5) + &more(10, 11, 6))).await;
        assert_eq!(of(&sim, &gone).await.verdicts, [], "{way:?}");
        assert_eq!(of(&sim, &email(11)).await.verdicts[0].verdict, "changed", "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_is_kept_400_days() {
    assert_eq!(HISTORY_DAYS, 400);
    let sim = Sim::of(Way::List, 1);
    let first = drop(&sim, "first", &people(0, 5, 1)).await;
    let kept = || sim.store.body(&keys::history(&first.run_id)).is_some();
    // The store's clock stands still, an hour before the run's.
    for (name, days, is_kept) in [("second", 399, true), ("third", 2, false)] {
        tokio::time::advance(Duration::from_secs(days * 86_400)).await;
        drop(&sim, name, &people(0, 5, 1)).await;
        assert_eq!(kept(), is_kept, "{name}");
    }
    assert!(sim.store.body(&keys::of_run(&first.run_id, "report.json")).is_some());
}

#[tokio::test(start_paused = true)]
async fn history_of_runs_of_a_version_before_is_not_recorded() {
    let sim = Sim::of(Way::List, 1);
    let first = drop(&sim, "first", &people(0, 5, 1)).await;
    let nothing_new = drop(&sim, "second", &people(0, 5, 1)).await;
    assert_eq!(nothing_new.outcome, Outcome::NothingToDo);
    assert_eq!(of(&sim, &email(1)).await.not_recorded, [""; 0]);
    let key = keys::of_run(&first.run_id, "run.json");
    let mut run: Value = serde_json::from_slice(&sim.store.body(&key).unwrap()).unwrap();
    run.as_object_mut().unwrap().remove("recorded").unwrap();
    sim.store.write(&key, run.to_string());
    sim.store.remove(&keys::history(&first.run_id));
    let History { verdicts, not_recorded, unreadable } = of(&sim, &email(1)).await;
    assert_eq!((verdicts, not_recorded, unreadable.len()), (Vec::new(), vec![first.run_id.clone()], 0));
    // One that is damaged is named, and stands in nobody's way.
    sim.store.write(&keys::history(&first.run_id), "damaged");
    assert_eq!(of(&sim, &email(1)).await.unreadable, [first.run_id]);
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_without_a_history_that_is_damaged() {
    for body in [None, Some("damaged")] {
        let (sim, request) = yesterday(Way::List).await;
        let kill = Kill::new(60, true);
        let world = sim.world(&kill);
        tokio::select! {
            biased;
            () = kill.reached() => {}
            done = run(&world, &sim, &request) => panic!("{done:?}"),
        }
        sim.leases.end_all();
        let key = keys::history(&request.run_id);
        assert!(sim.store.body(&key).is_some());
        match body {
            Some(body) => assert!(!sim.store.write(&key, body).is_empty()),
            None => sim.store.remove(&key),
        }
        let report = run(&sim.world(&Kill::never()), &sim, &request).await;
        assert_eq!(report.outcome, Outcome::SucceededWithRejects, "{report:?}");
    }
}

#[tokio::test]
async fn person_history_is_a_command() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.file("first.csv", people(0, 5, 1).as_bytes());
    let (code, report) = cli.export(&first).await;
    assert_eq!(code, 0);
    let args = ["person", "person.1@example.com", "--offline", "--history"];
    let (code, out, err) = cli.run(&args).await;
    let run_id = report["run_id"].as_str().unwrap();
    let line = out.lines().find(|line| line.contains(run_id)).unwrap_or_else(|| panic!("{out}{err}"));
    assert!(line.contains("Newsletter: joined; row at line 3 of file:") && line.ends_with("first.csv"), "{line}");
    assert!(code == 0 && out.contains("the newest first"), "{out}{err}");
    let (code, out, err) = cli.run(&[&args[..], &["--json"]].concat()).await;
    let shown: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let said = &shown["history"]["verdicts"][0];
    assert_eq!((code, &said["verdict"], &said["line"]), (0, &json!("joined"), &json!(3)), "{shown}");
    let (_, out, _) = cli.run(&["person", "nobody@example.com", "--offline", "--history"]).await;
    assert!(out.contains("no run has recorded anything of this person"), "{out}");
    let digest = half(&Digester::new(STATE_KEY).unwrap().profile(&email(1)));
    let holding = || {
        let kept = std::fs::read_dir(cli.scene.root().join(keys::run(run_id))).unwrap();
        let read = kept.filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
        read.filter(|body| body.windows(16).any(|part| part == digest)).count()
    };
    assert_eq!(holding(), 1);
    assert_eq!(cli.run(&["erase", "person.1@example.com", "--yes", "person.1@example.com"]).await.0, 0);
    let (_, out, _) = cli.run(&args).await;
    assert!(holding() == 0 && out.contains("no run has recorded anything of this person"), "{out}");
}

#[tokio::test]
async fn history_says_that_a_row_was_sent_again() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.file("first.csv", (people(0, 5, 1) + "ann@example.com,Ann,many\n").as_bytes());
    let (code, report) = cli.export(&first).await;
    assert_eq!(code, 1);
    let rejects = cli.scene.root().join(keys::of_run(report["run_id"].as_str().unwrap(), "rejects.csv"));
    let corrected = std::fs::read_to_string(&rejects).unwrap().replace("many", "3");
    let corrected = cli.scene.file("corrected.csv", corrected.as_bytes());
    let (code, out, err) = cli.run(&["retry", corrected.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{out}{err}");
    let (_, out, err) = cli.run(&["person", "ann@example.com", "--offline", "--history", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let said = shown["history"]["verdicts"].as_array().unwrap();
    let of = |verdict: &str| {
        said.iter().find(|said| said["verdict"] == verdict).unwrap_or_else(|| panic!("{verdict}: {shown}"))
    };
    assert_eq!(of("joined")["source"], SENT_AGAIN);
    assert!(
        of("rejected")["source"].as_str().unwrap().ends_with("first.csv") && of("rejected")["line"] == 7,
        "{shown}"
    );
    assert!(!of("joined")["words"].as_str().unwrap().contains("ann@"), "{shown}");
}
