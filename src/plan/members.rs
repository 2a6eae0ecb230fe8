//! The export's profiles as the state knows them, small enough to hold a million: 33 bytes each.
//!
//! All segments of a run share the one index, the segment with the newest drop first. What is known of a profile's
//! membership of the current segment is marked in turn: [`MemberIndex::begin_segment`], then [`MemberIndex::add`] for
//! each profile of the state.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::state::{FieldsDigest, MemberStatus, Profile, ProfileKey, half};

/// Half a [`ProfileKey`]: 128 bits of a keyed digest, enough to tell any number of profiles apart.
type ShortKey = [u8; 16];

/// What becomes of a row of the drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It can be sent.
    Valid,
    /// It is rejected; a member stays one.
    Rejected,
    /// It must not be sent; a member leaves.
    Suppressed,
}

/// How a row stands to the state and to the rows before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is not, or not for certain, a member of the segment.
    New(Fields),
    /// It is a confirmed member.
    Existing(Fields),
    /// A row before it in this drop has the same email.
    Duplicate,
}

/// Whether an opt-out is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptedOut {
    /// It was known before.
    Before,
    /// Of a profile that the export has never sent.
    Newcomer,
    /// Of a contact in the account.
    Contact,
}

/// Why a member leaves a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The drop does not hold it.
    Gone,
    /// It must not be sent to.
    Suppressed,
}

/// What is known of a profile's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// The contact was last confirmed to hold these, in whichever segment; none where it is new to the export.
    Held(Option<FieldsDigest>),
    /// A newer drop of another segment has the profile: the fields of this row are out of date.
    Outdated,
}

/// The segments of a state object, as seen from the current segment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The place of the current segment in the header; none where it has no members yet.
    pub segment: Option<usize>,
    /// By the header's segments: whether a newer drop of it was applied than the current one.
    pub newer: Vec<bool>,
    /// By the header's segments: whether this run has planned it already, and so who stays in it.
    pub planned: Vec<bool>,
    /// By the header's segments: whether its members stay in the export whatever this run does.
    pub untouched: Vec<bool>,
}

/// What is known of one profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks(u8);

impl Marks {
    // Of the current segment.
    const MEMBER: u8 = 1;
    const UNCONFIRMED: u8 = 1 << 1;
    /// What became of its row in the drop: none yet, or one of the three below.
    const SEEN: u8 = 3 << 2;
    const VALID: u8 = 1 << 2;
    const REJECTED: u8 = 2 << 2;
    const SUPPRESSED: u8 = 3 << 2;
    /// A newer drop of another segment was applied by an earlier run.
    const APPLIED_NEWER: u8 = 1 << 4;
    // Of the run.
    /// Its opt-out was sent alone, or is in a row of the drops.
    const OPTED_OUT: u8 = 1 << 7;
    /// A valid row in the drop of a segment before.
    const READ_NEWER: u8 = 1 << 5;
    /// It is in the export after the run.
    const IN_EXPORT: u8 = 1 << 6;
    /// What the next segment begins with.
    const OF_THE_RUN: u8 = Self::READ_NEWER | Self::IN_EXPORT | Self::OPTED_OUT;
    const READ: u8 = Self::READ_NEWER | Self::IN_EXPORT;

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    fn set(&mut self, mark: u8, on: bool) {
        self.0 |= if on { mark } else { 0 };
    }

    fn is_seen_as(self, seen: u8) -> bool {
        self.0 & Self::SEEN == seen
    }

    /// Whether it is a member that the drop does not hold.
    fn is_gone(self) -> bool {
        self.has(Self::MEMBER) && !self.has(Self::SEEN)
    }

    /// Whether it is a member who must not be sent to.
    fn is_suppressed(self) -> bool {
        self.has(Self::MEMBER) && self.is_seen_as(Self::SUPPRESSED)
    }

    /// What the next segment begins with.
    fn of_the_run(self) -> Self {
        let was_read = self.is_seen_as(Self::VALID);
        Self(self.0 & Self::OF_THE_RUN | if was_read { Self::READ } else { 0 })
    }

