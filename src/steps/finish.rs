//! finish: judges the run, merges what was confirmed into the state, writes report and rejects, gives the lease back.

use std::collections::BTreeMap;
use std::iter::Peekable;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::confirmed::{Confirmed, Slice, Tally};
use super::open::{OpenRecord, lost_lease};
use super::unsure::Unsure;
use super::{export_of, read_json, write_json};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::ports::{Condition, Leases, Meta, Put, Reader, SecretSource, Store, World};
use crate::report::rejects::Rejects;
use crate::report::{self, Failed, Report, html};
use crate::run::{Order, RunRecord, RunRequest, Spoke, Stage, keys};
use crate::state::{Decoder, Digester, FORMAT, Header, Marked, Member, ProfileKey, Writer};
use secrecy::ExposeSecret;
use tempfile::NamedTempFile;

/// How many objects are removed at once.
const AT_ONCE: usize = 16;

/// Why a run did not come to its end, as the workflow hands it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Who must act.
    pub kind: Kind,
    /// What, where, what to do.
    pub message: String,
}

impl Failure {
    /// The failure that an error is.
    pub fn of(error: &Error) -> Self {
        Self { kind: error.kind, message: error.chain() }
    }
}

/// Finishes a run, whatever became of it. A run that is finished is only told again.
///
/// # Errors
/// Kind `unavailable`, where the store fails or another run has the connection; then nothing is lost: the next
/// prepare finishes the run.
pub async fn finish<W: World>(
    world: &W,
    config: &Config,
    request: &RunRequest,
    failure: Option<Failure>,
) -> Result<Report> {
    let run_id = request.run_id.as_str();
    let store = world.store();
    let connection = export_of(config, &request.export).ok().map(|(_, connection)| connection);
    if let Some(report) = read_json::<Report>(store, &keys::of_run(run_id, "report.json")).await? {
        close(world, connection.map(|connection| connection.name.as_str()), request).await?;
        return Ok(report);
    }
    let error = failure.map(|failure| Failed { kind: failure.kind, message: failure.message });
    let now = world.clock().now();
    let (Some(run), Some(connection)) =
        (read_json::<RunRecord>(store, &keys::of_run(run_id, "run.json")).await?, connection)
    else {
        // The run did not get as far as fixing what it reads.
        let name = connection.map(|connection| connection.name.as_str()).unwrap_or_default();
        let run = RunRecord::begin(request, name, String::new(), Vec::new(), Vec::new(), now);
        let report = Report::of(&run, report::Confirmed::default(), error, now);
        write_json(store, &keys::of_run(run_id, "report.json"), &report).await?;
        close(world, Some(name).filter(|name| !name.is_empty()), request).await?;
        return Ok(report);
    };
    if !world.leases().take(&connection.name, run_id).await? {
        return Err(lost_lease("finish", &connection.name));
    }
    let opened: Option<OpenRecord> = read_json(store, &keys::of_run(run_id, "open.json")).await?;
    let mut tally = Tally::default();
    let mut rejects = Rejects::new(&run)?;
    if run.stage == Stage::Ready || run.reject_parts > 0 {
        found_rejects(store, &run, &mut rejects).await?;
    }
    if let Some(opened) = &opened {
        tally.sent = opened.sent.clone();
        let secrets = world.secrets().secrets(&connection.name, &connection.secret, false).await?;
        let digester = Digester::new(secrets.state_key.expose_secret())?;
        for number in 0..run.segments.len() {
            let confirmed = Confirmed::of(store, &run, opened, number);
            merge(&confirmed, &digester, &mut tally, &mut rejects).await?;
        }
    } else if run.stage == Stage::Preparing && error.is_none() {
        keep_order(store, &run).await?;
    }
    let mut sums = report::Confirmed {
        delivered: tally.delivered,
        refused: tally.refused,
        requests: tally.sent.requests.clone(),
        ..report::Confirmed::default()
    };
    if let Some(opened) = opened {
        let lists = opened.marked.iter().any(|marked| matches!(marked, Marked::List { .. }));
        sums.way = (lists && opened.dealt).then_some(opened.way);
        sums.warnings = opened.warnings;
    }
    let report = Report::of(&run, sums, error, world.clock().now());
    if !report.rows.add_up() {
        return Err(Error::new(Kind::Bug, "finish", run_id, format!("rows do not add up: {:?}", report.rows)));
    }
    if report.rows.rejected > 0 {
        store.put(&keys::of_run(run_id, "rejects.csv"), rejects.finish()?.into(), Condition::Always).await?;
    }
    let page = html::page(&report);
    store.put(&keys::of_run(run_id, "report.html"), page.into(), Condition::Always).await?;
    write_json(store, &keys::of_run(run_id, "report.json"), &report).await?;
    close(world, Some(&connection.name), request).await?;
    Ok(report)
}

