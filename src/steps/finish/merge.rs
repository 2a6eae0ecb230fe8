//! Merges what was confirmed in a run into the state of its export: two streams in order of their keys become one, which
//! replaces the state by compare-and-set, for all segments at once.

use std::fs::File;

use super::addresses::{may_take_over, take_over};
use super::change::{Change, ChangeKind};
use super::order::{write_order, write_suppression};
use super::results::{RejectsFile, RunResults};
use super::totals::Totals;
use super::verdicts::Verdicts;
use crate::chunk::Operation;
use crate::error::{Error, Kind, Result};
use crate::ports::{ObjectMeta, PutMode, PutOutcome, Store};
use crate::run::{SegmentRecord, keys};
use crate::state::{
    Digester, FIELDS_UNCONFIRMED, FORMAT, Header, MemberStatus, OPT_OUT_ALONE, Profile, SegmentHeader, Writer,
};
use crate::steps::carryover::{Unconfirmed, UnconfirmedEmails};
use crate::steps::profiles::ProfileStream;
use crate::steps::temporary::temporary;

/// Attempts of a compare-and-set. Nobody else writes while this run has the lease: a conflict is its own write, repeated by
/// the client, or a finish call that was given up and still works.
const TRIES: u32 = 3;

/// Merges what was confirmed into the state; gives the members of each of the run's segments.
pub(super) async fn merge(
    results: &RunResults<'_, impl Store>,
    digester: &Digester,
    totals: &mut Totals,
    rejects: &mut RejectsFile,
) -> Result<Vec<MemberCount>> {
    let RunResults { store, run, .. } = results;
    let export = run.request.export.as_str();
    let key = keys::profiles(export);
    let mut counting = Some((totals, rejects));
    for _ in 0..TRIES {
        let held = store.head(&key).await?;
        if held.is_none() && run.account.is_some() && !run.request.full {
            return Err(Error::new(Kind::Config, key, "is missing, and the run began with it")
                .hint("restore it, or send every row once as if there were no state with --full"));
        }
        let condition = match &held {
            Some(held) => PutMode::Update(held.version.clone()),
            None => PutMode::Create,
        };
        let merged = match merged(results, digester, held.as_ref(), &mut counting).await {
            // With --full, a state that does not fit, or cannot be read, is not carried over.
            Err(Error { kind: Kind::Config, .. }) if run.request.full => {
                merged(results, digester, None, &mut counting).await?
            }
            merged => merged?,
        };
        let earlier = match UnconfirmedEmails::of(*store, export).await {
            Err(Error { kind: Kind::Config, .. }) if run.request.full => UnconfirmedEmails::default(),
            earlier => earlier?,
        };
        let emails = earlier.of_profiles(merged.unconfirmed);
        emails.write(*store, export).await?;
        if let Some(verdicts) = merged.verdicts {
            verdicts.write(*store).await?;
        }
        if let PutOutcome::Written(_) = store.put_file(&key, &merged.file, condition).await? {
            let members = |segment: &SegmentRecord| {
                let at = merged.header.position(&segment.name);
                at.and_then(|at| merged.members.get(at)).copied().unwrap_or_default()
            };
            let members: Vec<MemberCount> = run.segments.iter().map(members).collect();
            for (segment, members) in run.segments.iter().zip(&members) {
                write_order(*store, run, segment, members.all, Some(members.unconfirmed)).await?;
            }
            write_suppression(*store, run).await?;
            earlier.clear(*store, export, &emails).await?;
            return Ok(members);
        }
    }
    Err(Error::new(Kind::Unavailable, key, "was changed by another run at the same time")
        .hint("let only this program write it; the next run merges what this one confirmed"))
}

/// How many members a segment has in the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MemberCount {
    pub(super) all: u64,
    /// Those of them who were sent, or asked to leave, without a proof.
    pub(super) unconfirmed: u64,
}

impl MemberCount {
    fn add(&mut self, status: MemberStatus) {
        self.all += u64::from(status != MemberStatus::Absent);
        self.unconfirmed += u64::from(matches!(status, MemberStatus::Unconfirmed | MemberStatus::Leaving));
    }
}

/// The state after a run.
struct Merged<'r> {
    file: File,
    header: Header,
    /// The members of each of the header's segments.
    members: Vec<MemberCount>,
    /// The profiles of which something was sent without an answer.
    unconfirmed: Vec<Unconfirmed>,
    /// What the run came to for whom; none where nothing is kept of that.
    verdicts: Option<Verdicts<'r>>,
}