    fn observe(&mut self, seen: Seen, digest: Option<FieldsDigest>) -> Lookup {
        if self.has(Self::SEEN) {
            return Lookup::Duplicate;
        }
        let is_outdated = self.has(Self::READ_NEWER | Self::APPLIED_NEWER);
        let fields = if is_outdated { Fields::Outdated } else { Fields::Held(digest) };
        self.0 |= match seen {
            Seen::Valid => Self::VALID,
            Seen::Rejected => Self::REJECTED,
            Seen::Suppressed => Self::SUPPRESSED,
        };
        let is_confirmed = self.has(Self::MEMBER) && !self.has(Self::UNCONFIRMED);
        if is_confirmed { Lookup::Existing(fields) } else { Lookup::New(fields) }
    }
}

/// One profile of the state.
#[derive(Debug)]
struct Entry {
    key: ShortKey,
    digest: FieldsDigest,
    marks: Marks,
}

/// The profiles of an export before a run, and what the drops have shown of them so far.
#[derive(Debug, Default)]
pub struct MemberIndex {
    entries: Vec<Entry>,
    newcomers: HashMap<ShortKey, Marks, BuildHasherDefault<FirstBytes>>,
    /// The place of the next profile that is added.
    next: usize,
}

impl MemberIndex {
    /// Begins with the next segment, of which nothing is known yet.
    pub fn begin_segment(&mut self) {
        self.next = 0;
        let marks = self.entries.iter_mut().map(|entry| &mut entry.marks).chain(self.newcomers.values_mut());
        marks.for_each(|marks| *marks = marks.of_the_run());
    }

    /// Adds a profile of the state. For each segment the same profiles come, in order of their keys.
    pub fn add(&mut self, profile: &Profile, view: &View) {
        if self.next == self.entries.len() {
            let (key, digest) = (half(&profile.key), profile.digest);
            self.entries.push(Entry { key, digest, marks: Marks::default() });
        }
        if let Some(Entry { marks, .. }) = self.entries.get_mut(self.next) {
            let status = view.segment.map(|at| profile.status(at)).unwrap_or_default();
            let is_in = |of: &[bool]| of.iter().enumerate().any(|(at, of)| *of && profile.is_member(at));
            marks.set(Marks::MEMBER, status != MemberStatus::Absent);
            let is_doubted = matches!(status, MemberStatus::Unconfirmed | MemberStatus::Leaving);
            marks.set(Marks::UNCONFIRMED, is_doubted);
            marks.set(Marks::OPTED_OUT, profile.is_opted_out);
            // A leaver of a segment with a newer drop, of this run or of one before, has the values of the next.
            let has_stayed = marks.has(Marks::IN_EXPORT);
            let has_left = |at: usize| !has_stayed && view.planned.get(at) == Some(&true);
            let is_in_drop = |at: usize| profile.is_member(at) && profile.status(at) != MemberStatus::Leaving;
            let mut newer = view.newer.iter().enumerate().filter(|(_, is_newer)| **is_newer);
            marks.set(Marks::APPLIED_NEWER, newer.any(|(at, _)| is_in_drop(at) && !has_left(at)));
            marks.set(Marks::IN_EXPORT, is_in(&view.untouched));
        }
        self.next += 1;
    }

    /// How many members the segment has in the state.
    pub fn members(&self) -> u64 {
        self.count(|marks| marks.has(Marks::MEMBER))
    }

    /// Whether the state has this profile as a member of the segment.
    pub fn is_member(&self, key: &ProfileKey) -> bool {
        self.marks(key).is_some_and(|marks| marks.has(Marks::MEMBER))
    }

    /// Whether the state has this profile, as a member of whichever segment.
    pub fn is_known(&self, key: &ProfileKey) -> bool {
        self.find(&half(key)).is_some()
    }

    /// Whether this profile is in the export after the segments before, as far as they tell.
    pub fn was_planned(&self, key: &ProfileKey) -> bool {
        let marks = self.marks(key).or_else(|| self.newcomers.get(&half(key)).copied());
        marks.is_some_and(|marks| marks.has(Marks::READ))
    }

