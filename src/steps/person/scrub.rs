//! Takes a person out of every object of the store, and out of what objects held before.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::Value;

use super::needles::{Needles, Search};
use super::objects::{ErasureMethod, places, way};
use super::turn::Turn;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::plan::history;
use crate::plan::stored_objections::StoredObjections;
use crate::ports::{ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::state::{ProfileKey, Writer, half};
use crate::steps::environment::Environment;
use crate::steps::history::HistoryStream;
use crate::steps::profiles::ProfileStream;
use crate::steps::temporary::temporary;

/// How many earlier contents are looked at at once.
const AT_ONCE: usize = 4;

/// What became of the objects that held a person.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scrubbed {
    /// How many were rewritten.
    pub rewritten: u64,
    /// Drops and other objects that are gone.
    pub deleted: Vec<String>,
    /// How many contents from before.
    pub versions: u64,
    /// Those that stay and hold the address all the same.
    pub left: Vec<String>,
}

/// Who is taken out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person<'a> {
    /// What tells that an object holds the person.
    pub(super) needles: &'a Needles,
    /// The keys by which states know the person.
    pub(super) keys: &'a [ProfileKey],
}

/// Takes a person out of the store.
pub(super) async fn scrub<E: Environment>(
    env: &E,
    config: &Config,
    turn: &Turn<'_, E>,
    person: Person<'_>,
) -> Result<Scrubbed> {
    let store = env.store();
    let needles = person.needles;
    let mut scrubbed = Scrubbed::default();
    let mut all = Vec::new();
    for place in places(config) {
        all.extend(store.list(&place).await?);
    }
    for meta in all {
        turn.keep().await?;
        if !holds(store, &meta, needles).await? {
            continue;
        }
        match way(config, &meta.key) {
            ErasureMethod::Keep if meta.key == crate::run::keys::CONFIG => scrubbed.left.push(meta.key),
            ErasureMethod::Keep => {}
            ErasureMethod::Delete => {
                store.delete(&meta.key).await?;
                scrubbed.deleted.push(meta.key);
            }
            ErasureMethod::Profile => {
                profile(store, &meta, person.keys).await?;
                scrubbed.rewritten += 1;
            }
            ErasureMethod::History => match out_of_history(store, &meta, person).await {
                // One that cannot be read says nothing to anybody.
                Err(Error { kind: Kind::Config, .. }) => {
                    store.delete(&meta.key).await?;
                    scrubbed.deleted.push(meta.key);
                }
                done => {
                    done?;
                    scrubbed.rewritten += 1;
                }
            },
            way => {
                rewrite(store, &meta, person, way).await?;
                scrubbed.rewritten += 1;
            }
        }
    }
    for folder in ["runs/", "state/", crate::run::keys::RETURNS] {
        store.sweep(folder).await?;
    }
    let mut before = Vec::new();
    for place in places(config) {
        before.extend(store.earlier(&place).await?);
    }
    let looking = stream::iter(before).map(|meta| async move {
        turn.keep().await?;
        let Some(body) = store.get_earlier(&meta).await? else { return Ok(0) };
        let mut search = Search::new(needles);
        search.feed(&body);
        if meta.key == crate::run::keys::ERASED || !search.end() {
            return Ok(0);
        }
        store.delete_earlier(&meta).await?;
        Ok::<u64, Error>(1)
    });
    scrubbed.versions = looking.buffer_unordered(AT_ONCE).try_fold(0, async |sum, one| Ok(sum + one)).await?;
    Ok(scrubbed)
}

async fn holds(store: &impl Store, meta: &ObjectMeta, needles: &Needles) -> Result<bool> {
    let mut reader = store.open(meta).await?;
    let mut search = Search::new(needles);
    while let Some(piece) = reader.next().await? {
        search.feed(&piece);
    }
    Ok(search.end())
}

