use std::collections::BTreeSet;
use std::sync::Mutex;

use secrecy::SecretString;

use super::*;
use crate::adapters::http::HttpClient;
use crate::adapters::local::{FileLeases, Folder, LocalSecrets};
use crate::entry::environment::Adapters;
use crate::ports::{Clock, Leases, PutMode};
use crate::report::codes;
use crate::sandbox::{BulkLists, Options, Sandbox};

/// Starts nothing, and remembers what it was asked for.
#[derive(Default)]
struct Recorded(Mutex<Vec<RunRequest>>, Mutex<Vec<Value>>);

impl Executions for Recorded {
    async fn start(&self, run_id: &str, input: &str) -> Result<String> {
        let input: Value = serde_json::from_str(input).unwrap();
        match input.get("run") {
            Some(run) => self.0.lock().unwrap().push(serde_json::from_value(run.clone()).unwrap()),
            None => self.1.lock().unwrap().push(input),
        }
        Ok(format!("execution:{run_id}"))
    }

    async fn is_known(&self, _run_id: &str) -> Result<bool> {
        Ok(true)
    }
}

type Here = Function<Adapters<Folder, FileLeases, LocalSecrets, HttpClient>, Recorded>;

async fn function(root: &std::path::Path, sandbox: &Sandbox) -> Here {
    let env = Adapters {
        store: Folder::new(root),
        leases: FileLeases::new(root),
        secrets: LocalSecrets::new(Some(SecretString::from("a-key")), root),
        http: HttpClient::default(),
        clock: Clock::System,
        observer: Box::new(Logged),
    };
    let config = include_bytes!("../../../exports.json");
    env.store().put(keys::CONFIG, config.as_slice().into(), PutMode::Overwrite).await.unwrap();
    Function {
        env,
        executions: Recorded::default(),
        deployment: "d".into(),
        bucket: "b".into(),
        base_urls: vec![(Api::Autopilot, sandbox.url())],
    }
}

async fn ask(function: &Here, event: Value) -> Result<Value> {
    let until = Timestamp::now().checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
    function.answer(event, &Invocation { request_id: "r".into(), until }).await
}

async fn drop_file(function: &Here, text: &str) -> Value {
    let key = "segments/newsletter/members.csv";
    function.env.store().put(key, text.to_owned().into(), PutMode::Overwrite).await.unwrap();
    let event: Value = serde_json::from_str(include_str!("../../../events/s3-object-created.json")).unwrap();
    let started = ask(function, event).await.unwrap();
    let run_id = &started["started"][0]["run_id"];
    assert_eq!(started["started"][0]["execution"], json!(format!("execution:{}", run_id.as_str().unwrap())));
    serde_json::to_value(function.executions.0.lock().unwrap().last().unwrap()).unwrap()
}

const TWO: &str = "EMail,FirstName,LastName,Telephone1,LifetimeValue\na@example.com,A,B,,1\nb@example.com,B,C,,2\n";

async fn sandbox(key: Option<&str>) -> Sandbox {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let options = Options { api_key: key.map(str::to_owned), ..Options::default() };
    crate::sandbox::serve(listener, options).await
}

#[tokio::test]
async fn an_event_starts_a_run_and_its_steps_end_in_a_report() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let run = drop_file(&function, TWO).await;
    let run_id = run["run_id"].clone();
    let prepared = ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    assert_eq!(prepared, json!({ "status": "ready", "run_id": run_id }));
    let opened = ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
    assert_eq!(opened["lanes"]["bucket"], "b");
    for lane in 0..opened["lanes"]["count"].as_u64().unwrap() {
        let step = json!({ "step": "deliver", "run_id": run_id, "lane": lane });
        let delivered = ask(&function, step).await.unwrap();
        assert_eq!(delivered, json!({ "done": true, "run_id": run_id, "lane": lane }));
    }
    let finished = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["rows"]["delivered"]), (&json!("succeeded"), &json!(2)));
    let again = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
    assert_eq!(again, finished, "twice is once");
    let prepared = ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    assert_eq!((&prepared["status"], &prepared["outcome"]), (&json!("done"), &json!("succeeded")));
    sandbox.stop().await;
}