    /// Marks a member that has no row in the drop as suppressed or rejected. Returns whether there was one.
    pub fn observe_unseen(&mut self, key: &[u8; 16], seen: Seen) -> bool {
        let entry = self.find(key).and_then(|at| self.entries.get_mut(at)).filter(|entry| entry.marks.is_gone());
        entry.map(|entry| entry.marks.observe(seen, None)).is_some()
    }

    /// Whether the state has this member, by half the profile's key.
    pub fn is_member_by_half(&self, key: &[u8; 16]) -> bool {
        let entry = self.find(key).and_then(|at| self.entries.get(at));
        entry.is_some_and(|entry| entry.marks.has(Marks::MEMBER))
    }

    /// Whether a row of this drop, or a valid one of a segment before, has this profile.
    pub fn has_row(&self, key: &ProfileKey) -> bool {
        self.marks(key).is_some_and(|marks| marks.has(Marks::SEEN | Marks::READ_NEWER))
    }

    /// Whether a row of this drop has the profile whose key begins with these bytes, and does not keep it from being sent.
    pub fn has_row_of(&self, first_bytes: u64) -> bool {
        let begins = |key: &ShortKey| key.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let from = self.entries.partition_point(|entry| begins(&entry.key) < first_bytes);
        let found = self.entries.get(from).filter(|entry| begins(&entry.key) == first_bytes);
        found.is_some_and(|entry| entry.marks.is_seen_as(Marks::VALID) || entry.marks.is_seen_as(Marks::REJECTED))
    }

    /// Whether a row of the drop can be sent.
    pub fn is_valid(&self, key: &ProfileKey) -> bool {
        self.is_seen_as(key, Marks::VALID)
    }

    /// Whether a row of the drop keeps this profile from being sent.
    pub fn is_suppressed(&self, key: &ProfileKey) -> bool {
        self.is_seen_as(key, Marks::SUPPRESSED)
    }

    fn is_seen_as(&self, key: &ProfileKey, seen: u8) -> bool {
        let marks = self.marks(key).or_else(|| self.newcomers.get(&half(key)).copied());
        marks.is_some_and(|marks| marks.is_seen_as(seen))
    }

    /// Records that this profile opts out. Returns whether that was known, and of whom.
    pub fn opt_out(&mut self, key: &ProfileKey) -> OptedOut {
        let short = half(key);
        let (marks, news) = match self.find(&short).and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => (&mut entry.marks, OptedOut::Contact),
            None => (self.newcomers.entry(short).or_default(), OptedOut::Newcomer),
        };
        let is_known = marks.has(Marks::OPTED_OUT);
        marks.set(Marks::OPTED_OUT, true);
        if is_known { OptedOut::Before } else { news }
    }

    fn marks(&self, key: &ProfileKey) -> Option<Marks> {
        self.find(&half(key)).and_then(|at| self.entries.get(at)).map(|entry| entry.marks)
    }

    /// Notes what becomes of a row of the drop, and says how it stands to what was known before.
    pub fn observe(&mut self, key: &ProfileKey, seen: Seen) -> Lookup {
        let short = half(key);
        match self.find(&short).and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => entry.marks.observe(seen, Some(entry.digest)),
            None => self.newcomers.entry(short).or_default().observe(seen, None),
        }
    }

    /// How many members of the segment the drop does not hold.
    pub fn gone(&self) -> u64 {
        self.count(Marks::is_gone)
    }

    /// The members of the segment that the drop does not hold, by half their profiles' keys.
    pub fn who_is_gone(&self) -> impl Iterator<Item = &[u8; 16]> {
        self.entries.iter().filter(|entry| entry.marks.is_gone()).map(|entry| &entry.key)
    }

    /// How many members of the segment must not be sent to.
    pub fn suppressed(&self) -> u64 {
        self.count(Marks::is_suppressed)
    }

    /// How this profile of the state leaves the segment, if it does.
    pub fn leaving(&self, key: &ProfileKey) -> Option<Leaving> {
        let marks = self.marks(key)?;
        let suppressed = marks.is_suppressed().then_some(Leaving::Suppressed);
        suppressed.or(marks.is_gone().then_some(Leaving::Gone))
    }

    /// Ends a segment whose rows are all in: its members stay in the export, unless they are suppressed; those who are
    /// gone only where leavers are withheld.
    pub fn end_segment(&mut self, is_withheld: bool) {
        for Entry { marks, .. } in &mut self.entries {
            let stays = marks.has(Marks::MEMBER) && !marks.is_suppressed() && (is_withheld || !marks.is_gone());
            marks.set(Marks::IN_EXPORT, stays);
        }
    }

    /// Keeps a member of the ended segment in the export that seemed to leave.
    pub fn keep(&mut self, key: &ProfileKey) {
        if let Some(entry) = self.find(&half(key)).and_then(|at| self.entries.get_mut(at)) {
            entry.marks.set(Marks::IN_EXPORT, true);
        }
    }

    /// How many profiles the export has after the run: those that were read, and the members of its other segments.
    pub fn profiles(&self) -> u64 {
        let is_in = |marks: Marks| marks.of_the_run().has(Marks::IN_EXPORT);
        let newcomers = self.newcomers.values().filter(|marks| is_in(**marks)).count();
        self.count(is_in) + newcomers as u64
    }

    fn find(&self, key: &ShortKey) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok()
    }

    fn count(&self, is: impl Fn(Marks) -> bool) -> u64 {
        self.entries.iter().filter(|entry| is(entry.marks)).count() as u64
    }
}

