//! Faults of the store, from `tests/data/faults/store.json`: a run ends with the right kind of error, and going on
//! ends with the same state as if nothing had been.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::ports::{Condition, Meta, Object, Put, Reader, Store};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{self, Stop};
use bytes::Bytes;
use serde::Deserialize;

use crate::mortal::Kill;
use crate::scene::{EXPORT, LIST, people};
use crate::sim::{Memory, MemoryReader, Sim};

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trouble {
    Unavailable,
    Denied,
    Lost,
    Replaced,
    Slow,
    Late,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    fault: Trouble,
}

/// A store in which the call of one number goes wrong; of a slow one, each call takes so many milliseconds.
#[derive(Clone)]
pub(crate) struct Faulty {
    inner: Memory,
    trouble: Trouble,
    at: u64,
    calls: Arc<AtomicU64>,
    /// The notes that ranges were begun: results without a row.
    notes: Arc<Mutex<HashMap<String, (Bytes, Condition)>>>,
}

impl Faulty {
    pub(crate) fn new(inner: &Memory, trouble: Trouble, at: u64) -> Self {
        Self { inner: inner.clone(), trouble, at, calls: Arc::default(), notes: Arc::default() }
    }

    async fn pass<T>(&self, key: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.trouble {
            Trouble::Unavailable if call == self.at => {
                Err(Error::new(Kind::Unavailable, "store", key, "cannot be reached"))
            }
            Trouble::Denied if call >= self.at => Err(Error::new(Kind::Access, "store", key, "access is denied")),
            Trouble::Slow => {
                tokio::time::sleep(Duration::from_millis(self.at)).await;
                work.await
            }
            _ => work.await,
        }
    }
}

pub(crate) struct FaultyReader(MemoryReader, Faulty, String);

impl Reader for FaultyReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Self(reader, store, key) = self;
        if store.trouble == Trouble::Replaced
            && key.starts_with("segments/")
            && store.calls.load(Ordering::SeqCst) >= store.at
        {
            // Only once: the new drop then stays.
            if store.inner.body(key).unwrap().ends_with(b"1\n") {
                store.inner.write(key, people(4, 40, 3));
            }
        }
        store.pass(key, reader.next()).await
    }
}