#[tokio::test]
async fn lanes_are_called_again_where_joiners_are_not_on_their_list() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    sandbox.change(|options| (options.rate, options.autopilot.bulk_lists) = (Some(100.0), BulkLists::Always));
    let function = function(folder.path(), &sandbox).await;
    deploy(&function, &[("\"requests_per_second\": 5", "\"requests_per_second\": 100, \"lanes\": 1")]).await;
    let rows: String = (0..60).map(|number| format!("p{number}@example.com,A,B,,{number}\n")).collect();
    let run = drop_file(&function, &format!("EMail,FirstName,LastName,Telephone1,LifetimeValue\n{rows}")).await;
    let run_id = run["run_id"].clone();
    ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    let opened = ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
    let deliver = json!({ "step": "deliver", "run_id": run_id, "lane": 0 });
    ask(&function, deliver.clone()).await.unwrap();
    // As if the account had only now stopped adding them.
    let contents = sandbox.contents();
    for contact in &contents.contacts {
        let path = format!("list/{}/contact/{}", contents.lists[0].id, contact.id);
        sandbox.ask("DELETE", &path, "a-key", b"").unwrap();
    }
    let finish = json!({ "step": "finish", "run_id": run_id });
    // Asked twice, as by a workflow that did not hear the answer.
    for _ in 0..2 {
        let again = ask(&function, finish.clone()).await.unwrap();
        assert_eq!(again, with_status("again", opened.clone()));
    }
    ask(&function, deliver).await.unwrap();
    let finished = ask(&function, finish).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["rows"]["delivered"]), (&json!("succeeded"), &json!(60)), "{finished}");
    assert_eq!(sandbox.contents().members("Newsletter").len(), 60);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_guard_ends_a_run_in_prepare_and_says_why() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let run = drop_file(&function, "EMail,FirstName,LastName,Telephone1,LifetimeValue\n").await;
    let prepared = ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    assert_eq!((&prepared["status"], &prepared["outcome"]), (&json!("done"), &json!("stopped_by_guard")));
    assert_eq!(prepared["error"]["kind"], "guard");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_reported_as_access_and_releases_the_lease() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(Some("another-key")).await);
    let function = function(folder.path(), &sandbox).await;
    let run = drop_file(&function, TWO).await;
    let run_id = run["run_id"].clone();
    ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    let error = ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap_err();
    assert_eq!(error.kind.name(), "access");
    let cause = json!({ "errorType": "access", "errorMessage": error.chain() }).to_string();
    let caught = json!({ "Error": "access", "Cause": cause });
    let finished = ask(&function, json!({ "step": "finish", "run_id": run_id, "error": caught })).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["error"]["kind"]), (&json!("failed"), &json!("access")));
    assert_eq!(finished["error"]["message"], json!(error.chain()));
    assert!(function.env.leases.take("autopilot-eu", "another").await.unwrap());
    sandbox.stop().await;
}

#[tokio::test]
async fn a_request_on_demand_that_is_delivered_again_is_the_same_run() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let event = json!({ "export": "newsletter", "full": true });
    let first = ask(&function, event.clone()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(ask(&function, event.clone()).await.unwrap(), first);
    let another = Invocation { request_id: "another".into(), until: Timestamp::MAX };
    let started = function.answer(event, &another).await.unwrap();
    assert_ne!(started["started"][0]["run_id"], first["started"][0]["run_id"]);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_run_that_a_person_stops_sends_nothing_and_says_so() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let run = drop_file(&function, TWO).await;
    let run_id = run["run_id"].clone();
    ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
    crate::steps::mark_stopped(&function.env, run_id.as_str().unwrap()).await.unwrap();
    let delivered = ask(&function, json!({ "step": "deliver", "run_id": run_id, "lane": 0 })).await.unwrap();
    assert_eq!((&delivered["done"], sandbox.contact_count()), (&json!(true), 0), "nobody calls the lane again");
    let finished = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["rows"]["pending"]), (&json!("stopped"), &json!(2)));
    let error = ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap_err();
    assert_eq!(error.kind, Kind::Stopped);
    sandbox.stop().await;
}