/// Clears away what goes with the run's end, and gives the lease back.
async fn close<W: World>(world: &W, connection: Option<&str>, request: &RunRequest) -> Result<()> {
    let store = world.store();
    let folder = keys::run(&request.run_id);
    let passing = store.list(&folder).await?.into_iter().filter(|meta| keys::is_passing(&meta.key));
    let removing = stream::iter(passing).map(|meta| async move { store.delete(&meta.key).await });
    removing.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let unfinished = keys::unfinished(&request.export);
    if read_json::<String>(store, &unfinished).await?.as_deref() == Some(&request.run_id) {
        store.delete(&unfinished).await?;
    }
    if let Some(connection) = connection {
        let key = keys::spoke(connection);
        let last: Option<Spoke> = read_json(store, &key).await?;
        if let Some(last) = last.filter(|last| last.run_id == request.run_id && last.ended_at.is_none()) {
            write_json(store, &key, &Spoke { ended_at: Some(world.clock().now()), ..last }).await?;
        }
    }
    match connection {
        Some(connection) => world.leases().give_back(connection, &request.run_id).await,
        None => Ok(()),
    }
}

/// Rejects that prepare found.
async fn found_rejects(store: &impl Store, run: &RunRecord, rejects: &mut Rejects) -> Result<()> {
    for part in 0..run.reject_parts {
        let key = keys::of_run(&run.request.run_id, &format!("rejects/{part:06}.ndjson"));
        let Some(object) = store.get(&key).await? else { continue };
        for line in String::from_utf8_lossy(&object.body).lines() {
            rejects.line(line)?;
        }
    }
    Ok(())
}

/// Tries of a compare-and-set. Nobody else writes while this run has the lease, so the second try is one too many.
const TRIES: u32 = 3;

/// Merges what was confirmed into a segment's state.
async fn merge(
    confirmed: &Confirmed<'_, impl Store>,
    digester: &Digester,
    tally: &mut Tally,
    rejects: &mut Rejects,
) -> Result<()> {
    let Confirmed { store, run, opened, number, .. } = confirmed;
    let (Some(segment), Some(marked)) = (run.segments.get(*number), opened.marked.get(*number)) else { return Ok(()) };
    if segment.drop.is_none() {
        return Ok(());
    }
    let header = Header {
        format: FORMAT,
        account: opened.account.clone(),
        marked: marked.clone(),
        key_fingerprint: digester.fingerprint(),
    };
    let key = keys::members(&run.request.export, &segment.name);
    let mut told = Some((tally, rejects));
    for _ in 0..TRIES {
        let held = store.head(&key).await?;
        let before: Option<Order> = read_json(*store, &keys::order(&run.request.export, &segment.name)).await?;
        let condition = match &held {
            Some(held) => Condition::IfMatch(held.version.clone()),
            None => Condition::IfAbsent,
        };
        let (file, members) = match merged(confirmed, &header, held.as_ref(), &mut told).await {
            // With --full, a state that does not fit, or cannot be read, is not carried over.
            Err(Error { kind: Kind::Config, .. }) if run.request.full => {
                merged(confirmed, &header, None, &mut told).await?
            }
            merged => merged?,
        };
        let earlier = before.and_then(|order| order.unsure);
        let emails = Unsure::read(*store, earlier.as_deref()).await?;
        let unsure = emails.keep(*store, keys::unsure(&run.request.run_id, *number), &members.unknown).await?;
        if let Put::Written(_) = store.put_file(&key, file.path(), condition).await? {
            write_order(*store, run, *number, members.count, unsure.clone()).await?;
            return match earlier.filter(|earlier| unsure.as_ref() != Some(earlier)) {
                Some(earlier) => store.delete(&earlier).await,
                None => Ok(()),
            };
        }
    }
    Err(Error::new(Kind::Unavailable, "finish", key, "is written by somebody else at the same time")
        .to_do("let only this program write it; the next run merges what this one confirmed"))
}

/// The members of a state object.
#[derive(Default)]
struct Members {
    count: u64,
    /// Those whose contact is not known, with their emails where this run has them.
    unknown: Vec<(ProfileKey, Option<String>)>,
}

/// The segment's state after the run.
async fn merged(
    confirmed: &Confirmed<'_, impl Store>,
    header: &Header,
    held: Option<&Meta>,
    told: &mut Option<(&mut Tally, &mut Rejects)>,
) -> Result<(NamedTempFile, Members)> {
    let mut merging = Merging::new(header)?;
    merging.confirmed(confirmed.slice(0, told.take()).await?)?;
    if let Some(held) = held {
        let mut decoder = Decoder::new(&held.key);
        let mut reader = confirmed.store.open(held).await?;
        while let Some(piece) = reader.next().await? {
            let mut old = Vec::new();
            decoder.feed(&piece, |member| {
                old.push(member);
                Ok(())
            })?;
            merging.all_old(confirmed, old).await?;
        }
        let mut old = Vec::new();
        let was = decoder.finish(|member| {
            old.push(member);
            Ok(())
        })?;
        merging.all_old(confirmed, old).await?;
        if was != *header {
            return Err(Error::new(Kind::Config, "finish", &held.key, "is of another account, list or key")
                .to_do("send every row once with --full"));
        }
    }
    merging.up_to(confirmed, confirmed.slices - 1).await?;
    merging.finish()
}