async fn merged<'r>(
    results: &'r RunResults<'_, impl Store>,
    digester: &Digester,
    held: Option<&ObjectMeta>,
    counting: &mut Option<(&mut Totals, &mut RejectsFile)>,
) -> Result<Merged<'r>> {
    let mut old = match held {
        Some(held) => Some(ProfileStream::open(results.store, held).await?),
        None => None,
    };
    let (header, forgotten) = header(results, digester, old.as_ref().map(|old| &old.header))?;
    let places: Vec<_> = results.run.segments.iter().map(|segment| header.position(&segment.name)).collect();
    let mut writer = Writer::new(&header, temporary("state")?)?;
    let (mut members, mut unconfirmed) = (vec![MemberCount::default(); header.segments.len()], Vec::new());
    let mut verdicts = Verdicts::begin(results.store, results.run, &results.guards).await?;
    let taken_over = results.addresses.taken_over(results.store, held).await?;
    for slice in 0..results.slices {
        let changes = results.slice(slice, counting.take()).await?;
        if let Some(adding) = &mut verdicts
            && !adding.add(results.store, slice, results.slices, &changes).await?
        {
            verdicts = None;
        }
        let mut changes = changes.into_iter().peekable();
        loop {
            let before = old.as_ref().and_then(ProfileStream::peek).map(|profile| profile.key);
            let before = before.filter(|key| results.slice_of(key) == slice);
            let changed = changes.peek().map(|change| change.key);
            let Some(key) = before.into_iter().chain(changed).min() else { break };
            let mut profile = match &mut old {
                Some(old) if before == Some(key) => old.next().await?.unwrap_or_default(),
                _ => Profile { key, ..Profile::default() },
            };
            forgotten.iter().for_each(|at| profile.set_status(*at, MemberStatus::Absent));
            let (mut email, mut is_delivered, mut left) = (None, false, Vec::new());
            while let Some(Change { segment, what, .. }) = changes.next_if(|change| change.key == key) {
                if let Some(at) = places.get(segment).copied().flatten() {
                    is_delivered |= matches!(what, ChangeKind::Delivered { .. });
                    left.extend(matches!(what, ChangeKind::Left).then_some(at));
                    let before = taken_over.get(&key);
                    email = apply(&mut profile, at, before, what).or(email);
                }
            }
            if is_delivered && !left.is_empty() && results.may_come_back(&key) {
                // The next run asks again.
                left.into_iter().for_each(|at| profile.set_status(at, MemberStatus::Leaving));
            }
            // A profile goes with its last segment.
            if profile.memberships.iter().all(|status| *status == MemberStatus::Absent) {
                continue;
            }
            members.iter_mut().enumerate().for_each(|(at, count)| count.add(profile.status(at)));
            if profile.is_doubted() {
                unconfirmed.push((key, email));
            }
            writer.profile(&profile)?;
        }
    }
    Ok(Merged { file: writer.finish()?, header, members, unconfirmed, verdicts })
}

/// The header after the run, and the places of the segments whose members it forgets.
fn header(
    results: &RunResults<'_, impl Store>,
    digester: &Digester,
    old: Option<&Header>,
) -> Result<(Header, Vec<usize>)> {
    let RunResults { run, opened, .. } = results;
    let mut header = Header {
        format: FORMAT,
        account: opened.account.clone(),
        key_fingerprint: digester.fingerprint(),
        segments: old.map(|old| old.segments.clone()).unwrap_or_default(),
        sent_at: results.sent_at.or_else(|| old?.sent_at),
    };
    let of_another = || {
        let key = keys::profiles(&run.request.export);
        Error::new(Kind::Config, key, "belongs to another account, list or key").hint("send every row once with --full")
    };
    let is_other = |old: &Header| old.account != header.account && !results.opened.same_accounts.contains(&old.account);
    if old.is_some_and(|old| is_other(old) || old.key_fingerprint != header.key_fingerprint) {
        return Err(of_another());
    }
    let mut forgotten = Vec::new();
    for (segment, target) in run.segments.iter().zip(&opened.targets).filter(|(segment, _)| segment.drop.is_some()) {
        let at = header.position(&segment.name);
        match at.and_then(|at| Some((at, header.segments.get_mut(at)?))) {
            Some((_, known)) if known.target == *target => {}
            // Members of the old list are not members of the new one.
            Some((at, known)) if run.request.full => {
                known.target = target.clone();
                forgotten.push(at);
            }
            Some(_) => return Err(of_another()),
            None => header.segments.push(SegmentHeader { name: segment.name.clone(), target: target.clone() }),
        }
    }
    Ok((header, forgotten))
}

