//! Merges what was confirmed of a segment into its state: two streams in order of their keys made one, by
//! compare-and-set.

use std::cmp::{Ordering, Reverse};
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::iter::Peekable;

use tempfile::NamedTempFile;

use super::confirmed::{Confirmed, RejectsFile, Slice, Tally};
use super::unsure::Unsure;
use super::{read_json, write_json};
use crate::error::{Error, Kind, Result};
use crate::ports::{Condition, Meta, Put, Reader, Store};
use crate::run::{Order, RunRecord, keys};
use crate::state::{Decoder, Digester, FORMAT, Header, Member, ProfileKey, Writer};

/// Tries of a compare-and-set. Nobody else writes while this run has the lease, so the second try is one too many.
const TRIES: u32 = 3;

/// Merges what was confirmed into a segment's state.
pub(super) async fn merge(
    confirmed: &Confirmed<'_, impl Store>,
    digester: &Digester,
    tally: &mut Tally,
    rejects: &mut RejectsFile,
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
    told: &mut Option<(&mut Tally, &mut RejectsFile)>,
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

/// A file for something that is put together and stored then.
pub(super) fn temporary(subject: &str) -> Result<NamedTempFile> {
    NamedTempFile::new().map_err(|cause| {
        Error::new(Kind::Unavailable, "finish", subject, "cannot make a temporary file")
            .to_do("let this user write to the folder for temporary files (TMPDIR)")
            .because(cause)
    })
}

/// Two sorted streams of members made one.
struct Merging {
    writer: Writer<NamedTempFile>,
    new: Peekable<Sorted>,
    left: Vec<ProfileKey>,
    emails: BTreeMap<ProfileKey, String>,
    /// The slice that `new`, `left` and `emails` are.
    slice: usize,
    members: Members,
}

impl Merging {
    fn new(header: &Header) -> Result<Self> {
        Ok(Self {
            writer: Writer::new(header, temporary("state")?)?,
            new: Sorted::default().peekable(),
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
        let Slice { members, mut left, emails } = slice;
        left.sort_unstable();
        self.new = Sorted::of(members).peekable();
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

/// The members of many ranges in order of their keys. Not one vector of them all: that would be a place of its own in
/// memory, beside the many small ones that the lanes have left.
#[derive(Default)]
struct Sorted(BinaryHeap<Reverse<Run>>);

/// The members of a range, in order of their keys; there is a first one.
struct Run(Member, std::vec::IntoIter<Member>);

impl Sorted {
    fn of(ranges: Vec<Vec<Member>>) -> Self {
        let sorted = ranges.into_iter().map(|mut members| {
            members.sort_unstable_by_key(|member| member.key);
            members.into_iter()
        });
        Self(sorted.filter_map(|mut members| Some(Reverse(Run(members.next()?, members)))).collect())
    }
}

impl Iterator for Sorted {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        let mut first = self.0.peek_mut()?;
        let Reverse(Run(member, rest)) = &mut *first;
        match rest.next() {
            Some(next) => Some(std::mem::replace(member, next)),
            None => Some(PeekMut::pop(first).0.0),
        }
    }
}

impl Ord for Run {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Run {}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
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
    let time = match segment.time {
        Some(time) => time,
        None => named_at(store, run).await?,
    };
    let mut order =
        Order { time, drop: drop.clone(), version: segment.version.clone(), members, unsure: unsure.clone() };
    // What is not the whole segment makes no later drop an older one.
    if run.request.keep_leavers {
        let before: Option<Order> = read_json(store, &key).await?;
        let time = before.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |before| before.time);
        order = Order { time, members, unsure, ..before.unwrap_or(order) };
    }
    write_json(store, &key, &order).await?;
    Ok(())
}

/// When a drop was named by a person: by the clock of the store, with whose times it is compared.
async fn named_at(store: &impl Store, run: &RunRecord) -> Result<jiff::Timestamp> {
    let begun = store.head(&keys::unfinished(&run.request.export)).await?;
    Ok(begun.map_or(run.started_at, |begun| begun.modified))
}

/// A drop in which nothing was new has been applied all the same.
pub(super) async fn keep_order(store: &impl Store, run: &RunRecord) -> Result<()> {
    for (number, segment) in run.segments.iter().enumerate() {
        if segment.drop.is_some() {
            let order: Option<Order> = read_json(store, &keys::order(&run.request.export, &segment.name)).await?;
            let unsure = order.and_then(|order| order.unsure);
            write_order(store, run, number, segment.counts.members, unsure).await?;
        }
    }
    Ok(())
}