/// Two sorted streams of members made one.
struct Merging {
    writer: Writer<NamedTempFile>,
    new: Peekable<std::vec::IntoIter<Member>>,
    left: Vec<ProfileKey>,
    emails: BTreeMap<ProfileKey, String>,
    /// The slice that `new`, `left` and `emails` are.
    slice: usize,
    members: Members,
}

impl Merging {
    fn new(header: &Header) -> Result<Self> {
        let new = Vec::new().into_iter().peekable();
        let file = NamedTempFile::new().map_err(|cause| {
            Error::new(Kind::Unavailable, "finish", "state", "cannot make a temporary file")
                .to_do("let this user write to the folder for temporary files (TMPDIR)")
                .because(cause)
        })?;
        Ok(Self {
            writer: Writer::new(header, file)?,
            new,
            left: Vec::new(),
            emails: BTreeMap::new(),
            slice: 0,
            members: Members::default(),
        })
    }

    /// Takes the next slice of what was confirmed; of the one before, nothing more is to come.
    fn confirmed(&mut self, slice: Slice) -> Result<()> {
        while let Some(new) = self.new.next() {
            self.write(&new)?;
        }
        let Slice { mut members, mut left, emails } = slice;
        members.sort_unstable_by_key(|member| member.key);
        left.sort_unstable();
        self.new = members.into_iter().peekable();
        self.left = left;
        self.emails = emails;
        Ok(())
    }

    async fn up_to(&mut self, confirmed: &Confirmed<'_, impl Store>, slice: usize) -> Result<()> {
        while self.slice < slice {
            self.slice += 1;
            // Room for the next only when this one is through.
            self.confirmed(Slice::default())?;
            self.confirmed(confirmed.slice(self.slice, None).await?)?;
        }
        Ok(())
    }

    async fn all_old(&mut self, confirmed: &Confirmed<'_, impl Store>, all: Vec<Member>) -> Result<()> {
        for old in all {
            self.up_to(confirmed, confirmed.slice_of(&old.key)).await?;
            self.old(&old)?;
        }
        Ok(())
    }

    fn write(&mut self, member: &Member) -> Result<()> {
        self.members.count += 1;
        if member.contact_id.is_unknown() {
            self.members.unknown.push((member.key, self.emails.remove(&member.key)));
        }
        self.writer.member(member)
    }

    /// Takes a member of the old state: it stays, is replaced, or has left.
    fn old(&mut self, old: &Member) -> Result<()> {
        while let Some(new) = self.new.next_if(|new| new.key < old.key) {
            self.write(&new)?;
        }
        if let Some(mut new) = self.new.next_if(|new| new.key == old.key) {
            if new.contact_id.is_unknown() {
                new.contact_id = old.contact_id.clone();
            }
            return self.write(&new);
        }
        if self.left.binary_search(&old.key).is_ok() { Ok(()) } else { self.write(old) }
    }

    fn finish(mut self) -> Result<(NamedTempFile, Members)> {
        self.confirmed(Slice::default())?;
        Ok((self.writer.finish()?, self.members))
    }
}

async fn write_order(
    store: &impl Store,
    run: &RunRecord,
    number: usize,
    members: u64,
    unsure: Option<String>,
) -> Result<()> {
    let Some(segment) = run.segments.get(number) else { return Ok(()) };
    let Some(drop) = &segment.drop else { return Ok(()) };
    let key = keys::order(&run.request.export, &segment.name);
    let mut order = Order {
        time: segment.time.unwrap_or(run.started_at),
        drop: drop.clone(),
        version: segment.version.clone(),
        members,
        unsure: unsure.clone(),
    };
    // What is not the whole segment makes no later drop an older one.
    if run.request.keep_leavers {
        let before: Option<Order> = read_json(store, &key).await?;
        let time = before.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |before| before.time);
        order = Order { time, members, unsure, ..before.unwrap_or(order) };
    }
    write_json(store, &key, &order).await?;
    Ok(())
}

/// A drop in which nothing was new has been applied all the same.
async fn keep_order(store: &impl Store, run: &RunRecord) -> Result<()> {
    for (number, segment) in run.segments.iter().enumerate() {
        if segment.drop.is_some() {
            let order: Option<Order> = read_json(store, &keys::order(&run.request.export, &segment.name)).await?;
            let unsure = order.and_then(|order| order.unsure);
            write_order(store, run, number, segment.counts.members, unsure).await?;
        }
    }
    Ok(())
}
