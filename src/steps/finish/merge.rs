//! Merges what was confirmed of a segment into its state: two streams in order of their keys made one, by
//! compare-and-set.

use std::cmp::{Ordering, Reverse};
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::iter::Peekable;

use tempfile::NamedTempFile;

use super::results::{KeySlice, RejectsFile, SegmentResults, Totals};
use crate::error::{Error, Kind, Result};
use crate::ports::{ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::run::{AppliedDrop, RunRecord, keys};
use crate::state::{Decoder, Digester, FORMAT, Header, Member, ProfileKey, Writer};
use crate::steps::documents::{read_json, write_json};
use crate::steps::unconfirmed::UnconfirmedEmails;

/// Attempts of a compare-and-set. Nobody else writes while this run has the lease, so the second try is one too many.
const TRIES: u32 = 3;

/// Merges what was confirmed into a segment's state.
pub(super) async fn merge(
    confirmed: &SegmentResults<'_, impl Store>,
    digester: &Digester,
    totals: &mut Totals,
    rejects: &mut RejectsFile,
) -> Result<()> {
    let SegmentResults { store, run, opened, number, .. } = confirmed;
    let (Some(segment), Some(marked)) = (run.segments.get(*number), opened.targets.get(*number)) else { return Ok(()) };
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
    let mut told = Some((totals, rejects));
    for _ in 0..TRIES {
        let held = store.head(&key).await?;
        let before: Option<AppliedDrop> = read_json(*store, &keys::order(&run.request.export, &segment.name)).await?;
        let condition = match &held {
            Some(held) => PutMode::Update(held.version.clone()),
            None => PutMode::Create,
        };
        let (file, members) = match merged(confirmed, &header, held.as_ref(), &mut told).await {
            // With --full, a state that does not fit, or cannot be read, is not carried over.
            Err(Error { kind: Kind::Config, .. }) if run.request.full => {
                merged(confirmed, &header, None, &mut told).await?
            }
            merged => merged?,
        };
        let earlier = before.and_then(|order| order.unconfirmed);
        let emails = UnconfirmedEmails::read(*store, earlier.as_deref()).await?;
        let unconfirmed =
            emails.keep(*store, keys::unconfirmed(&run.request.run_id, *number), &members.unknown).await?;
        if let PutOutcome::Written(_) = store.put_file(&key, file.path(), condition).await? {
            write_order(*store, run, *number, members.count, unconfirmed.clone()).await?;
            return match earlier.filter(|earlier| unconfirmed.as_ref() != Some(earlier)) {
                Some(earlier) => store.delete(&earlier).await,
                None => Ok(()),
            };
        }
    }
    Err(Error::new(Kind::Unavailable, "finish", key, "is written by somebody else at the same time")
        .hint("let only this program write it; the next run merges what this one confirmed"))
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
    confirmed: &SegmentResults<'_, impl Store>,
    header: &Header,
    held: Option<&ObjectMeta>,
    told: &mut Option<(&mut Totals, &mut RejectsFile)>,
) -> Result<(NamedTempFile, Members)> {
    let mut merging = StateMerge::new(header)?;
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
                .hint("send every row once with --full"));
        }
    }
    merging.up_to(confirmed, confirmed.slices - 1).await?;
    merging.finish()
}

/// A file for something that is put together and stored then.
pub(super) fn temporary(subject: &str) -> Result<NamedTempFile> {
    NamedTempFile::new().map_err(|cause| {
        Error::new(Kind::Unavailable, "finish", subject, "cannot make a temporary file")
            .hint("let this user write to the folder for temporary files (TMPDIR)")
            .with_source(cause)
    })
}

/// Two sorted streams of members made one.
struct StateMerge {
    writer: Writer<NamedTempFile>,
    new: Peekable<Sorted>,
    left: Vec<ProfileKey>,
    emails: BTreeMap<ProfileKey, String>,
    /// The slice that `new`, `left` and `emails` are.
    slice: usize,
    members: Members,
}

impl StateMerge {
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
    fn confirmed(&mut self, slice: KeySlice) -> Result<()> {
        while let Some(new) = self.new.next() {
            self.write(&new)?;
        }
        let KeySlice { members, mut left, emails } = slice;
        left.sort_unstable();
        self.new = Sorted::of(members).peekable();
        self.left = left;
        self.emails = emails;
        Ok(())
    }

    async fn up_to(&mut self, confirmed: &SegmentResults<'_, impl Store>, slice: usize) -> Result<()> {
        while self.slice < slice {
            self.slice += 1;
            // Room for the next only when this one is through.
            self.confirmed(KeySlice::default())?;
            self.confirmed(confirmed.slice(self.slice, None).await?)?;
        }
        Ok(())
    }

