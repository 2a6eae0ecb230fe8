//! What the runs decided of a person.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::Serialize;

use super::{Keyring, Sought};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::plan::history::{Header, Record};
use crate::ports::{ObjectMeta, Store};
use crate::run::{RunRecord, keys};
use crate::state::half;
use crate::steps::documents::read_if_whole;
use crate::steps::environment::Environment;
use crate::steps::history::HistoryStream;

/// How many objects are read at once.
const AT_ONCE: usize = 8;

/// The source of a row that was sent again: the file of it goes away with its run.
pub const SENT_AGAIN: &str = "the rejects that were sent again";

/// What the runs of a store decided of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// The newest first.
    pub verdicts: Vec<Told>,
    /// The runs that are still known and kept nothing of people: a version of the program before made them.
    pub not_recorded: Vec<String>,
    /// The runs whose history cannot be read, or is of a state key that no connection has.
    pub unreadable: Vec<String>,
}

/// What one run decided of a person in one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When the run began.
    pub at: Timestamp,
    /// The run.
    pub run_id: String,
    /// Its export.
    pub export: String,
    /// The segment.
    pub segment: String,
    /// What happened, in one word.
    pub verdict: &'static str,
    /// What happened, in plain words.
    pub words: String,
    /// The file of the drop that held the row, or [`SENT_AGAIN`]; none where there was no row.
    pub source: Option<String>,
    /// The line that the row begins at.
    pub line: Option<u32>,
}

/// Reads what all runs of the store decided of a person.
///
/// # Errors
/// Those of the store.
pub async fn history<E: Environment>(env: &E, config: &Config, sought: &Sought) -> Result<History> {
    let (store, keyring) = (env.store(), &Keyring::of(env, config).await?);
    let all = store.list("runs/").await?;
    let (kept, others): (Vec<ObjectMeta>, Vec<ObjectMeta>) =
        all.into_iter().partition(|meta| keys::is_history(&meta.key));
    let mut history = History::default();
    let reading = stream::iter(&kept).map(|meta| async move {
        match of_run_now(store, meta, keyring, sought).await {
            Err(Error { kind: Kind::Config, .. }) => Ok::<_, Error>((meta, None)),
            found => Ok((meta, Some(found?))),
        }
    });
    let mut reading = reading.buffered(AT_ONCE);
    while let Some((meta, found)) = reading.try_next().await? {
        match found {
            Some(found) => history.verdicts.extend(found),
            None => history.unreadable.extend(run_of(&meta.key).map(str::to_owned)),
        }
    }
    drop(reading);
    let has_history = |run: &str| kept.binary_search_by(|meta| meta.key.cmp(&keys::history(run))).is_ok();
    let without: Vec<&str> = others
        .iter()
        .filter(|meta| meta.key.ends_with("/run.json"))
        .filter_map(|meta| run_of(&meta.key))
        .filter(|run| !has_history(run))
        .collect();
    let asking = stream::iter(without).map(|run| async move {
        let record: Option<RunRecord> = read_if_whole(store, &keys::of_run(run, "run.json")).await?;
        Ok::<_, Error>((run, record.is_some_and(|record| record.recorded.is_none())))
    });
    let mut asking = asking.buffered(AT_ONCE);
    while let Some((run, is_of_before)) = asking.try_next().await? {
        history.not_recorded.extend(is_of_before.then(|| run.to_owned()));
    }
    history.verdicts.sort_by(|one, other| (other.at, &other.run_id).cmp(&(one.at, &one.run_id)));
    history.not_recorded.sort_by(|one, other| other.cmp(one));
    Ok(history)
}

/// The run whose object this is.
fn run_of(key: &str) -> Option<&str> {
    key.split('/').nth(2)
}

/// The same of a run that may reach its end meanwhile.
async fn of_run_now(store: &impl Store, meta: &ObjectMeta, keyring: &Keyring, sought: &Sought) -> Result<Vec<Told>> {
    match of_run(store, meta, keyring, sought).await {
        Err(Error { kind: Kind::Unavailable, .. }) => match store.head(&meta.key).await? {
            Some(now) => of_run(store, &now, keyring, sought).await,
            None => Ok(Vec::new()),
        },
        read => read,
    }
}

async fn of_run(store: &impl Store, meta: &ObjectMeta, keyring: &Keyring, sought: &Sought) -> Result<Vec<Told>> {
    let mut stream = HistoryStream::open(store, meta).await?;
    let Some(key) = keyring.key(&stream.header.key_fingerprint, sought) else {
        return Err(Error::new(Kind::Config, &meta.key, "is of another state key"));
    };
    let (key, mut found) = (half(&key), Vec::new());
    loop {
        let records = stream.next().await?;
        let own = records.iter().filter(|record| record.key == key);
        found.extend(own.map(|record| of_record(&stream.header, record)));
        // They are in order, once a run has ended.
        let is_past = |last: &Record| last.key > key && !stream.header.is_planned;
        if records.last().is_none_or(is_past) {
            return Ok(found);
        }
    }
}

fn of_record(header: &Header, record: &Record) -> Told {
    let source = record.source.and_then(|number| header.sources.get(usize::try_from(number).ok()?));
    Told {
        at: header.began,
        run_id: header.run_id.clone(),
        export: header.export.clone(),
        segment: header.segments.get(usize::from(record.segment)).cloned().unwrap_or_default(),
        verdict: record.name(header),
        words: record.words(header),
        source: source.map(|key| if keys::is_retry(key) { SENT_AGAIN.to_owned() } else { key.clone() }),
        line: record.source.map(|_| record.line),
    }
}