/// Takes a profile out of a state.
async fn profile(store: &impl Store, meta: &ObjectMeta, keys: &[ProfileKey]) -> Result<()> {
    let mut profiles = ProfileStream::open(store, meta).await?;
    let mut writer = Writer::new(&profiles.header, temporary("state")?)?;
    while let Some(profile) = profiles.next().await? {
        if !keys.contains(&profile.key) {
            writer.profile(&profile)?;
        }
    }
    let file = writer.finish()?;
    written(&meta.key, store.put_file(&meta.key, &file, PutMode::Update(meta.version.clone())).await?)
}

/// Takes a person out of what a run decided of people.
async fn out_of_history(store: &impl Store, meta: &ObjectMeta, Person { needles, keys }: Person<'_>) -> Result<()> {
    let mut stream = HistoryStream::open(store, meta).await?;
    let header = serde_json::to_vec(&stream.header).unwrap_or_default();
    let header: history::Header =
        serde_json::from_slice(&needles.blank(&header)).unwrap_or_else(|_| stream.header.clone());
    let mut writer = history::Writer::new(&header, temporary("history")?)?;
    loop {
        let records = stream.next().await?;
        if records.is_empty() {
            break;
        }
        let mut others = records.iter().filter(|record| !keys.iter().any(|key| half(key) == record.key));
        others.try_for_each(|record| writer.record(record))?;
    }
    let file = writer.finish()?;
    written(&meta.key, store.put_file(&meta.key, &file, PutMode::Update(meta.version.clone())).await?)
}

/// Writes an object anew without the person.
async fn rewrite(store: &impl Store, meta: &ObjectMeta, person: Person<'_>, way: ErasureMethod) -> Result<()> {
    let needles = person.needles;
    let Some(object) = store.get(&meta.key).await? else { return Ok(()) };
    let body = match way {
        ErasureMethod::Objections => StoredObjections::stored_without(&object.body, person.keys),
        ErasureMethod::Elements => elements(&object.body, needles),
        ErasureMethod::Rows => rows(&object.body, needles),
        ErasureMethod::Lines => Some(lines(&object.body, needles)),
        _ => None,
    };
    let body = body.filter(|body| !needles.are_in(body)).unwrap_or_else(|| needles.blank(&object.body));
    written(&meta.key, store.put(&meta.key, body.into(), PutMode::Update(object.tag)).await?)
}

fn written(key: &str, outcome: PutOutcome) -> Result<()> {
    match outcome {
        PutOutcome::Written(_) => Ok(()),
        PutOutcome::Conflict => {
            Err(Error::new(Kind::Unavailable, key, "was changed by another program at the same time").hint("try again"))
        }
    }
}

fn elements(body: &[u8], needles: &Needles) -> Option<Vec<u8>> {
    let mut all: Value = serde_json::from_slice(body).ok()?;
    let holds = |text: &str| needles.are_in(text.as_bytes());
    match &mut all {
        Value::Array(elements) => elements.retain(|element| !holds(&element.to_string())),
        Value::Object(members) => members.retain(|name, value| !holds(name) && !holds(&value.to_string())),
        _ => return None,
    }
    serde_json::to_vec_pretty(&all).ok()
}

fn lines(body: &[u8], needles: &Needles) -> Vec<u8> {
    body.split_inclusive(|byte| *byte == b'\n').filter(|line| !needles.are_in(line)).collect::<Vec<_>>().concat()
}

const MARK: &[u8] = b"\xef\xbb\xbf";

fn rows(body: &[u8], needles: &Needles) -> Option<Vec<u8>> {
    let text = body.strip_prefix(MARK).unwrap_or(body);
    let mut out = body.get(..body.len() - text.len())?.to_vec();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(&mut out);
    for row in reader.byte_records() {
        let row = row.ok()?;
        let held = row.iter().collect::<Vec<_>>().join(&b'\n');
        if !needles.are_in(&held) {
            writer.write_byte_record(&row).ok()?;
        }
    }
    writer.flush().ok()?;
    drop(writer);
    Some(out)
}