/// Deploys the configuration with these texts replaced.
async fn deploy(function: &Here, replaced: &[(&str, &str)]) {
    let mut text = include_str!("../../../exports.json").to_owned();
    for (old, new) in replaced {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    function.env.store().put(keys::CONFIG, text.into(), PutMode::Overwrite).await.unwrap();
}

// DESIGN: a run ends under the configuration it began with, but for what makes it more careful.
#[tokio::test]
async fn a_run_ends_under_the_configuration_it_began_with() {
    for (at, replaced) in [
        (
            "open",
            &[("\"list\": \"Newsletter\"", "\"list\": \"Another\""), ("\"email\": \"EMail\"", "\"email\": \"Mail\"")][..],
        ),
        ("deliver", &[("\"list\": \"Newsletter\"", "\"list\": \"Another\"")]),
        ("deliver", &[("{", "not JSON")]),
    ] {
        let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
        let function = function(folder.path(), &sandbox).await;
        let run = drop_file(&function, TWO).await;
        let run_id = run["run_id"].clone();
        let steps = [
            json!({ "step": "prepare", "run": run }),
            json!({ "step": "open", "run_id": run_id }),
            json!({ "step": "deliver", "run_id": run_id, "lane": 0 }),
            json!({ "step": "finish", "run_id": run_id }),
        ];
        let mut last = Value::Null;
        for step in steps {
            if step["step"] == at {
                deploy(&function, replaced).await;
            }
            last = ask(&function, step).await.unwrap();
        }
        assert_eq!((&last["outcome"], &last["rows"]["delivered"]), (&json!("succeeded"), &json!(2)), "{at}");
        assert_eq!(sandbox.contents().members("Newsletter").len(), 2, "{at}");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn what_makes_a_run_more_careful_counts_at_once() {
    for (replaced, outcome) in [
        (("\"enabled\": true", "\"enabled\": false"), "stopped"),
        (("\"newsletter\": {", "\"another\": {"), "stopped"),
        ((",\n      \"consent\": { \"agreed_by\": \"dpo@example.com\", \"agreed_on\": \"2026-11-23\" }", ""), "failed"),
        (("\"schedule\"", "\"suppress\": [{ \"column\": \"LastName\", \"equals\": \"B\" }], \"schedule\""), "failed"),
    ] {
        let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
        let function = function(folder.path(), &sandbox).await;
        let run = drop_file(&function, TWO).await;
        let run_id = run["run_id"].clone();
        ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
        ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
        deploy(&function, &[replaced]).await;
        let delivered = ask(&function, json!({ "step": "deliver", "run_id": run_id, "lane": 0 })).await;
        assert!(delivered.is_err(), "{replaced:?}");
        let finished = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
        assert_eq!(finished["outcome"], json!(outcome), "{replaced:?}");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_first_object_out_of_place_is_reported_once() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let event =
        include_str!("../../../events/s3-object-created.json").replace("segments/newsletter", "segments/newsleter");
    for _ in 0..2 {
        let answer = ask(&function, serde_json::from_str(&event).unwrap()).await.unwrap();
        assert_eq!(answer["ignored"].as_array().unwrap().len(), 1, "{answer}");
    }
    let inputs = std::mem::take(&mut *function.executions.1.lock().unwrap());
    let message = inputs[0].pointer("/last/answer/message").unwrap();
    assert_eq!((inputs.len(), &message["subject"]), (1, &json!("d: a file is where nothing is read")));
    assert!(message["body"].as_str().unwrap().contains("segments/newsleter/"), "{message}");
    sandbox.stop().await;
}

#[tokio::test]
async fn each_change_has_one_message_to_people() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let empty = "EMail,FirstName,LastName,Telephone1,LifetimeValue\n";
    let (mut subjects, mut keys) = (Vec::new(), BTreeSet::new());
    for text in [TWO, empty, empty, TWO, TWO] {
        let mut run = drop_file(&function, text).await;
        run["run_id"] = json!(crate::run::run_id(Timestamp::now(), "newsletter", &format!("{}", subjects.len())));
        run["drops"] = json!([]);
        let run_id = run["run_id"].clone();
        let mut ended = ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
        if ended["status"] == "ready" {
            ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
            ask(&function, json!({ "step": "deliver", "run_id": run_id, "lane": 0 })).await.unwrap();
            ended = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
        }
        let again = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
        assert_eq!(again["message"], ended["message"], "twice is once");
        keys.extend(ended.as_object().unwrap().keys().cloned());
        subjects.push(ended["message"]["subject"].clone());
    }
    let expected = [
        json!(null),
        json!("d: newsletter: stopped by a guard"),
        json!(null),
        json!("d: newsletter: recovered"),
        json!(null),
    ];
    assert_eq!(subjects, expected);
    let compared = compared(&function, json!({ "reconcile": "newsletter" })).await.unwrap();
    keys.extend(compared.as_object().unwrap().keys().cloned());
    // EventBridge gets what the page lists.
    let page = include_str!("../../../docs/OPERATIONS.md").split_once("| key | content |").unwrap().1;
    let page = page.split_once("\n\n").unwrap().0;
    let named = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(page.lines().filter_map(|line| line.split('|').nth(1)).flat_map(named).collect::<BTreeSet<_>>(), keys);
    let all = named(page);
    let outcomes = codes::all().into_iter().filter(|code| code.class == codes::Class::Outcome);
    let rows = serde_json::to_value(crate::report::Rows::default()).unwrap();
    for value in outcomes.map(|code| code.name).chain(rows.as_object().unwrap().keys().cloned()) {
        assert!(all.contains(&value), "{value}");
    }
    sandbox.stop().await;
}

/// Delivers an event that asks for a comparison, and carries it out.
async fn compared(function: &Here, event: Value) -> Result<Value> {
    let another = Invocation { request_id: format!("{}", fastrand::u64(..)), until: Timestamp::MAX };
    let started = function.answer(event, &another).await?;
    assert_eq!(started["started"].as_array().unwrap().len(), 1, "{started}");
    let run = function.executions.0.lock().unwrap().last().unwrap().clone();
    assert_eq!(started["started"][0]["run_id"], json!(run.run_id));
    ask(function, json!({ "step": "reconcile", "run": run })).await
}

/// Two people are on the list.
async fn two_members(function: &Here) {
    let run = drop_file(function, TWO).await;
    let run_id = run["run_id"].clone();
    ask(function, json!({ "step": "prepare", "run": run })).await.unwrap();
    ask(function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
    ask(function, json!({ "step": "deliver", "run_id": run_id, "lane": 0 })).await.unwrap();
    ask(function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
}

fn deleted_by_hand(sandbox: &Sandbox, email: &str) {
    let id = sandbox.contents().by_email(email).unwrap().id.clone();
    assert_eq!(sandbox.ask("DELETE", &format!("/contact/{id}"), "a-key", b"").unwrap().0, 204);
}

#[tokio::test]
async fn differences_are_notified_once_and_fail_nothing() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    two_members(&function).await;
    let mut said = Vec::new();
    for (number, more) in [json!({}), json!({}), json!({}), json!({ "adopt": true }), json!({})].into_iter().enumerate()
    {
        if number == 1 {
            deleted_by_hand(&sandbox, "a@example.com");
        }
        let mut event = json!({ "reconcile": "newsletter" });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = compared(&function, event).await.unwrap();
        assert_eq!(answer["status"], "done", "{answer}");
        let run = function.executions.0.lock().unwrap().last().unwrap().clone();
        let again = ask(&function, json!({ "step": "reconcile", "run": run })).await.unwrap();
        assert_eq!(again, answer, "twice is once");
        said.push((answer["outcome"].clone(), answer["message"]["subject"].clone()));
        assert!(function.env.leases.take("autopilot-eu", "another").await.unwrap(), "the connection is free");
        function.env.leases.release("autopilot-eu", "another").await.unwrap();
    }
    let expected = [
        (json!("nothing_to_do"), json!(null)),
        (json!("differences_found"), json!("d: newsletter: the account differs")),
        (json!("differences_found"), json!(null)),
        (json!("succeeded"), json!("d: newsletter: the account no longer differs")),
        (json!("nothing_to_do"), json!(null)),
    ];
    assert_eq!(said, expected);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_comparison_waits_for_its_turn_and_is_called_again() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    two_members(&function).await;
    assert!(function.env.leases.take("autopilot-eu", "another").await.unwrap());
    let waiting = compared(&function, json!({ "reconcile": "newsletter" })).await.unwrap();
    assert_eq!((&waiting["status"], &waiting["seconds"]), (&json!("wait"), &json!(10)));
    function.env.leases.release("autopilot-eu", "another").await.unwrap();
    let run = function.executions.0.lock().unwrap().last().unwrap().clone();
    let step = json!({ "step": "reconcile", "run": run });
    // Less than it needs to keep what it has read.
    let until = Timestamp::now().checked_add(jiff::SignedDuration::from_secs(4)).unwrap();
    let again = function.answer(step.clone(), &Invocation { request_id: "r".into(), until }).await.unwrap();
    assert_eq!(again, json!({ "status": "again", "run_id": run.run_id }));
    assert!(!function.env.leases.take("autopilot-eu", "another").await.unwrap(), "the turn is kept");
    assert_eq!(ask(&function, step).await.unwrap()["outcome"], "nothing_to_do");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_repair_starts_a_run_once_differences_are_found() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    two_members(&function).await;
    let started = || function.executions.0.lock().unwrap().clone();
    let answer = compared(&function, json!({ "reconcile": "newsletter", "repair": true })).await.unwrap();
    assert_eq!(answer["outcome"], "nothing_to_do");
    let before = started().len();
    deleted_by_hand(&sandbox, "a@example.com");
    let answer = compared(&function, json!({ "reconcile": "newsletter", "repair": true })).await.unwrap();
    assert_eq!((&answer["outcome"], &answer["message"]), (&json!("differences_found"), &json!(null)));
    let (all, run) = (started(), started().pop().unwrap());
    assert!(all.len() == before + 2 && run.reconcile.is_none() && run.trigger == Trigger::OnDemand, "{all:?}");
    let run_id = run.run_id.clone();
    ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
    ask(&function, json!({ "step": "deliver", "run_id": run_id, "lane": 0 })).await.unwrap();
    let finished = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["rows"]["delivered"]), (&json!("succeeded"), &json!(1)));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_comparison_that_fails_gives_the_turn_back_and_says_so() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(Some("a-key")).await);
    let function = function(folder.path(), &sandbox).await;
    two_members(&function).await;
    sandbox.set_api_key(Some("another-key".into()));
    let error = compared(&function, json!({ "reconcile": "newsletter" })).await.unwrap_err();
    assert_eq!(error.kind, Kind::Access);
    let run = function.executions.0.lock().unwrap().last().unwrap().clone();
    let caught = json!({ "Error": "access", "Cause": json!({ "errorMessage": error.chain() }).to_string() });
    let step = json!({ "step": "finish", "run_id": run.run_id, "error": caught, "run": run });
    let finished = ask(&function, step).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["error"]["kind"]), (&json!("failed"), &json!("access")));
    assert_eq!(finished["message"]["subject"], "d: newsletter: could not be compared");
    assert!(function.env.leases.take("autopilot-eu", "another").await.unwrap(), "the connection is free");
    function.env.leases.release("autopilot-eu", "another").await.unwrap();
    let left = function.env.store().list(&keys::runs("newsletter")).await.unwrap();
    assert!(!left.iter().any(|meta| keys::is_transient(&meta.key)), "{left:?}");
    sandbox.set_api_key(Some("a-key".into()));
    let answer = compared(&function, json!({ "reconcile": "newsletter" })).await.unwrap();
    assert_eq!(answer["message"]["subject"], "d: newsletter: the account no longer differs");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_run_that_is_given_up_notifies_once_and_recovers() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let mut subjects = Vec::new();
    for number in 0..3 {
        let mut run = drop_file(&function, TWO).await;
        run["run_id"] = json!(crate::run::run_id(Timestamp::now(), "newsletter", &number.to_string()));
        run["drops"] = json!([]);
        let run_id = run["run_id"].as_str().unwrap();
        ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
        let mut ended = Value::Null;
        if number < 2 {
            let key = keys::of_run(run_id, "run.json");
            let record = function.env.store().get(&key).await.unwrap().unwrap().body;
            function.env.store().put(&key, "{".into(), PutMode::Overwrite).await.unwrap();
            let error = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            // Not every error of AWS has a cause.
            let caught = match number {
                0 => json!({ "Error": "config", "Cause": json!({ "errorMessage": error.chain() }).to_string() }),
                _ => json!({ "Error": "config" }),
            };
            let step = json!({ "step": "give_up", "run_id": run_id, "error": caught, "execution": "arn:of-it" });
            for _ in 0..2 {
                ended = ask(&function, step.clone()).await.unwrap();
            }
            assert_eq!((&ended["outcome"], &ended["error"]["kind"]), (&json!("failed"), &json!("config")));
            assert!(function.env.leases.take("autopilot-eu", "another").await.unwrap(), "the connection is free");
            function.env.leases.release("autopilot-eu", "another").await.unwrap();
            function.env.store().put(&key, record, PutMode::Overwrite).await.unwrap();
        } else {
            ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
            ask(&function, json!({ "step": "deliver", "run_id": run_id, "lane": 0 })).await.unwrap();
            ended = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
        }
        if number == 0 {
            let body = ended["message"]["body"].as_str().unwrap();
            assert!(
                body.contains("is damaged") && body.contains("arn:of-it") && !body.contains("errorMessage"),
                "{body}"
            );
        }
        subjects.push(ended["message"]["subject"].clone());
    }
    assert_eq!(subjects, [json!("d: newsletter: failed"), json!(null), json!("d: newsletter: recovered")]);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_run_that_never_began_keeps_what_started_it() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let run = drop_file(&function, TWO).await;
    let caught = json!({ "Error": "config", "Cause": "no key" });
    let step = json!({ "step": "finish", "run_id": run["run_id"], "error": caught, "run": run });
    ask(&function, step).await.unwrap();
    let report = function.report(run["run_id"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(report.trigger, Trigger::S3);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_run_that_never_began_is_finished_by_its_name() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(None).await);
    let function = function(folder.path(), &sandbox).await;
    let run_id = "20261123T060000Z-newsletter-1a2b3c4d";
    let caught = json!({ "Error": "States.Timeout" });
    let finished = ask(&function, json!({ "step": "finish", "run_id": run_id, "error": caught })).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["error"]["kind"]), (&json!("failed"), &json!("out_of_time")));
    for step in ["open", "deliver", "nonsense"] {
        let event = json!({ "step": step, "run_id": "20261123T060000Z-newsletter-00000000" });
        assert_eq!(ask(&function, event).await.unwrap_err().kind, Kind::BadRequest, "{step}");
    }
    sandbox.stop().await;
}

// The Map tolerates lanes that fail, and says nothing of why.
#[tokio::test]
async fn a_lane_that_failed_is_the_runs_error() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox(Some("a-key")).await);
    let function = function(folder.path(), &sandbox).await;
    let run = drop_file(&function, TWO).await;
    let run_id = run["run_id"].clone();
    ask(&function, json!({ "step": "prepare", "run": run })).await.unwrap();
    ask(&function, json!({ "step": "open", "run_id": run_id })).await.unwrap();
    sandbox.set_api_key(Some("another-key".into()));
    let error = ask(&function, json!({ "step": "deliver", "run_id": run_id, "lane": 0 })).await.unwrap_err();
    assert_eq!(error.kind, Kind::Access);
    let finished = ask(&function, json!({ "step": "finish", "run_id": run_id })).await.unwrap();
    assert_eq!((&finished["outcome"], &finished["error"]["kind"]), (&json!("failed"), &json!("access")));
    assert_eq!(finished["error"]["message"], json!(error.chain()));
    sandbox.stop().await;
}
