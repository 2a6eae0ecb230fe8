//! One contract for every store, and one for every kind of lease. The halves that need S3 run where
//! `AUTOPILOT_EXPORT_TEST_S3` names a bucket (and `AWS_ENDPOINT_URL` an emulator); they leave nothing in it.

use autopilot_export::adapters::in_process::InProcess;
use autopilot_export::adapters::local::{FileLeases, Folder};
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Kind;
use autopilot_export::ports::{Clock, Leases, ObjectMeta, PutMode, PutOutcome, Reader, Store};
use autopilot_export::run::keys;
use autopilot_export::sandbox::{Options, Sandbox};
use autopilot_export::steps;
use bytes::Bytes;

use crate::support::fixture::Nobody;
use crate::support::sim::Sim;

/// Names a bucket to test with.
#[cfg(feature = "aws")]
const BUCKET: &str = "AUTOPILOT_EXPORT_TEST_S3";

async fn written(store: &impl Store, key: &str, body: &str, condition: PutMode) -> String {
    match store.put(key, body.to_owned().into(), condition).await.unwrap() {
        PutOutcome::Written(tag) => tag,
        PutOutcome::Conflict => panic!("{key} was not written"),
    }
}

async fn lost(store: &impl Store, key: &str, condition: PutMode) {
    let before = store.get(key).await.unwrap().map(|object| object.body);
    assert_eq!(store.put(key, "other".into(), condition.clone()).await.unwrap(), PutOutcome::Conflict, "{condition:?}");
    assert_eq!(store.get(key).await.unwrap().map(|object| object.body), before, "nothing was changed");
}