/// Takes the first eight bytes for the hash: keys are digests already.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MemberStatus::{Absent, Confirmed, Unconfirmed};

    fn profile(n: u8, memberships: [MemberStatus; 3]) -> Profile {
        Profile { key: [n; 32], digest: [n; 16], memberships: memberships.to_vec(), ..Profile::default() }
    }

    fn index(profiles: &[Profile], view: &View) -> MemberIndex {
        let mut index = MemberIndex::default();
        begin(&mut index, profiles, view);
        index
    }

    fn begin(index: &mut MemberIndex, profiles: &[Profile], view: &View) {
        index.begin_segment();
        profiles.iter().for_each(|profile| index.add(profile, view));
    }

    fn of(segment: usize) -> View {
        View { segment: Some(segment), ..View::default() }
    }

    #[test]
    fn an_entry_takes_33_bytes() {
        assert_eq!(size_of::<Entry>(), 33);
    }

    #[test]
    fn the_first_row_of_a_profile_counts_and_the_unseen_are_missing() {
        let members = [1, 2, 3].map(|n| profile(n, [Confirmed, Absent, Absent]));
        let mut index = index(&members, &of(0));
        assert_eq!(index.observe(&[2; 32], Seen::Valid), Lookup::Existing(Fields::Held(Some([2; 16]))));
        assert_eq!(index.observe(&[2; 32], Seen::Valid), Lookup::Duplicate);
        assert_eq!(index.observe(&[9; 32], Seen::Valid), Lookup::New(Fields::Held(None)));
        assert_eq!(index.observe(&[9; 32], Seen::Valid), Lookup::Duplicate);
        assert_eq!(index.observe(&[3; 32], Seen::Suppressed), Lookup::Existing(Fields::Held(Some([3; 16]))));
        assert_eq!(index.observe(&[3; 32], Seen::Valid), Lookup::Duplicate, "a suppressed profile does not come back");
        assert_eq!((index.members(), index.gone(), index.suppressed()), (3, 1, 1));
        let leaving = [1, 2, 3, 9].map(|n| index.leaving(&[n; 32]));
        assert_eq!(leaving, [Some(Leaving::Gone), None, Some(Leaving::Suppressed), None]);
    }

    #[test]
    fn an_opt_out_is_news_once() {
        let opted_out = Profile { is_opted_out: true, ..profile(2, [Confirmed, Absent, Absent]) };
        let mut index = index(&[profile(1, [Confirmed, Absent, Absent]), opted_out], &of(0));
        assert_eq!(index.opt_out(&[1; 32]), OptedOut::Contact);
        assert_eq!([1, 2].map(|n| index.opt_out(&[n; 32])), [OptedOut::Before; 2]);
        assert_eq!(index.opt_out(&[9; 32]), OptedOut::Newcomer);
        begin(&mut index, &[profile(1, [Confirmed, Absent, Absent])], &of(1));
        assert_eq!([1, 9].map(|n| index.opt_out(&[n; 32])), [OptedOut::Before; 2], "of the run, not the segment");
    }

    #[test]
    fn membership_is_of_the_segment_and_fields_are_of_the_export() {
        let members = [profile(1, [Confirmed, Absent, Absent]), profile(2, [Absent, Unconfirmed, Absent])];
        let fields = |n| Fields::Held(Some([n; 16]));
        for (segment, expected) in [
            (0, [Lookup::Existing(fields(1)), Lookup::New(fields(2))]),
            (1, [Lookup::New(fields(1)), Lookup::New(fields(2))]),
        ] {
            let mut index = index(&members, &of(segment));
            assert_eq!([1, 2].map(|n| index.observe(&[n; 32], Seen::Valid)), expected, "{segment}");
        }
    }

    #[test]
    fn fields_are_outdated_where_a_newer_drop_has_the_profile() {
        let members = [1, 2, 3].map(|n| profile(n, [Confirmed, Absent, Absent]));
        let mut index = index(&members, &of(1));
        index.observe(&[1; 32], Seen::Valid);
        index.observe(&[2; 32], Seen::Rejected);
        index.observe(&[9; 32], Seen::Valid);
        begin(&mut index, &members, &of(0));
        assert_eq!(index.observe(&[1; 32], Seen::Valid), Lookup::Existing(Fields::Outdated));
        assert_eq!(index.observe(&[2; 32], Seen::Valid), Lookup::Existing(Fields::Held(Some([2; 16]))), "no values");
        assert_eq!(index.observe(&[9; 32], Seen::Valid), Lookup::New(Fields::Outdated));
        // Applied by an earlier run.
        begin(&mut index, &members, &View { newer: vec![true], ..of(2) });
        assert_eq!(index.observe(&[3; 32], Seen::Valid), Lookup::New(Fields::Outdated));
    }

    #[test]
    fn fields_are_not_outdated_by_a_newer_drop_that_is_left() {
        let members = [1, 2].map(|n| profile(n, [Confirmed, Confirmed, Absent]));
        let newer = View { newer: vec![true], planned: vec![true], ..of(1) };
        for (is_withheld, fields) in [(false, Fields::Held(Some([1; 16]))), (true, Fields::Outdated)] {
            let mut index = index(&members, &of(0));
            index.observe(&[2; 32], Seen::Rejected);
            index.end_segment(is_withheld);
            begin(&mut index, &members, &newer);
            assert_eq!(index.observe(&[1; 32], Seen::Valid), Lookup::Existing(fields), "{is_withheld}");
            assert_eq!(index.observe(&[2; 32], Seen::Valid), Lookup::Existing(Fields::Outdated), "stays");
        }
        let newer = View { newer: vec![true], ..of(1) };
        let mut index = index(&[profile(1, [MemberStatus::Leaving, Confirmed, Absent])], &newer);
        assert_eq!(index.observe(&[1; 32], Seen::Valid), Lookup::Existing(Fields::Held(Some([1; 16]))), "leaves again");
    }

    #[test]
    fn the_profiles_of_an_export_are_distinct_over_all_its_segments() {
        let members = [
            profile(1, [Confirmed, Absent, Absent]),
            profile(2, [Confirmed, Confirmed, Absent]),
            profile(3, [Confirmed, Absent, Confirmed]),
            profile(4, [Absent, Absent, Confirmed]),
        ];
        for (is_withheld, profiles) in [(false, 5), (true, 6)] {
            let mut index = MemberIndex::default();
            for segment in [0, 1] {
                begin(&mut index, &members, &View { untouched: vec![false, false, true], ..of(segment) });
                index.observe(&[2; 32], Seen::Valid);
                index.observe(&[8 + segment as u8; 32], Seen::Valid);
                index.observe(&[7; 32], Seen::Suppressed);
                index.end_segment(is_withheld);
            }
            assert_eq!(index.profiles(), profiles, "{is_withheld}");
        }
    }
}
