//! finish: judges the run, merges what was confirmed into the state, writes report and rejects, gives the lease back.

use serde::{Deserialize, Serialize};

use super::draw::each_member;
use super::open::{OpenRecord, lost_lease};
use super::{export_of, read_json, write_json};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::ledger::{self, Entry, Sent};
use crate::ports::{Condition, Leases, Put, SecretSource, Store, World};
use crate::report::rejects::Rejects;
use crate::report::{Confirmed, Failed, Report, html};
use crate::run::{Order, RunRecord, RunRequest, Spoke, Stage, keys};
use crate::state::{Digester, FORMAT, Header, Marked, Member, ProfileKey, Writer};
use secrecy::ExposeSecret;

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
        let report = Report::of(&run, Confirmed::default(), error, now);
        write_json(store, &keys::of_run(run_id, "report.json"), &report).await?;
        close(world, Some(name).filter(|name| !name.is_empty()), request).await?;
        return Ok(report);
    };
    if !world.leases().take(&connection.name, run_id).await? {
        return Err(lost_lease("finish", &connection.name));
    }
    let opened: Option<OpenRecord> = read_json(store, &keys::of_run(run_id, "open.json")).await?;
    let mut gathered = Gathered::default();
    let mut rejects = Rejects::new(&run)?;
    if run.stage == Stage::Ready || run.reject_parts > 0 {
        found_rejects(store, &run, &mut rejects).await?;
    }
    if let Some(opened) = &opened {
        gathered = gather(store, &run, opened, &mut rejects).await?;
        let secrets = world.secrets().secrets(&connection.name, &connection.secret, false).await?;
        let digester = Digester::new(secrets.state_key.expose_secret())?;
        for (number, segment) in gathered.segments.iter_mut().enumerate() {
            merge(store, &run, opened, &digester, number, segment).await?;
        }
    } else if run.stage == Stage::Preparing && error.is_none() {
        keep_order(store, &run).await?;
    }
    let mut confirmed = Confirmed {
        delivered: gathered.delivered,
        refused: gathered.refused,
        requests: gathered.sent.requests.clone(),
        ..Confirmed::default()
    };
    if let Some(opened) = opened {
        confirmed.way = opened.marked.iter().any(|marked| matches!(marked, Marked::List { .. })).then_some(opened.way);
        confirmed.warnings = opened.warnings;
    }
    let report = Report::of(&run, confirmed, error, world.clock().now());
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
    for meta in store.list(&folder).await? {
        if keys::is_passing(&meta.key) {
            store.delete(&meta.key).await?;
        }
    }
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

/// What was confirmed of one segment.
#[derive(Default)]
struct Confirmations {
    delivered: Vec<Member>,
    left: Vec<ProfileKey>,
}

/// What was confirmed of a run.
#[derive(Default)]
struct Gathered {
    segments: Vec<Confirmations>,
    delivered: u64,
    refused: u64,
    sent: Sent,
}

async fn gather(store: &impl Store, run: &RunRecord, opened: &OpenRecord, rejects: &mut Rejects) -> Result<Gathered> {
    let mut gathered = Gathered { sent: opened.sent.clone(), ..Gathered::default() };
    gathered.segments.resize_with(run.segments.len(), Confirmations::default);
    for (lane, ranges) in opened.lanes.iter().enumerate() {
        for (number, range) in ranges.iter().enumerate() {
            let key = keys::results(&run.request.run_id, u32::try_from(lane).unwrap_or(u32::MAX), number);
            let Some(object) = store.get(&key).await? else { continue };
            let results = ledger::read(&key, &object.body)?;
            gathered.sent.add(&results.sent);
            let segment = run.chunks.get(range.chunk).map(|chunk| chunk.segment).unwrap_or_default();
            let Some(segment) = gathered.segments.get_mut(segment) else { continue };
            for (_, entry) in results.entries {
                match entry {
                    Entry::Delivered(member) => {
                        gathered.delivered += 1;
                        segment.delivered.push(member);
                    }
                    Entry::Left(key) => segment.left.push(key),
                    Entry::Refused(line) => {
                        gathered.refused += 1;
                        rejects.line(line.get())?;
                    }
                    Entry::Stays => {}
                }
            }
        }
    }
    gathered.sent.requests.peak_per_second = gathered.sent.seconds.peak();
    Ok(gathered)
}

/// Tries of a compare-and-set. Nobody else writes while this run has the lease, so the second try is one too many.
const TRIES: u32 = 3;

