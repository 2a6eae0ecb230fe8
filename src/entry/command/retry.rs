//! `retry`: the rows of a rejects.csv, as a drop that is not the whole segment.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::code::Code;
use super::history::{LATEST, newest};
use super::run::{execute, say_store};
use crate::config::{Config, Encoding, Export, Format, export_of};
use crate::delivery::pace::after;
use crate::entry::args::Common;
use crate::error::{Error, Kind, Result};
use crate::plan::retry::RETRY_COLUMNS;
use crate::ports::{Event, PutMode, Store};
use crate::report::Report;
use crate::report::rejects::{ADDED, FINGERPRINT, as_it_was};
use crate::run::{RequestedDrop, RunRequest, Trigger, export_of_run, keys, run_id};
use crate::segment::{Columns, Decoder, Flaw, Row, Sink, clean};
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, read_if_whole, take};

/// Time between two attempts to have the connection.
const BUSY: Duration = Duration::from_secs(10);

/// Sends the rejected rows of a run again.
pub(super) async fn retry<W: Environment>(
    env: &W,
    common: &Common,
    what: &str,
    of_export: Option<&str>,
    pass_guards: Vec<String>,
    config: &Config,
    stop: &Cancellation,
) -> Code {
    say_store(env, common);
    let newest = match what {
        LATEST => newest(env, of_export).await?.map(|found| found.id),
        _ => None,
    };
    let what = newest.as_deref().unwrap_or(what);
    let text = read(env, what).await?;
    let parts = split(what, &text, config)?;
    let (export, connection) = export_of(config, &parts.export)?;
    let now = env.clock().now();
    connection.may_send(export, now)?;
    let id = run_id(now, &export.name, &format!("{now} {} {}", std::process::id(), fastrand::u64(..)));
    // In the connection's turn: what is in the store outside of it, a process that was killed has left there.
    while !take(env, &connection.name, &id).await? {
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
    let request =
        RunRequest { drops, keep_leavers: true, pass_guards, ..RunRequest::new(id, &export.name, Trigger::Command) };
    execute(env, common, config, request, stop).await
}

/// A file's text, or that of a run's rejects.
async fn read<W: Environment>(env: &W, what: &str) -> Result<Vec<u8>> {
    let none = |what: String| {
        Error::new(Kind::BadRequest, what, "is neither a file nor a run with rejects")
            .hint("name a rejects.csv, a run's id, or latest; autopilot-export runs lists them")
    };
    if Path::new(what).is_file() {
        return std::fs::read(what).map_err(|cause| none(what.to_owned()).with_source(cause));
    }
    if export_of_run(what).is_none() {
        return Err(none(what.to_owned()));
    }
    if let Some(object) = env.store().get(&keys::of_run(what, "rejects.csv")).await? {
        return Ok(object.body.to_vec());
    }
    let report: Option<Report> = read_if_whole(env.store(), &keys::of_run(what, "report.json")).await?;
    match report.is_some_and(|report| report.rows.rejected > 0) {
        true => Err(Error::new(Kind::BadRequest, what, "its rejects are gone: they are kept for rejects_days")
            .hint("correct the rows at their source; the next drop sends them")),
        false => Err(none(what.to_owned())),
    }
}

/// A rejects file taken apart by segment.
struct Parts {
    export: String,
    segments: BTreeMap<String, Vec<u8>>,
}

/// Takes a file apart that is, or was, in the form of rejects.csv: as this program writes it, or as a spreadsheet saves it.
fn split(what: &str, bytes: &[u8], config: &Config) -> Result<Parts> {
    // Names that no drop has; the first line holds them in any case.
    let names = ["reject_code", "reject_reason"].map(str::to_owned);
    // What has no mark and is not UTF-8 was saved by a spreadsheet in the code page of Western Europe.
    let is_detected = encoding_rs::Encoding::for_bom(bytes).is_some() || std::str::from_utf8(bytes).is_ok();
    let encoding = (!is_detected).then_some(Encoding::WINDOWS_1252);
    let format = Format { header: Some(true), encoding, ..Format::default() };
    let mut decoder = Decoder::new(what, &format, None, &names);
    let mut splitter = Splitter { what, config, places: None, export: None, writers: BTreeMap::new() };
    decoder.feed(bytes, &mut splitter)?;
    decoder.finish(&mut splitter)?;
    let Splitter { export, writers, .. } = splitter;
    let segments = writers.into_iter().filter_map(|(segment, writer)| Some((segment, writer.into_inner().ok()?)));
    match export {
        Some(export) => Ok(Parts { export, segments: segments.collect() }),
        None => Err(wrong(what, "holds no rows")),
    }
}

fn wrong(what: &str, why: impl Into<String>) -> Error {
    Error::new(Kind::Segment, what, why).hint("name a file in the form of rejects.csv, with its columns")
}

/// Where the columns stand that this program added, and the names of the others.
struct Places {
    export: usize,
    segment: usize,
    code: Option<usize>,
    fingerprint: Option<usize>,
    ours: Vec<usize>,
    original: Vec<String>,
}

impl Places {
    fn of(names: &[String]) -> Option<Self> {
        // Ours stand last: a drop's own column of that name comes before.
        let place = |name: &str| names.iter().rposition(|column| clean(column) == name);
        let ours: Vec<usize> = ADDED.iter().filter_map(|name| place(name)).collect();
        let original = names.iter().enumerate().filter(|(at, _)| !ours.contains(at));
        let original = original.map(|(_, name)| as_it_was(name).into_owned()).collect();
        Some(Self {
            export: place("export")?,
            segment: place("segment")?,
            code: place("reject_code"),
            fingerprint: place(FINGERPRINT),
            ours,
            original,
        })
    }
}

/// Writes the rows of each segment as they were, with [`RETRY_COLUMNS`] behind them.
struct Splitter<'a> {
    what: &'a str,
    config: &'a Config,
    places: Option<Places>,
    export: Option<String>,
    writers: BTreeMap<String, csv::Writer<Vec<u8>>>,
}