/// Reads an object to its end, with no piece larger than the contract says.
async fn read(store: &impl Store, meta: &ObjectMeta) -> autopilot_export::error::Result<Vec<u8>> {
    let mut reader = store.open(meta).await?;
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await? {
        assert!(!piece.is_empty() && piece.len() <= 1024 * 1024, "a piece of {} bytes", piece.len());
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

async fn what_is_absent_is_none(store: &impl Store, at: &str) {
    let key = format!("{at}nowhere/to be found.json");
    assert!(store.get(&key).await.unwrap().is_none());
    assert!(store.head(&key).await.unwrap().is_none());
    assert!(store.list(&format!("{at}nowhere/")).await.unwrap().is_empty());
}

async fn what_is_written_is_read_under_one_tag(store: &impl Store, at: &str) {
    let key = format!("{at}News letter (Zürich) 1+1.csv");
    let tag = written(store, &key, "one", PutMode::Overwrite).await;
    let object = store.get(&key).await.unwrap().unwrap();
    assert_eq!((&object.body[..], object.tag), (&b"one"[..], tag.clone()));
    let head = store.head(&key).await.unwrap().unwrap();
    assert_eq!((head.key.as_str(), head.bytes, &head.version), (key.as_str(), 3, &tag));
    let listed = store.list(&key).await.unwrap();
    assert_eq!((listed.len(), &listed[0].key, listed[0].bytes, &listed[0].version), (1, &key, 3, &tag));
    assert_eq!(read(store, &head).await.unwrap(), b"one");
    written(store, &key, "", PutMode::Overwrite).await;
    let empty = store.head(&key).await.unwrap().unwrap();
    assert_eq!(read(store, &empty).await.unwrap(), b"");
    store.delete(&key).await.unwrap();
}

async fn of_two_writers_one_loses(store: &impl Store, at: &str) {
    let key = format!("{at}state.json");
    lost(store, &key, PutMode::Update("no-such-tag".into())).await;
    let first = written(store, &key, "one", PutMode::Create).await;
    lost(store, &key, PutMode::Create).await;
    let second = written(store, &key, "two", PutMode::Update(first.clone())).await;
    assert_ne!(first, second);
    lost(store, &key, PutMode::Update(first)).await;
    written(store, &key, "three", PutMode::Overwrite).await;
    lost(store, &key, PutMode::Update(second)).await;
    store.delete(&key).await.unwrap();
    written(store, &key, "four", PutMode::Create).await;
    store.delete(&key).await.unwrap();
}

async fn what_is_removed_may_be_removed_again(store: &impl Store, at: &str) {
    let key = format!("{at}gone.json");
    written(store, &key, "x", PutMode::Overwrite).await;
    for _ in 0..2 {
        store.delete(&key).await.unwrap();
        assert!(store.get(&key).await.unwrap().is_none());
    }
}

async fn a_listing_has_every_key_of_a_prefix_in_order(store: &impl Store, at: &str) {
    let keys: Vec<String> = ["a/b/1", "a/b/10", "a/b/2", "a/b.txt", "a/bc/3", "b/1"].map(|k| format!("{at}{k}")).into();
    for key in &keys {
        written(store, key, "x", PutMode::Overwrite).await;
    }
    let listed = async |prefix: &str| -> Vec<String> {
        let found = store.list(&format!("{at}{prefix}")).await.unwrap();
        found.into_iter().map(|meta| meta.key[at.len()..].to_owned()).collect()
    };
    assert_eq!(listed("a/b/").await, ["a/b/1", "a/b/10", "a/b/2"]);
    assert_eq!(listed("a/b").await, ["a/b.txt", "a/b/1", "a/b/10", "a/b/2", "a/bc/3"]);
    assert_eq!(listed("b").await, ["b/1"]);
    assert_eq!(listed("c").await, Vec::<String>::new());
    assert_eq!(listed("").await.len(), keys.len());
    for key in &keys {
        store.delete(key).await.unwrap();
    }
}

async fn a_replaced_object_is_not_read_as_the_one_before(store: &impl Store, at: &str) {
    let key = format!("{at}replaced.csv");
    written(store, &key, "one", PutMode::Overwrite).await;
    let meta = store.head(&key).await.unwrap().unwrap();
    written(store, &key, "another", PutMode::Overwrite).await;
    assert_eq!(read(store, &meta).await.unwrap_err().kind, Kind::Unavailable);
    store.delete(&key).await.unwrap();
    assert_eq!(read(store, &meta).await.unwrap_err().kind, Kind::Unavailable);
}

async fn five_megabytes_are_streamed(store: &impl Store, at: &str) {
    let key = format!("{at}large.csv");
    let body: Vec<u8> = (0..5_000_000_u32).flat_map(|n| n.to_le_bytes()).take(5_000_000).collect();
    store.put(&key, Bytes::from(body.clone()), PutMode::Overwrite).await.unwrap();
    let meta = store.head(&key).await.unwrap().unwrap();
    assert_eq!(meta.bytes, 5_000_000);
    assert!(read(store, &meta).await.unwrap() == body, "every byte, in order");
    store.delete(&key).await.unwrap();
}

async fn a_file_is_written_as_its_bytes_would_be(store: &impl Store, at: &str) {
    let key = format!("{at}file.csv");
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut tag = None;
    for (size, condition) in [(0, PutMode::Create), (9 << 20, PutMode::Overwrite)] {
        std::fs::write(file.path(), vec![b'x'; size]).unwrap();
        let PutOutcome::Written(new) = store.put_file(&key, file.as_file(), condition).await.unwrap() else {
            panic!("{size}")
        };
        let meta = store.head(&key).await.unwrap().unwrap();
        assert_eq!((meta.bytes, &meta.version), (size as u64, &new));
        assert!(read(store, &meta).await.unwrap() == vec![b'x'; size], "{size} bytes");
        tag = Some(new);
    }
    std::fs::write(file.path(), "another").unwrap();
    for condition in [PutMode::Create, PutMode::Update("no-such-tag".into())] {
        assert_eq!(store.put_file(&key, file.as_file(), condition).await.unwrap(), PutOutcome::Conflict);
    }
    let put = store.put_file(&key, file.as_file(), PutMode::Update(tag.unwrap())).await.unwrap();
    assert!(put != PutOutcome::Conflict && store.get(&key).await.unwrap().unwrap().body == "another");
    store.delete(&key).await.unwrap();
}

/// What every store promises, below the prefix `at`.
async fn keeps_the_contract(store: &impl Store, at: &str) {
    what_is_absent_is_none(store, at).await;
    what_is_written_is_read_under_one_tag(store, at).await;
    of_two_writers_one_loses(store, at).await;
    what_is_removed_may_be_removed_again(store, at).await;
    a_listing_has_every_key_of_a_prefix_in_order(store, at).await;
    a_replaced_object_is_not_read_as_the_one_before(store, at).await;
    five_megabytes_are_streamed(store, at).await;
    a_file_is_written_as_its_bytes_would_be(store, at).await;
    assert!(store.list(at).await.unwrap().is_empty());
}

/// What every kind of lease promises; `one` and `other` are two processes.
async fn one_holder_at_a_time(one: &impl Leases, other: &impl Leases, connection: &str) {
    assert!(!one.renew(connection, "a").await.unwrap(), "nobody has it");
    one.release(connection, "a").await.unwrap();
    assert!(one.take(connection, "a").await.unwrap());
    assert!(one.take(connection, "a").await.unwrap(), "twice is once");
    assert!(!one.take(connection, "b").await.unwrap());
    assert!(!other.take(connection, "b").await.unwrap(), "another process");
    assert!(!other.renew(connection, "b").await.unwrap());
    other.release(connection, "b").await.unwrap();
    assert!(one.renew(connection, "a").await.unwrap(), "b had nothing to give back");
    assert!(other.take(&format!("{connection}-too"), "b").await.unwrap(), "another connection");
    other.release(&format!("{connection}-too"), "b").await.unwrap();
    one.release(connection, "a").await.unwrap();
    one.release(connection, "a").await.unwrap();
    assert!(!one.renew(connection, "a").await.unwrap(), "given back is given back");
    assert!(other.take(connection, "b").await.unwrap());
    assert!(!one.take(connection, "a").await.unwrap());
    other.release(connection, "b").await.unwrap();
}

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    keeps_the_contract(&Folder::new(folder.path()), "segments/").await;
}

#[tokio::test]
async fn file_leases_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    one_holder_at_a_time(&FileLeases::new(folder.path()), &FileLeases::new(folder.path()), "eu").await;
}