/// Merges what was confirmed into a segment's state.
async fn merge(
    store: &impl Store,
    run: &RunRecord,
    opened: &OpenRecord,
    digester: &Digester,
    number: usize,
    confirmed: &mut Confirmations,
) -> Result<()> {
    let (Some(segment), Some(marked)) = (run.segments.get(number), opened.marked.get(number)) else { return Ok(()) };
    if segment.drop.is_none() {
        return Ok(());
    }
    confirmed.delivered.sort_unstable_by_key(|member| member.key);
    confirmed.left.sort_unstable();
    let header = Header {
        format: FORMAT,
        account: opened.account.clone(),
        marked: marked.clone(),
        key_fingerprint: digester.fingerprint(),
    };
    let key = keys::members(&run.request.export, &segment.name);
    for _ in 0..TRIES {
        let held = store.head(&key).await?;
        let condition = match &held {
            Some(held) => Condition::IfMatch(held.version.clone()),
            None => Condition::IfAbsent,
        };
        let mut merging = Merging::new(&header, confirmed)?;
        if let Some(held) = &held {
            match each_member(store, held, |member| merging.old(member)).await {
                Ok(was) if was == header => {}
                // With --full, a state that does not fit, or cannot be read, is not carried over.
                Ok(_) | Err(Error { kind: Kind::Config, .. }) if run.request.full => {
                    merging = Merging::new(&header, confirmed)?;
                }
                Ok(_) => {
                    return Err(Error::new(Kind::Config, "finish", &key, "is of another account, list or key")
                        .to_do("send every row once with --full"));
                }
                Err(error) => return Err(error),
            }
        }
        let (body, members) = merging.finish()?;
        if let Put::Written(_) = store.put(&key, body.into(), condition).await? {
            return write_order(store, run, number, members).await;
        }
    }
    Err(Error::new(Kind::Unavailable, "finish", key, "is written by somebody else at the same time")
        .to_do("let only this program write it; the next run merges what this one confirmed"))
}

/// Two sorted streams of members made one.
struct Merging<'c> {
    writer: Writer,
    new: std::iter::Peekable<std::slice::Iter<'c, Member>>,
    left: &'c [ProfileKey],
    members: u64,
}

impl<'c> Merging<'c> {
    fn new(header: &Header, confirmed: &'c Confirmations) -> Result<Self> {
        let new = confirmed.delivered.iter().peekable();
        Ok(Self { writer: Writer::new(header)?, new, left: &confirmed.left, members: 0 })
    }

    fn write(&mut self, member: &Member) -> Result<()> {
        self.members += 1;
        self.writer.member(member)
    }

    /// Takes a member of the old state: it stays, is replaced, or has left.
    fn old(&mut self, old: Member) -> Result<()> {
        while let Some(new) = self.new.next_if(|new| new.key < old.key) {
            self.write(new)?;
        }
        if let Some(new) = self.new.next_if(|new| new.key == old.key) {
            return self.write(new);
        }
        if self.left.binary_search(&old.key).is_ok() { Ok(()) } else { self.write(&old) }
    }

    fn finish(mut self) -> Result<(Vec<u8>, u64)> {
        while let Some(new) = self.new.next() {
            self.write(new)?;
        }
        Ok((self.writer.finish()?, self.members))
    }
}

async fn write_order(store: &impl Store, run: &RunRecord, number: usize, members: u64) -> Result<()> {
    let Some(segment) = run.segments.get(number) else { return Ok(()) };
    let Some(drop) = &segment.drop else { return Ok(()) };
    let key = keys::order(&run.request.export, &segment.name);
    let mut order = Order {
        time: segment.time.unwrap_or(run.started_at),
        drop: drop.clone(),
        version: segment.version.clone(),
        members,
    };
    // What is not the whole segment makes no later drop an older one.
    if run.request.keep_leavers {
        let before: Option<Order> = read_json(store, &key).await?;
        let time = before.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |before| before.time);
        order = Order { time, members, ..before.unwrap_or(order) };
    }
    write_json(store, &key, &order).await?;
    Ok(())
}

/// A drop in which nothing was new has been applied all the same.
async fn keep_order(store: &impl Store, run: &RunRecord) -> Result<()> {
    for (number, segment) in run.segments.iter().enumerate() {
        if segment.drop.is_some() {
            write_order(store, run, number, segment.counts.members).await?;
        }
    }
    Ok(())
}