impl Sink for Splitter<'_> {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        let folded = match &columns.names[..] {
            [one] => unfolded(one),
            _ => None,
        };
        let places = Places::of(folded.as_ref().unwrap_or(&columns.names));
        self.places = Some(places.ok_or_else(|| wrong(self.what, "has no columns export and segment"))?);
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let cells: Vec<&str> = row.iter().collect();
        match &cells[..] {
            [one] => match unfolded(one) {
                Some(cells) => self.entry(row.line, &cells),
                None => self.entry(row.line, &cells),
            },
            _ => self.entry(row.line, &cells),
        }
    }

    fn malformed(&mut self, line: u64, raw: &str, flaw: Flaw) -> Result<()> {
        let cells = unfolded(raw).and_then(|cells| match &cells[..] {
            [one] => unfolded(one),
            _ => None,
        });
        match cells {
            Some(cells) => self.entry(line, &cells),
            None => Err(wrong(self.what, format!("line {line} cannot be read: {flaw}"))),
        }
    }
}

/// The cells of a line that a spreadsheet holds in one cell: one whose list separator is the semicolon does so with a file that
/// has commas, and saves each line as a single quoted cell.
fn unfolded(line: &str) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let cells = reader.records().next()?.ok()?;
    Some(cells.iter().map(str::to_owned).collect())
}

impl Splitter<'_> {
    /// Takes one row, whose cells are as the file has them.
    fn entry(&mut self, line: u64, cells: &[impl AsRef<str>]) -> Result<()> {
        let Some(places) = &self.places else { return Ok(()) };
        let cell = |at: usize| as_it_was(cells.get(at).map(AsRef::as_ref).unwrap_or_default()).trim().to_owned();
        let (of, segment) = (cell(places.export), cell(places.segment));
        if of.is_empty() || segment.is_empty() {
            return Err(wrong(self.what, format!("line {line} does not say its export and segment")));
        }
        if *self.export.get_or_insert_with(|| of.clone()) != of {
            return Err(wrong(self.what, "holds rows of several exports"));
        }
        let is_known = |export: &Export| export.segments.iter().any(|known| known.name == segment);
        if !self.config.exports.get(&of).is_some_and(is_known) {
            return Err(wrong(self.what, "names an export or a segment that is not in the configuration"));
        }
        let writer = self.writers.entry(segment).or_insert_with(|| {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            // Writing to memory cannot fail.
            let _ = writer.write_record(places.original.iter().map(String::as_str).chain(RETRY_COLUMNS));
            writer
        });
        let kept = cells.iter().enumerate().filter(|(at, _)| !places.ours.contains(at));
        let kept: Vec<Cow<'_, str>> = kept.map(|(_, cell)| as_it_was(cell.as_ref())).collect();
        let ours = [places.fingerprint, places.code].map(|at| at.map(cell).unwrap_or_default());
        let all = kept.iter().map(|cell| cell.as_ref()).chain(ours.iter().map(String::as_str));
        let _ = writer.write_record(all);
        Ok(())
    }
}