/// Two connections to one account, of which two processes take one each.
async fn one_holder_of_an_account<S: Store, L: Leases>(store: impl Fn() -> S, leases: impl Fn() -> L, account: &str) {
    let eu = [format!("eu-{account}"), format!("eu-{account}-too")];
    let process = || Adapters {
        store: store(),
        leases: leases(),
        secrets: Sim::secrets(),
        http: InProcess(Sandbox::unserved(Options::default())),
        clock: Clock::System,
        observer: Box::new(Nobody),
    };
    let (one, other) = (process(), process());
    assert!(steps::take(&one, &eu[0], "a").await.unwrap());
    assert!(steps::take(&other, &eu[1], "b").await.unwrap(), "nobody knows yet which account is behind it");
    for (world, eu, holder) in [(&one, &eu[0], "a"), (&other, &eu[1], "b")] {
        steps::release(world, eu, holder).await.unwrap();
        written(&world.store, &keys::account_behind(eu), &format!(r#"{{"account":"{account}"}}"#), PutMode::Create)
            .await;
    }
    assert!(steps::take(&one, &eu[0], "a").await.unwrap());
    assert!(!steps::take(&other, &eu[1], "b").await.unwrap(), "the account has a run");
    assert!(other.leases.take(&eu[1], "c").await.unwrap(), "who had to wait keeps nothing");
    other.leases.release(&eu[1], "c").await.unwrap();
    steps::release(&one, &eu[0], "a").await.unwrap();
    assert!(steps::take(&other, &eu[1], "b").await.unwrap());
    steps::release(&other, &eu[1], "b").await.unwrap();
    for eu in &eu {
        other.store.delete(&keys::account_behind(eu)).await.unwrap();
    }
}

#[tokio::test]
async fn two_connections_to_an_account_have_one_file_lease() {
    let folder = tempfile::tempdir().unwrap();
    let (store, leases) = (|| Folder::new(folder.path()), || FileLeases::new(folder.path()));
    one_holder_of_an_account(store, leases, "account").await;
}

#[cfg(feature = "aws")]
mod in_s3 {
    use std::time::Duration;

    use autopilot_export::adapters::aws::{Bucket, S3Leases, s3, sdk_config};

    use super::*;

    /// The bucket to test with, where one is named.
    async fn bucket() -> Option<Bucket> {
        let Ok(name) = std::env::var(BUCKET) else {
            eprintln!("passed over: {BUCKET} names no bucket");
            return None;
        };
        Some(Bucket::new(s3(&sdk_config().await.unwrap()), name))
    }

    fn unique(what: &str) -> String {
        format!("{what}-{}-{:x}", std::process::id(), fastrand::u32(..))
    }

    #[tokio::test]
    async fn a_bucket_keeps_the_contract() {
        let Some(bucket) = bucket().await else { return };
        keeps_the_contract(&bucket, &format!("{}/", unique("segments/contract"))).await;
    }

    #[tokio::test]
    async fn lease_objects_keep_the_contract() {
        let Some(bucket) = bucket().await else { return };
        let connection = unique("eu");
        let leases = || S3Leases::new(bucket.clone());
        one_holder_at_a_time(&leases(), &leases(), &connection).await;
        // Many at once: one wins, each time.
        let all = (0..8).map(|n| (leases(), format!("run-{n}")));
        let all: Vec<_> = all.collect();
        let takes = all.iter().map(|(leases, run)| leases.take(&connection, run));
        let won = futures_util::future::join_all(takes).await;
        assert_eq!(won.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
        for key in [connection.clone(), format!("{connection}-too")] {
            bucket.delete(&format!("leases/{key}.json")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn two_connections_to_an_account_have_one_lease_object() {
        let Some(bucket) = bucket().await else { return };
        let account = unique("account");
        one_holder_of_an_account(|| bucket.clone(), || S3Leases::new(bucket.clone()), &account).await;
        for key in [account.clone(), format!("eu-{account}"), format!("eu-{account}-too")] {
            bucket.delete(&format!("leases/{key}.json")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_lease_that_nobody_renews_is_anybodys_after_its_term() {
        let Some(bucket) = bucket().await else { return };
        let connection = unique("eu");
        let leases = S3Leases::with_term(bucket.clone(), 1);
        assert!(leases.take(&connection, "a").await.unwrap());
        assert!(!leases.take(&connection, "b").await.unwrap());
        // S3 tells whole seconds; a lease counts until more than its term has passed.
        tokio::time::sleep(Duration::from_millis(2600)).await;
        assert!(leases.take(&connection, "b").await.unwrap());
        assert!(!leases.renew(&connection, "a").await.unwrap(), "a has lost it");
        bucket.delete(&format!("leases/{connection}.json")).await.unwrap();
    }
}
