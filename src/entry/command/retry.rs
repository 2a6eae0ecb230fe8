//! `retry`: the rows of a rejects.csv, as a drop that is not the whole segment.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::code::Code;
use super::run::execute;
use crate::config::Config;
use crate::config::export_of;
use crate::delivery::pace::after;
use crate::entry::args::Common;
use crate::error::{Error, Kind, Result};
use crate::ports::{Event, Leases, PutMode, Store};
use crate::report::rejects::{ADDED, as_it_was};
use crate::run::{RequestedDrop, RunRequest, Trigger, export_of as export_of_run, keys, run_id};
use crate::steps::Cancellation;
use crate::steps::environment::Environment;

/// Time between two attempts to have the connection.
const BUSY: Duration = Duration::from_secs(10);

/// Sends the rejected rows of a run again.
pub(super) async fn retry<W: Environment>(
    env: &W,
    common: &Common,
    (what, pass_guards): (&str, Vec<String>),
    config: &Config,
    stop: &Cancellation,
) -> Code {
    let text = read(env, what).await?;
    let parts = split(what, &text, config)?;
    let (export, connection) = export_of(config, &parts.export)?;
    let now = env.clock().now();
    connection.may_send(export, now)?;
    let id = run_id(now, &export.name, &format!("{now} {} {}", std::process::id(), fastrand::u64(..)));
    // In the connection's turn: what is in the store outside of it, a process that was killed has left there.
    while !env.leases().take(&connection.name, &id).await? {
        let why = format!("connection {} is busy with another run", connection.name);
        env.observer().notify(Event::Waits(BUSY, &why));
        let until = after(env.clock().now(), BUSY);
        tokio::select! {
            () = env.clock().sleep_until(until) => {}
            () = stop.cancelled() => return Ok(Kind::Interrupted.exit_code()),
        }
    }
    let mut drops = Vec::new();
    for (segment, csv) in parts.segments {
        let key = keys::retry(&id, &segment);
        env.store().put(&key, csv.into(), PutMode::Overwrite).await?;
        drops.push(RequestedDrop { segment, key, version: None, is_empty: false });
    }
    let request = RunRequest {
        run_id: id,
        export: export.name.clone(),
        trigger: Trigger::Command,
        drops,
        full: false,
        keep_leavers: true,
        pass_guards,
    };
    execute(env, common, config, request, stop).await
}

/// A file's text, or that of a run's rejects.
async fn read<W: Environment>(env: &W, what: &str) -> Result<Vec<u8>> {
    let none = |what: String| {
        Error::new(Kind::BadRequest, what, "is neither a file nor a run with rejects")
            .hint("name a rejects.csv or a run's id; autopilot-export runs lists them")
    };
    if Path::new(what).is_file() {
        return std::fs::read(what).map_err(|cause| none(what.to_owned()).with_source(cause));
    }
    if export_of_run(what).is_none() {
        return Err(none(what.to_owned()));
    }
    let object = env.store().get(&keys::of_run(what, "rejects.csv")).await?;
    object.map(|object| object.body.to_vec()).ok_or_else(|| none(what.to_owned()))
}

/// A rejects file taken apart by segment.
struct Parts {
    export: String,
    segments: BTreeMap<String, Vec<u8>>,
}

fn split(what: &str, text: &[u8], config: &Config) -> Result<Parts> {
    let wrong = |why: String| {
        Error::new(Kind::Segment, what, why).hint("name a file in the form of rejects.csv, with its columns")
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let header = reader.headers().map_err(|_| wrong("is not CSV".into()))?.clone();
    // Ours stand last: a drop's own column of that name comes before.
    let columns: Vec<&str> = header.iter().collect();
    let place = |name: &str| columns.iter().rposition(|column| *column == name);
    let (Some(export_at), Some(segment_at)) = (place("export"), place("segment")) else {
        return Err(wrong("has no columns export and segment".into()));
    };
    let ours: Vec<usize> = ADDED.iter().filter_map(|name| place(name)).collect();
    let original = |record: &csv::StringRecord| -> csv::StringRecord {
        let kept = record.iter().enumerate().filter(|(at, _)| !ours.contains(at));
        kept.map(|(_, cell)| as_it_was(cell)).collect()
    };
    let mut export: Option<String> = None;
    let mut writers: BTreeMap<String, csv::Writer<Vec<u8>>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|_| wrong("has a row that is not text".into()))?;
        let cell = |at| record.get(at).map(|cell| as_it_was(cell).into_owned());
        let (Some(of), Some(segment)) = (cell(export_at), cell(segment_at)) else {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(wrong(format!("line {line} does not say its export and segment")));
        };
        if *export.get_or_insert_with(|| of.clone()) != of {
            return Err(wrong("holds rows of several exports".into()));
        }
        let known = config.exports.get(&of).is_some_and(|export| export.segments.iter().any(|s| s.name == segment));
        if !known {
            return Err(wrong("names an export or a segment that is not in the configuration".into()));
        }
        let writer = writers.entry(segment).or_insert_with(|| {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            // Writing to memory cannot fail.
            let _ = writer.write_record(&original(&header));
            writer
        });
        let _ = writer.write_record(&original(&record));
    }
    let segments = writers.into_iter().filter_map(|(segment, writer)| Some((segment, writer.into_inner().ok()?)));
    match export {
        Some(export) => Ok(Parts { export, segments: segments.collect() }),
        None => Err(wrong("holds no rows".into())),
    }
}