impl Store for Faulty {
    type Reader = FaultyReader;

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.pass(key, self.inner.get(key)).await
    }

    async fn head(&self, key: &str) -> Result<Option<Meta>> {
        self.pass(key, self.inner.head(key)).await
    }

    async fn open(&self, meta: &Meta) -> Result<FaultyReader> {
        let reader = self.pass(&meta.key, self.inner.open(meta)).await?;
        Ok(FaultyReader(reader, self.clone(), meta.key.clone()))
    }

    async fn put(&self, key: &str, body: Bytes, condition: Condition) -> Result<Put> {
        if self.trouble == Trouble::Lost && condition != Condition::Always {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if call <= self.at {
                // Somebody else writes the same again, first: another tag, another version.
                if let Some(held) = self.inner.body(key) {
                    self.inner.write(key, held);
                }
                return self.inner.put(key, body, condition).await;
            }
        }
        if self.trouble == Trouble::Late && key.contains("/results/") && key.ends_with(".tsv") {
            if body.iter().filter(|byte| **byte == b'\n').count() == 1 {
                self.notes.lock().unwrap().insert(key.into(), (body.clone(), condition.clone()));
            }
            let put = self.inner.put(key, body, condition).await;
            let note = self.notes.lock().unwrap().get(key).cloned();
            if let Some((note, condition)) = note {
                self.calls.fetch_add(1, Ordering::SeqCst);
                self.inner.put(key, note, condition).await?;
            }
            return put;
        }
        self.pass(key, self.inner.put(key, body, condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Meta>> {
        self.pass(prefix, self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.pass(key, self.inner.delete(key)).await
    }
}

async fn run<S: Store>(sim: &Sim, store: S, request: &RunRequest) -> Result<Report> {
    let world = sim.process(store, Duration::ZERO, &Kill::never());
    let earlier = steps::resume(&world, &sim.config, request).await?;
    steps::run(&world, &sim.config, earlier.as_ref().unwrap_or(request), &Stop::default()).await
}

async fn yesterday() -> (Sim, RunRequest) {
    let mut sim = Sim::new(Options::default());
    sim.pace(50, 2);
    let request = sim.drop("yesterday", &people(0, 12, 1));
    run(&sim, sim.store.clone(), &request).await.unwrap();
    let request = sim.drop("today", &(people(4, 8, 2) + people(8, 40, 1).split_once('\n').unwrap().1));
    sim.sent.lock().unwrap().clear();
    (sim, request)
}

/// A fault at this call, and then none: the state's size at the end, and whether the fault was ever reached.
async fn play(case: &Case, at: u64) -> (usize, u64) {
    let place = format!("{}, call {at}", case.name);
    let (sim, request) = yesterday().await;
    let store = Faulty::new(&sim.store, case.fault, at);
    let reports = tokio::time::timeout(Duration::from_secs(3600), run(&sim, store.clone(), &request)).await;
    let kind = match reports.unwrap_or_else(|_| panic!("{place}: hangs")) {
        Ok(report) => {
            assert!(report.rows.add_up(), "{place}: {report:?}");
            report.error.map(|error| error.kind)
        }
        Err(error) => Some(error.kind),
    };
    let expected = match case.fault {
        Trouble::Denied => Kind::Access,
        _ => Kind::Unavailable,
    };
    assert!(kind.is_none_or(|kind| kind == expected), "{place}: {kind:?}");
    let again = RunRequest { run_id: crate::sim::request("again", "").run_id, ..request };
    let report = run(&sim, sim.store.clone(), &again).await.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(matches!(report.outcome, Outcome::Succeeded | Outcome::NothingToDo), "{place}: {report:?}");
    assert!(report.rows.add_up(), "{place}: {report:?}");
    assert!(sim.peak() <= 50, "{place}: {}", sim.peak());
    let (held, state) = (sim.held(), sim.state());
    let members = held.values().filter(|(_, _, on_list)| *on_list).count();
    assert_eq!((members, state.len()), (36, 36), "{place}: {report:?}");
    let value = if case.fault == Trouble::Replaced
        && sim.store.body("segments/newsletter/today.csv").unwrap().ends_with(b"3\n")
    {
        3
    } else {
        2
    };
    assert_eq!(held["person.5@example.com"].1["Value"], value, "{place}");
    (state.len(), store.calls.load(Ordering::SeqCst))
}

async fn each_call(fault: Trouble) {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/faults/store.json")).unwrap();
    let case = cases.iter().find(|case| case.fault == fault).unwrap();
    let mut at = 1;
    while play(case, at).await.1 >= at {
        at += 1;
    }
    println!("{}: {at} calls", case.name);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_at_any_call_ends_the_run_as_unavailable_and_loses_nothing() {
    each_call(Trouble::Unavailable).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_denies_access_from_any_call_on_ends_the_run_as_access_and_loses_nothing() {
    each_call(Trouble::Denied).await;
}

#[tokio::test(start_paused = true)]
async fn a_drop_that_is_replaced_while_it_is_read_is_read_anew() {
    each_call(Trouble::Replaced).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_changes_nothing() {
    play(&Case { name: "slow".into(), fault: Trouble::Slow }, 3000).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_another_writes_first_is_merged_anew() {
    for lost in 0..6 {
        play(&Case { name: "lost".into(), fault: Trouble::Lost }, lost).await;
    }
    let (sim, request) = yesterday().await;
    let before = sim.store.body(&keys::members(EXPORT, LIST)).unwrap();
    let error = run(&sim, Faulty::new(&sim.store, Trouble::Lost, u64::MAX), &request).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    assert_eq!(sim.store.body(&keys::members(EXPORT, LIST)).unwrap(), before, "nobody's state was overwritten");
}

/// A lane notes that it begins a range; a store may carry that out after the range's results were written.
#[tokio::test(start_paused = true)]
async fn a_note_that_a_range_was_begun_and_comes_late_undoes_nothing() {
    let (sim, request) = yesterday().await;
    let store = Faulty::new(&sim.store, Trouble::Late, 0);
    let report = run(&sim, store.clone(), &request).await.unwrap();
    assert!(store.calls.load(Ordering::SeqCst) > 0, "nothing came late");
    assert_eq!((report.outcome, report.rows.pending, sim.state().len()), (Outcome::Succeeded, 0, 36), "{report:?}");
}
