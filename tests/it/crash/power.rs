//! A power failure takes what was not forced to the disk, each file and its place in its folder by itself.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::in_process::InProcess;
use autopilot_export::adapters::local::{FileLeases, Folder};
use autopilot_export::chunk;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::plan::lanes::Range;
use autopilot_export::ports::{Clock, Http, NoResponse};
use autopilot_export::report::Outcome;
use autopilot_export::run::opening::{BEGUN_TOGETHER, OpenRecord};
use autopilot_export::run::{RunRecord, keys};
use autopilot_export::steps::{self, Cancellation};
use bytes::Bytes;
use serde_json::json;

use crate::support::fixture::{Nobody, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// What happened, in order: what the disk was made to keep, and the bodies of requests.
type Record = Arc<Mutex<Vec<Happened>>>;

#[derive(Debug)]
enum Happened {
    Kept(String),
    Sent(String),
}

/// An account that records what is sent to it.
struct Recorded(InProcess, Record);

impl Http for Recorded {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, NoResponse> {
        let body = format!("{} {}", request.uri(), String::from_utf8_lossy(request.body()));
        self.1.lock().unwrap().push(Happened::Sent(body));
        self.0.send(request, within, max_bytes).await
    }
}

/// Where something is first.
fn first(record: &[Happened], is: impl Fn(&Happened) -> bool) -> usize {
    record.iter().position(is).unwrap_or(usize::MAX)
}

/// Where the disk first kept a file's content, and then its place in its folder.
fn kept(record: &[Happened], key: &str) -> usize {
    let is = |kept: &Happened, path: &str| matches!(kept, Happened::Kept(kept) if kept == path);
    let file = first(record, |happened| is(happened, key));
    let folder = Path::new(key).parent().unwrap().to_str().unwrap();
    let after = record.get(file..).unwrap_or_default();
    file.saturating_add(first(after, |happened| is(happened, folder)))
}

/// Checks that what tells of each row was on the disk before the row's first request; how many rows there were.
async fn rows_are_noted_first(way: Way, rows: u32) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut sim = Sim::of(way, 1);
    sim.set("/connections/eu/lanes", json!(2));
    let record = Record::default();
    let (root, seen) = (folder.path().join("not/yet/there"), Arc::clone(&record));
    let at = root.clone();
    let store = Folder::new(&root).witnessed(move |path| {
        let key = path.strip_prefix(&at).map_or_else(|_| path.display().to_string(), |key| key.display().to_string());
        seen.lock().unwrap().push(Happened::Kept(key));
    });
    let world = Adapters {
        store,
        leases: FileLeases::new(&root),
        secrets: Sim::secrets(),
        http: Recorded(InProcess(sim.sandbox.clone()), Arc::clone(&record)),
        clock: Clock::System,
        observer: Box::new(Nobody),
    };
    sim.set("/connections/eu/requests_per_second", json!(2000));
    let request = sim.drop("first", "");
    let key = &request.drops[0].key;
    std::fs::create_dir_all(root.join(key).parent().unwrap()).unwrap();
    std::fs::write(root.join(key), people(0, rows, 1)).unwrap();
    steps::prepare(&world, &sim.config, &request).await.unwrap();
    let of_run = |name: &str| keys::of_run(&request.run_id, name);
    let run: RunRecord = serde_json::from_slice(&std::fs::read(root.join(of_run("run.json"))).unwrap()).unwrap();
    let chunks: Vec<_> =
        run.chunks.iter().map(|chunk| std::fs::read(root.join(of_run(&chunk.name))).unwrap()).collect();
    let report = {
        steps::open(&world, &sim.config, &request).await.unwrap();
        for lane in 0..2 {
            let _ = steps::deliver(&world, &sim.config, &request, lane, &steps::Limit::default()).await;
        }
        let opened: OpenRecord =
            serde_json::from_slice(&std::fs::read(root.join(of_run("open.json"))).unwrap()).unwrap();
        let report = steps::finish(&world, &sim.config, &request, None).await.unwrap();
        (opened, report)
    };
    let (opened, report) = report;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    let record = record.lock().unwrap();
    let emails = |range: &Range| {
        let rows = chunk::read("chunk", &chunks[range.chunk], range.from as usize, range.to as usize).unwrap();
        rows.iter().map(|row| row.email().into_owned()).collect::<Vec<_>>()
    };
    let sent = |email: &String| {
        let named = format!("\"{email}\"");
        first(&record, |happened| matches!(happened, Happened::Sent(body) if body.contains(&named)))
    };
    let (mut checked, ahead) = (0, opened.canary.as_ref().map(emails).unwrap_or_default());
    for (lane, ranges) in opened.lanes.iter().enumerate() {
        for (number, range) in ranges.iter().enumerate() {
            let chunk = kept(&record, &of_run(&run.chunks[range.chunk].name));
            let begun = kept(&record, &keys::results(&request.run_id, lane as u32, number - number % BEGUN_TOGETHER));
            for email in emails(range) {
                let noted = if ahead.contains(&email) { kept(&record, &of_run("open.json")) } else { begun };
                let sent = sent(&email);
                assert!(sent < usize::MAX, "{email} was never sent");
                assert!(chunk < sent && noted < sent, "{way:?}, {email}: {chunk}, {noted}, {sent}");
                checked += 1;
            }
        }
    }
    let unfinished = kept(&record, &keys::unfinished(&request.export));
    assert!(
        unfinished < first(&record, |happened| matches!(happened, Happened::Sent(_))),
        "the next run finds this one"
    );
    checked
}