    async fn all_old(&mut self, confirmed: &SegmentResults<'_, impl Store>, all: Vec<Member>) -> Result<()> {
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
        self.confirmed(KeySlice::default())?;
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
    unconfirmed: Option<String>,
) -> Result<()> {
    let Some(segment) = run.segments.get(number) else { return Ok(()) };
    let Some(drop) = &segment.drop else { return Ok(()) };
    let key = keys::order(&run.request.export, &segment.name);
    let time = match segment.time {
        Some(time) => time,
        None => named_at(store, run).await?,
    };
    let mut order = AppliedDrop {
        time,
        drop: drop.clone(),
        version: segment.version.clone(),
        members,
        unconfirmed: unconfirmed.clone(),
    };
    // What is not the whole segment makes no later drop an older one.
    if run.request.keep_leavers {
        let before: Option<AppliedDrop> = read_json(store, &key).await?;
        let time = before.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |before| before.time);
        order = AppliedDrop { time, members, unconfirmed, ..before.unwrap_or(order) };
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
            let order: Option<AppliedDrop> = read_json(store, &keys::order(&run.request.export, &segment.name)).await?;
            let unconfirmed = order.and_then(|order| order.unconfirmed);
            write_order(store, run, number, segment.counts.members, unconfirmed).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::adapters::local::Folder;
    use crate::chunk::{Operation, Row};
    use crate::delivery::lane::{Outcome, Verdict};
    use crate::ledger::{Ledger, Sent};
    use crate::membership::MembershipTarget;
    use crate::plan::lanes::{Chunk, Range};
    use crate::run::opening::OpenPhase;
    use crate::run::opening::OpenRecord;
    use crate::run::{RunRequest, SegmentRecord, Trigger};
    use crate::state::ContactId;

    const RANGES: usize = 5;
    const RUN: &str = "20261125T000000Z-news-00000000";

    fn run(rows: u32) -> (RunRecord, OpenRecord) {
        let request = RunRequest {
            run_id: RUN.into(),
            export: "news".into(),
            trigger: Trigger::Command,
            drops: Vec::new(),
            full: false,
            keep_leavers: false,
            pass_guards: Vec::new(),
        };
        let segment = SegmentRecord { name: "News".into(), drop: Some("drop".into()), ..Default::default() };
        let at = Timestamp::UNIX_EPOCH;
        let mut run = RunRecord::begin(&request, "eu", String::new(), vec![segment], Vec::new(), at);
        let chunk = |number| Chunk { name: format!("chunks/{number}"), segment: 0, operation: Operation::Update, rows };
        run.chunks = (0..RANGES).map(chunk).collect();
        let opened = OpenRecord {
            account: "account".into(),
            targets: vec![MembershipTarget::None],
            setup: serde_json::Value::Null,
            canary: None,
            phase: OpenPhase::Assigned,
            lanes: vec![(0..RANGES).map(|chunk| Range { chunk, from: 0, to: rows }).collect()],
            shares: vec![1],
            last_sent: Vec::new(),
            sent: Sent::default(),
            warnings: Vec::new(),
        };
        (run, opened)
    }

    fn member(name: u32, digest: u8) -> Member {
        let key = Digester::new("key").unwrap().profile(&name.to_string());
        Member { key, digest: [digest; 16], contact_id: ContactId::from(format!("contact_{name}").as_str()) }
    }

    fn verdict(number: u32, member: &Member, outcome: Outcome) -> Verdict {
        let row = Row { key: member.key, digest: member.digest, ..Row::default() };
        Verdict { span: 0, number, row, outcome }
    }

    /// Members are kept, changed, taken off and added, wherever a slice ends.
    #[tokio::test]
    async fn the_state_is_the_same_in_any_number_of_slices() {
        const ROWS: u32 = 60;
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::new(folder.path());
        let (run, opened) = run(ROWS);
        let header = Header {
            format: FORMAT,
            account: "account".into(),
            marked: MembershipTarget::None,
            key_fingerprint: Digester::new("key").unwrap().fingerprint(),
        };
        let mut expected = BTreeMap::new();
        let mut before: Vec<_> = (0..400).map(|name| member(name, 0)).collect();
        before.sort_unstable_by_key(|member| member.key);
        let mut state = Writer::new(&header, Vec::new()).unwrap();
        for member in before {
            state.member(&member).unwrap();
            expected.insert(member.key, member);
        }
        let key = keys::members("news", "News");
        store.put(&key, state.finish().unwrap().into(), PutMode::Overwrite).await.unwrap();
        for range in 0..RANGES {
            let mut ledger = Ledger::default();
            for number in 0..ROWS {
                // Those of the first two ranges are members before.
                let told = member(200 + range as u32 * 100 + number, 1);
                if number % 3 == 0 {
                    expected.remove(&told.key);
                    ledger.enter(Operation::Leave, &verdict(number, &told, Outcome::Left));
                } else {
                    let delivered = Outcome::Delivered(told.contact_id.to_string());
                    ledger.enter(Operation::Update, &verdict(number, &told, delivered));
                    expected.insert(told.key, told);
                }
            }
            store.put(&keys::results(RUN, 0, range), ledger.checkpoint().into(), PutMode::Overwrite).await.unwrap();
        }
        let expected: Vec<_> = expected.into_values().collect();
        let held = store.head(&key).await.unwrap();
        let mut confirmed = SegmentResults::of(&store, &run, &opened, 0).await.unwrap();
        for slices in [1, 2, 3, 7, 1000] {
            confirmed.slices = slices;
            let (file, members) = merged(&confirmed, &header, held.as_ref(), &mut None).await.unwrap();
            let mut decoder = Decoder::new("merged");
            let mut found = Vec::new();
            let mut take = |member| {
                found.push(member);
                Ok(())
            };
            decoder.feed(&std::fs::read(file.path()).unwrap(), &mut take).unwrap();
            decoder.finish(&mut take).unwrap();
            assert_eq!(found, expected, "{slices} slices");
            assert_eq!(members.count, expected.len() as u64);
        }
    }

    #[tokio::test]
    async fn results_are_read_a_few_times_whatever_the_segments_size() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::new(folder.path());
        for (rows, slices) in [(40_000, 1), (40_001, 3), (10_000_000, 3)] {
            let (run, opened) = run(rows);
            assert_eq!(
                SegmentResults::of(&store, &run, &opened, 0).await.unwrap().slices,
                slices,
                "{rows} rows a chunk"
            );
        }
    }
}
