//! `erase` on a store that keeps what objects held before, as a bucket with versions does.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::error::Result;
use autopilot_export::ports::{Object, ObjectMeta, PutMode, PutOutcome, Store};
use autopilot_export::run::keys;
use autopilot_export::state::{Digester, half};
use autopilot_export::steps::person::{Sought, erase, history};
use autopilot_export::steps::{self, Cancellation};
use bytes::Bytes;

use crate::support::fixture::{STATE_KEY, people};
use crate::support::kill::Kill;
use crate::support::sim::{Memory, Sim, Way};

const ANN: &str = "person.1@example.com";

/// What objects held before.
type Before = Vec<(ObjectMeta, Bytes)>;

/// Objects in memory, and what they held before.
#[derive(Clone)]
struct Versioned(Memory, Arc<Mutex<Before>>);

impl Versioned {
    async fn keep(&self, key: &str) -> Result<()> {
        if let (Some(meta), Some(body)) = (self.0.head(key).await?, self.0.body(key)) {
            self.1.lock().unwrap().push((meta, body));
        }
        Ok(())
    }
}

impl Store for Versioned {
    type Reader = <Memory as Store>::Reader;

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.0.get(key).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.0.head(key).await
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<Self::Reader> {
        self.0.open(meta).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        self.keep(key).await?;
        self.0.put(key, body, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        self.0.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.keep(key).await?;
        self.0.delete(key).await
    }

    async fn earlier(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let before = self.1.lock().unwrap();
        Ok(before.iter().map(|(meta, _)| meta.clone()).filter(|meta| meta.key.starts_with(prefix)).collect())
    }

    async fn get_earlier(&self, meta: &ObjectMeta) -> Result<Option<Bytes>> {
        let before = self.1.lock().unwrap();
        Ok(before.iter().find(|(known, _)| known == meta).map(|(_, body)| body.clone()))
    }

    async fn delete_earlier(&self, meta: &ObjectMeta) -> Result<()> {
        self.1.lock().unwrap().retain(|(known, _)| known != meta);
        Ok(())
    }
}

/// Whether the person is in a content, packed or not.
fn holds(body: &[u8]) -> bool {
    let mut text = Vec::new();
    if flate2::read::MultiGzDecoder::new(body).read_to_end(&mut text).is_err() {
        text = body.to_vec();
    }
    let digest = half(&Digester::new(STATE_KEY).unwrap().profile(ANN));
    let is_in = |needle: &[u8]| text.windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle));
    is_in(ANN.as_bytes()) || is_in(&digest)
}

#[tokio::test(start_paused = true)]
async fn erase_takes_a_person_out_of_old_histories_as_well() {
    for way in [Way::List, Way::Tag] {
        let sim = Sim::of(way, 1);
        let store = Versioned(sim.store.clone(), Arc::default());
        let world = sim.process(store.clone(), Duration::ZERO, &Kill::never());
        for (name, value) in [("first", 1), ("second", 2)] {
            let request = sim.drop(name, &people(0, 5, value));
            steps::run(&world, &sim.config, &request, &Cancellation::default()).await.unwrap();
        }
        let old = || {
            let before = store.1.lock().unwrap();
            let found = before.iter().filter(|(meta, body)| keys::is_history(&meta.key) && holds(body));
            found.count()
        };
        // The plans of both.
        assert_eq!(old(), 2, "{way:?}");
        let ann = Sought::read(ANN).unwrap();
        assert_eq!(history(&world, &sim.config, &ann).await.unwrap().verdicts.len(), 2, "{way:?}");
        erase(&world, &sim.config, &ann, false).await.unwrap();
        assert_eq!(history(&world, &sim.config, &ann).await.unwrap().verdicts, [], "{way:?}");
        assert_eq!(old(), 0, "{way:?}");
        let before = store.1.lock().unwrap();
        let left: Vec<_> = before.iter().filter(|(_, body)| holds(body)).map(|(meta, _)| meta.key.as_str()).collect();
        assert!(left.iter().all(|key| *key == keys::ERASED), "{way:?}: {left:?}");
    }
}