/// Applies what a row came to; gives the email of one whose answer is missing.
fn apply(profile: &mut Profile, segment: usize, before: Option<&Profile>, what: ChangeKind) -> Option<Box<str>> {
    match what {
        ChangeKind::TakesOver => {
            take_over(profile, before);
            None
        }
        ChangeKind::MayTakeOver => {
            may_take_over(profile, before);
            None
        }
        ChangeKind::GoesOn => {
            profile.memberships.clear();
            None
        }
        ChangeKind::MayGoOn => {
            profile.digest = FIELDS_UNCONFIRMED;
            None
        }
        ChangeKind::Apart => {
            profile.set_status(segment, left(profile, segment));
            None
        }
        ChangeKind::Withdrawn if profile.is_member(segment) => {
            profile.set_status(segment, MemberStatus::Leaving);
            None
        }
        ChangeKind::Withdrawn => None,
        ChangeKind::Delivered { digest: OPT_OUT_ALONE, contact_id, .. } => {
            profile.is_opted_out = true;
            profile.contact_id = Some(contact_id);
            None
        }
        // It is sent once more.
        ChangeKind::Unconfirmed { digest: OPT_OUT_ALONE, .. } => None,
        ChangeKind::Delivered { digest, match_id, contact_id } => {
            profile.set_status(segment, MemberStatus::Confirmed);
            profile.contact_id = Some(contact_id);
            if digest != FIELDS_UNCONFIRMED {
                profile.digest = digest;
                profile.match_id = match_id.map(|id| *id);
            }
            None
        }
        ChangeKind::Anew => {
            let doubted = profile.memberships.iter_mut().filter(|status| **status == MemberStatus::Confirmed);
            doubted.for_each(|status| *status = MemberStatus::Unconfirmed);
            (profile.digest, profile.is_opted_out) = (FIELDS_UNCONFIRMED, false);
            None
        }
        ChangeKind::Doubted => {
            profile.set_status(segment, MemberStatus::Unconfirmed);
            None
        }
        ChangeKind::Found { contact_id } => {
            profile.contact_id = Some(contact_id);
            None
        }
        ChangeKind::OptedOut => {
            profile.is_opted_out = true;
            None
        }
        ChangeKind::Refused | ChangeKind::Suppressed => None,
        ChangeKind::Left => {
            profile.set_status(segment, left(profile, segment));
            None
        }
        ChangeKind::Unconfirmed { operation, digest, email } => {
            match (operation, profile.status(segment)) {
                (Operation::Join, _) => profile.set_status(segment, MemberStatus::Unconfirmed),
                (Operation::Leave, MemberStatus::Confirmed) => {
                    let is_doubted = profile.digest == FIELDS_UNCONFIRMED;
                    let status = if is_doubted { MemberStatus::Unconfirmed } else { MemberStatus::Leaving };
                    profile.set_status(segment, status);
                }
                _ => {}
            }
            if digest != FIELDS_UNCONFIRMED && (operation == Operation::Update || digest != profile.digest) {
                profile.digest = FIELDS_UNCONFIRMED;
            }
            (!email.is_empty()).then_some(email)
        }
    }
}