#[tokio::test]
async fn chunks_and_notes_are_on_disk_before_the_first_request() {
    for (way, rows) in [(Way::Bulk, 1500), (Way::List, 300), (Way::Tag, 1500)] {
        assert_eq!(rows_are_noted_first(way, rows).await, rows as usize);
    }
}

#[tokio::test]
async fn folders_that_are_new_are_on_disk_with_what_is_in_them() {
    let (folder, seen) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let (root, record) = (folder.path().join("store"), Arc::clone(&seen));
    let store = Folder::new(&root).witnessed(move |path| record.lock().unwrap().push(path.to_owned()));
    use autopilot_export::ports::{PutMode, Store};
    store.put("state/news/order.json", Bytes::from("{}"), PutMode::Overwrite).await.unwrap();
    let below = |path: &str| root.join(path);
    let expected =
        [folder.path().to_owned(), root.clone(), below("state"), below("state/news/order.json"), below("state/news")];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// The run of a world in memory, up to where its lanes are through.
async fn sent(sim: &Sim, rows: u32) -> autopilot_export::run::RunRequest {
    let request = sim.drop("first", &people(0, rows, 1));
    let world = sim.world(&Kill::never());
    steps::prepare(&world, &sim.config, &request).await.unwrap();
    steps::open(&world, &sim.config, &request).await.unwrap();
    request
}

#[tokio::test(start_paused = true)]
async fn a_damaged_chunk_of_a_begun_range_is_said_in_the_report() {
    for way in [Way::Bulk, Way::Tag] {
        for damage in [&b""[..], b"\0\0\0\0\0\0"] {
            let sim = Sim::of(way, 1);
            let request = sent(&sim, 120).await;
            let opened: OpenRecord =
                serde_json::from_slice(&sim.store.body(&keys::of_run(&request.run_id, "open.json")).unwrap()).unwrap();
            let range = &opened.lanes[0][0];
            let run: RunRecord =
                serde_json::from_slice(&sim.store.body(&keys::of_run(&request.run_id, "run.json")).unwrap()).unwrap();
            sim.store.write(&keys::results(&request.run_id, 0, 0), &b""[..]);
            let chunk = keys::of_run(&request.run_id, &run.chunks[range.chunk].name);
            sim.store.write(&chunk, damage);
            let next = sim.drop("second", &people(0, 120, 1));
            let world = sim.world(&Kill::never());
            let report = steps::run(&world, &sim.config, &next, &Cancellation::default()).await.unwrap();
            assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
            let earlier = sim.store.body(&keys::of_run(&request.run_id, "report.json")).unwrap();
            let earlier: autopilot_export::report::Report = serde_json::from_slice(&earlier).unwrap();
            let said = earlier.warnings.join("\n");
            assert!(said.contains("people may have been sent") && said.contains("by hand"), "{said}");
        }
    }
}