/// The membership of somebody who was taken off. A request without an answer may still arrive, so only a later leave proves
/// the removal.
fn left(profile: &Profile, segment: usize) -> MemberStatus {
    match profile.status(segment) {
        MemberStatus::Unconfirmed => MemberStatus::Leaving,
        MemberStatus::Confirmed if profile.digest == FIELDS_UNCONFIRMED => MemberStatus::Leaving,
        _ => MemberStatus::Absent,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::super::results::RunResults;
    use super::*;
    use crate::chunk::Row;
    use crate::delivery::lane::Verdict;
    use crate::destination::RowResult;
    use crate::ledger::{Ledger, Sent};
    use crate::membership::MembershipTarget;
    use crate::plan::history::{self, Act, Record};
    use crate::plan::lanes::{Chunk, Range};
    use crate::ports::Memory;
    use crate::run::opening::{OpenPhase, OpenRecord};
    use crate::run::{RunRecord, RunRequest, Trigger};
    use crate::state::{ProfileKey, half};
    use crate::steps::history::HistoryStream;
    use MemberStatus::{Absent, Confirmed, Leaving, Unconfirmed};

    const RANGES: usize = 5;
    const RUN: &str = "20261125T000000Z-news-00000000";

    /// A run of two segments; each chunk is one's, in turn.
    fn run(rows: u32) -> (RunRecord, OpenRecord) {
        let request = RunRequest::new(RUN, "news", Trigger::Command);
        let segment = |name: &str| SegmentRecord { name: name.into(), drop: Some("drop".into()), ..Default::default() };
        let (segments, at) = (vec![segment("News"), segment("VIP")], Timestamp::UNIX_EPOCH);
        let mut run = RunRecord::begin(&request, "eu", String::new(), segments, Vec::new(), at);
        let chunk = |number| Chunk {
            name: format!("chunks/{number}"),
            segment: number % 2,
            operation: Operation::Update,
            rows,
            opt_outs: false,
            address_changes: false,
        };
        run.chunks = (0..RANGES).map(chunk).collect();
        let opened = OpenRecord {
            account: "account".into(),
            same_accounts: Vec::new(),
            key: String::new(),
            targets: vec![MembershipTarget::None; 2],
            setup: serde_json::Value::Null,
            canary: None,
            phase: OpenPhase::Assigned,
            lanes: vec![(0..RANGES).map(|chunk| Range { chunk, from: 0, to: rows }).collect()],
            shares: vec![1],
            rate: 1.0,
            last_sent: Vec::new(),
            clock: None,
            sent: Sent::default(),
            warnings: Vec::new(),
            sends_again: false,
        };
        (run, opened)
    }

    fn digester() -> Digester {
        Digester::new("key").unwrap()
    }

    fn header() -> Header {
        let segment = |name: &str| SegmentHeader { name: name.into(), target: MembershipTarget::None };
        Header {
            format: FORMAT,
            account: "account".into(),
            key_fingerprint: digester().fingerprint(),
            // One is of another run.
            segments: vec![segment("VIP"), segment("Other"), segment("News")],
            sent_at: None,
        }
    }

    fn profile(name: u32, digest: u8, memberships: [MemberStatus; 3]) -> Profile {
        Profile {
            key: digester().profile(&name.to_string()),
            digest: [digest; 16],
            contact_id: Some(format!("contact_{name}").into()),
            match_id: Some([digest; 16]),
            is_opted_out: false,
            memberships: memberships.to_vec(),
        }
    }

    fn object(header: &Header, mut profiles: Vec<Profile>) -> Vec<u8> {
        profiles.sort_unstable_by_key(|profile| profile.key);
        let mut state = Writer::new(header, Vec::new()).unwrap();
        profiles.iter().for_each(|profile| state.profile(profile).unwrap());
        state.finish().unwrap()
    }

    async fn stored(store: &Memory) -> (Header, BTreeMap<ProfileKey, Profile>) {
        let meta = store.head(&keys::profiles("news")).await.unwrap().unwrap();
        let mut stream = ProfileStream::open(store, &meta).await.unwrap();
        let mut found = BTreeMap::new();
        while let Some(profile) = stream.next().await.unwrap() {
            found.insert(profile.key, profile);
        }
        (stream.header, found)
    }

    fn enter(ledger: &mut Ledger, operation: Operation, number: u32, profile: &Profile, outcome: RowResult) {
        let row = Row { key: profile.key, digest: profile.digest, match_id: profile.match_id, ..Row::default() };
        ledger.enter(operation, &Verdict { span: 0, number, row, outcome, may_be_sent: false });
    }

    async fn merge_into(
        store: &Memory,
        run: &RunRecord,
        opened: &OpenRecord,
        slices: usize,
    ) -> Result<Vec<MemberCount>> {
        let mut results = RunResults::of(store, run, opened, None).await.unwrap();
        results.sent_at = None;
        results.slices = slices;
        let mut rejects = crate::report::rejects::Rejects::new(run, temporary("rejects").unwrap()).unwrap();
        merge(&results, &digester(), &mut Totals::default(), &mut rejects).await
    }

    fn record(key: &ProfileKey, segment: u16, act: Act, verdict: history::Verdict) -> Record {
        Record { key: half(key), segment, act, verdict, source: Some(0), line: 7 }
    }

    /// What prepare would have stored of whom.
    async fn plan_of(store: &Memory, records: &[Record]) {
        let header = history::Header {
            format: history::FORMAT,
            key_fingerprint: digester().fingerprint(),
            run_id: RUN.into(),
            export: "news".into(),
            began: Timestamp::UNIX_EPOCH,
            is_planned: true,
            segments: Vec::new(),
            sources: Vec::new(),
            rules: Vec::new(),
            guards: Vec::new(),
        };
        let mut writer = history::Writer::new(&header, Vec::new()).unwrap();
        records.iter().for_each(|record| writer.record(record).unwrap());
        store.put(&keys::history(RUN), writer.finish().unwrap().into(), PutMode::Overwrite).await.unwrap();
    }

    /// The verdicts as they are stored.
    async fn verdicts(store: &Memory) -> Vec<Record> {
        let meta = store.head(&keys::history(RUN)).await.unwrap().unwrap();
        let mut stream = HistoryStream::open(store, &meta).await.unwrap();
        assert!(!stream.header.is_planned);
        let mut found = Vec::new();
        loop {
            let read = stream.next().await.unwrap();
            if read.is_empty() {
                return found;
            }
            found.extend(read);
        }
    }

    /// Profiles are kept, changed, removed and added, wherever a slice ends; and so is what is said of them.
    #[tokio::test]
    async fn the_state_is_the_same_in_any_number_of_slices() {
        const ROWS: u32 = 60;
        for slices in [1, 2, 3, 7, 1000] {
            let store = Memory::default();
            let (mut run, opened) = run(ROWS);
            let (mut planned, mut said) = (Vec::new(), Vec::new());
            let before: Vec<_> = (0..400).map(|name| profile(name, 2, [Absent, Confirmed, Confirmed])).collect();
            let mut expected: BTreeMap<_, _> = before.iter().map(|before| (before.key, before.clone())).collect();
            store.put(&keys::profiles("news"), object(&header(), before).into(), PutMode::Overwrite).await.unwrap();
            for range in 0..RANGES {
                let at = if range % 2 == 0 { 2 } else { 0 };
                let mut ledger = Ledger::default();
                for number in 0..ROWS {
                    // Those of the first two ranges are known before.
                    let mut changed = profile(200 + range as u32 * 100 + number, 1, [Absent; 3]);
                    let of = |verdict| record(&changed.key, range as u16 % 2, Act::Change, verdict);
                    planned.push(of(Act::Change.planned().1));
                    said.push(of(history::Verdict::Done));
                    if number % 3 == 0 {
                        let before = expected.get_mut(&changed.key);
                        before.into_iter().for_each(|before| before.set_status(at, Absent));
                        enter(&mut ledger, Operation::Leave, number, &changed, RowResult::Left);
                    } else {
                        let delivered = RowResult::Delivered(changed.contact_id.as_deref().unwrap().to_owned());
                        enter(&mut ledger, Operation::Update, number, &changed, delivered);
                        let before = expected.get(&changed.key).map(|before| before.memberships.clone());
                        changed.memberships = before.unwrap_or(changed.memberships);
                        changed.set_status(at, Confirmed);
                        expected.insert(changed.key, changed);
                    }
                }
                store.put(&keys::results(RUN, 0, range), ledger.checkpoint().into(), PutMode::Overwrite).await.unwrap();
            }
            // Of the same person, in another segment; and one whose row was not sent.
            let suppressed = history::Verdict::Suppressed(history::Suppressed::File);
            let [sent, unsent] = [200, 9].map(|name| digester().profile(&name.to_string()));
            let others =
                [record(&sent, 1, Act::Nothing, suppressed), record(&unsent, 1, Act::Join, Act::Join.planned().1)];
            planned.extend(others);
            said.extend(others);
            said.sort_unstable();
            plan_of(&store, &planned).await;
            run.recorded = Some(planned.len() as u64);
            for time in ["once", "twice"] {
                merge_into(&store, &run, &opened, slices).await.unwrap();
                assert_eq!(stored(&store).await, (header(), expected.clone()), "{slices} slices, {time}");
                assert_eq!(verdicts(&store).await, said, "{slices} slices, {time}");
            }
        }
    }

    /// The changes that one run may make of one profile, and what is then known of it.
    #[test]
    fn fields_are_of_the_export_and_membership_is_of_the_segment() {
        let delivered =
            |digest| ChangeKind::Delivered { digest: [digest; 16], match_id: None, contact_id: "new".into() };
        let unconfirmed = |operation, digest| ChangeKind::Unconfirmed {
            operation,
            digest: [digest; 16],
            email: "a@b.example".into(),
        };
        let before = || profile(1, 7, [Confirmed, Absent, Confirmed]);
        let leave = || unconfirmed(Operation::Leave, 0);
        for (what, digest, status) in [
            (delivered(8), 8, Confirmed),
            // The row of an older drop carries no fields.
            (delivered(0), 7, Confirmed),
            (ChangeKind::Left, 7, Absent),
            (unconfirmed(Operation::Join, 8), 0, Unconfirmed),
            (unconfirmed(Operation::Join, 7), 7, Unconfirmed),
            (unconfirmed(Operation::Join, 0), 7, Unconfirmed),
            (unconfirmed(Operation::Update, 8), 0, Confirmed),
            (unconfirmed(Operation::Update, 7), 0, Confirmed),
            (leave(), 7, Leaving),
        ] {
            let (mut profile, place) = (before(), format!("{what:?}"));
            apply(&mut profile, 0, None, what);
            assert_eq!(
                (profile.digest, profile.memberships),
                ([digest; 16], vec![status, Absent, Confirmed]),
                "{place}"
            );
        }
        for (digest, steps) in [
            (7, vec![(ChangeKind::Left, Absent)]),
            (7, vec![(leave(), Leaving), (leave(), Leaving), (ChangeKind::Left, Absent)]),
            (
                7,
                vec![
                    (unconfirmed(Operation::Join, 7), Unconfirmed),
                    (leave(), Unconfirmed),
                    (ChangeKind::Left, Leaving),
                ],
            ),
            (0, vec![(ChangeKind::Left, Leaving), (ChangeKind::Left, Absent)]),
            (
                0,
                vec![
                    (leave(), Unconfirmed),
                    (ChangeKind::Left, Leaving),
                    (leave(), Leaving),
                    (ChangeKind::Left, Absent),
                ],
            ),
        ] {
            let mut profile = profile(1, digest, [Confirmed, Absent, Confirmed]);
            for (what, status) in steps {
                apply(&mut profile, 0, None, what);
                assert_eq!(profile.status(0), status, "who was sent without an answer leaves twice");
            }
        }
        let mut profile = before();
        apply(&mut profile, 1, None, leave());
        assert_eq!(profile, before(), "who has left stays out");
    }

    #[tokio::test]
    async fn a_state_of_another_account_key_or_target_is_not_merged_into() {
        let another = |change: fn(&mut Header)| {
            let mut header = header();
            change(&mut header);
            header
        };
        for (header, fits, kept) in [
            (header(), true, 1),
            (another(|header| header.account = "another".into()), false, 0),
            (another(|header| header.key_fingerprint = "another".into()), false, 0),
            (another(|header| header.segments[2].target = MembershipTarget::Field("F".into())), false, 1),
            (another(|header| header.segments[1].target = MembershipTarget::Field("F".into())), true, 1),
        ] {
            for full in [false, true] {
                let store = Memory::default();
                let (mut run, opened) = run(0);
                run.request.full = full;
                let body = object(&header, vec![profile(1, 1, [Confirmed, Absent, Confirmed])]);
                store.put(&keys::profiles("news"), body.into(), PutMode::Overwrite).await.unwrap();
                let merged = merge_into(&store, &run, &opened, 1).await;
                assert_eq!(merged.is_ok(), fits || full, "{header:?}: {merged:?}");
                let (now, profiles) = stored(&store).await;
                assert_eq!(profiles.len(), if full { kept } else { 1 }, "{header:?}");
                if full && !fits && kept == 1 {
                    // Only the members of the segment that is marked in another way are forgotten.
                    assert_eq!(now.segments[2].target, MembershipTarget::None);
                    assert_eq!(profiles.into_values().next().unwrap().memberships, [Confirmed, Absent, Absent]);
                }
            }
        }
    }

    #[tokio::test]
    async fn results_are_read_a_few_times_whatever_the_size_of_the_run() {
        let store = Memory::default();
        for (rows, slices) in [(10_000, 1), (10_001, 2), (20_001, 3), (10_000_000, 6)] {
            let (run, opened) = run(rows);
            let found = RunResults::of(&store, &run, &opened, None).await.unwrap().slices;
            assert_eq!(found, slices, "{rows} rows a chunk");
        }
    }
}
