//! What must be true of each person, by rules that are too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::drops::{Drop, Person, Says};
use super::ortto::Withheld;

/// What is known of something: this, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known<T> {
    Is(T),
    Unsure,
}

impl<T: PartialEq> Known<T> {
    pub(super) fn may_be(&self, value: &T) -> bool {
        match self {
            Self::Is(known) => known == value,
            Self::Unsure => true,
        }
    }

    /// It may be this from now on.
    fn or(&mut self, value: &T) {
        if !self.may_be(value) {
            *self = Self::Unsure;
        }
    }
}

/// Whether the program takes somebody for a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Claim {
    No,
    Yes,
    /// A run that did not come to its end may have sent it.
    Perhaps,
}

/// One person in one segment.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) is_member: Known<bool>,
    pub(super) claim: Claim,
    /// Somebody changed it by hand since the program knew for certain.
    by_hand: bool,
    /// Taking it off may do nothing, as it is another contact's, or happen twice.
    leaves_oddly: bool,
}

impl Default for Membership {
    fn default() -> Self {
        Self { is_member: Known::Is(false), claim: Claim::No, by_hand: false, leaves_oddly: false }
    }
}

/// What the account holds of a person.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) name: Known<Option<String>>,
    pub(super) value: Known<Option<i64>>,
    pub(super) opted_out: Known<bool>,
    /// Somebody changed it by hand since the program sent all of it.
    by_hand: bool,
    /// Its contact was deleted since the program sent it.
    is_deleted: Known<bool>,
    /// What a run that ended well delivered last.
    delivered: Option<Says>,
}

impl Default for Contact {
    fn default() -> Self {
        Self {
            name: Known::Is(None),
            value: Known::Is(None),
            opted_out: Known::Is(false),
            by_hand: false,
            is_deleted: Known::Is(false),
            delivered: None,
        }
    }
}

/// What somebody does in the account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edit {
    Delete(Person),
    Rename(Person),
    TakeOff(Person, usize),
    PutOn(Person, usize),
    DeleteList(usize),
    /// Whether the person opts out before.
    Archive(Person, bool),
    /// The account sends the person nothing from now on.
    SuppressThere(Person),
}

/// One segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) people: BTreeMap<Person, Membership>,
    /// The time of the drop that was applied last.
    pub(super) applied: Known<Option<Timestamp>>,
    /// The next run that ends well begins with a list that is new.
    pub(super) is_new: bool,
    /// A run that did not end well began with that list.
    is_begun: bool,
}

impl Segment {
    /// Whether somebody may be a member who was not made one by the program.
    fn has_others(&self) -> bool {
        self.people.values().any(|held| held.by_hand && held.is_member != Known::Is(false))
    }
}

impl Segment {
    /// The program may have forgotten whom it took for members.
    fn forgotten(&mut self) {
        for held in self.people.values_mut().filter(|held| held.claim != Claim::No) {
            (held.claim, held.by_hand) = (Claim::Perhaps, true);
        }
    }

    /// Whether somebody is a member who may be one is not known any more.
    pub(super) fn doubted(&mut self, person: Person) {
        if let Some(held) = self.people.get_mut(&person).filter(|held| held.claim != Claim::No) {
            (held.is_member, held.claim, held.by_hand) = (Known::Unsure, Claim::Perhaps, true);
        }
    }
}

impl Default for Segment {
    fn default() -> Self {
        Self { people: BTreeMap::new(), applied: Known::Is(None), is_new: false, is_begun: false }
    }
}

/// A drop that a run takes.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) segment: usize,
    pub(super) drop: Drop,
    /// None where a person named it: it is the newest.
    pub(super) time: Option<Timestamp>,
    /// Who opts out by a row that is not sent.
    pub(super) alone: BTreeSet<Person>,
    /// Whom any row suppresses: a member leaves, whether or not this drop has a row.
    pub(super) suppressed: BTreeSet<Person>,
    /// How many rejected rows are of people whom another drop's rows suppress: they may count as either.
    pub(super) either: u64,
}

/// Whom a drop suppresses, and who opts out in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StoredObjections {
    pub(super) suppressed: BTreeSet<Person>,
    pub(super) opted_out: BTreeSet<Person>,
}

impl StoredObjections {
    pub(super) fn of(drop: &Drop) -> Self {
        let mut objections = Self::default();
        for (person, says) in &drop.says {
            match says {
                Says::Suppressed => objections.suppressed.extend([*person]),
                Says::Member(fields) | Says::Refused(fields) if fields.opted_out => {
                    objections.opted_out.extend([*person]);
                }
                _ => {}
            }
        }
        objections
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.suppressed.extend(&other.suppressed);
        self.opted_out.extend(&other.opted_out);
    }
}

/// What a row says of consent counts in all drops of a run; so does what the drops `before` say of their people, and what
/// is `kept` of drops that the run does not take.
pub(super) fn unite(taken: &mut [Taken], before: &[Drop], kept: &StoredObjections) {
    let people: BTreeSet<Person> = taken.iter().flat_map(|taken| taken.drop.says.keys().copied()).collect();
    let mut all: BTreeMap<Person, (bool, bool, bool)> = BTreeMap::new();
    for (person, says) in taken.iter().map(|taken| &taken.drop).chain(before).flat_map(|drop| &drop.says) {
        if people.contains(person) {
            let (suppressed, unreadable, opted_out) = all.entry(*person).or_default();
            *suppressed |= *says == Says::Suppressed;
            *unreadable |= *says == Says::Unreadable;
            *opted_out |= matches!(says, Says::Member(fields) | Says::Refused(fields) if fields.opted_out);
        }
    }
    for (person, (suppressed, _, opted_out)) in &mut all {
        *suppressed |= kept.suppressed.contains(person);
        *opted_out |= kept.opted_out.contains(person);
    }
    let is_rejected = |says: &Says| u64::from(matches!(says, Says::Nothing | Says::Unreadable));
    for Taken { drop, alone, suppressed: everywhere, either, .. } in taken {
        everywhere.extend(all.iter().filter(|(_, (suppressed, ..))| *suppressed).map(|(person, _)| *person));
        everywhere.extend(&kept.suppressed);
        for (person, says) in &mut drop.says {
            let (suppressed, unreadable, opted_out) = all[person];
            drop.rejected -= is_rejected(says);
            match says {
                _ if suppressed => {
                    *either += is_rejected(says);
                    *says = Says::Suppressed;
                }
                _ if unreadable => *says = Says::Unreadable,
                Says::Member(fields) | Says::Refused(fields) => fields.opted_out = opted_out,
                _ => {}
            }
            drop.rejected += is_rejected(says);
            if opted_out && !matches!(says, Says::Member(_)) {
                alone.insert(*person);
            }
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// Every row was delivered, or was no row to deliver.
    pub(super) is_whole: bool,
    /// Whether it said that it kept nobody who is gone from the drop.
    pub(super) removed_all: bool,
    /// Whether the account refused to let somebody go.
    pub(super) refused_leavers: bool,
    /// It sent every row, whatever the state says, and removed nobody.
    pub(super) full: bool,
    /// It made requests.
    pub(super) was_sent: bool,
    /// It took only some rows, and removed nobody.
    pub(super) part: bool,
    /// Something that was sent before may arrive later.
    pub(super) may_arrive_late: bool,
    /// By the store's clock.
    pub(super) began: Timestamp,
}

/// What must be true.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) segments: Vec<Segment>,
    pub(super) contacts: BTreeMap<Person, Contact>,
    /// People whom nothing may be sent of.
    pub(super) suppressed: BTreeSet<Person>,
    /// Those of them whom a run may have sent that was planned before.
    late: BTreeSet<Person>,
    /// The account changed the way onto its lists: a contact that is read back may have been added by hand.
    is_dishonoured: bool,
    /// Whom the account itself keeps from being sent.
    pub(super) withheld: Withheld,
}

impl Model {
    pub(super) fn new(segments: usize, people: u32) -> Self {
        let segment = || Segment {
            people: (0..people).map(|person| (person, Membership::default())).collect(),
            ..Segment::default()
        };
        Self {
            segments: (0..segments).map(|_| segment()).collect(),
            contacts: (0..people).map(|person| (person, Contact::default())).collect(),
            ..Self::default()
        }
    }

    /// What a drop makes of a person, if it is in it.
    fn says<'d>(&self, drop: &'d Drop, person: Person) -> Option<&'d Says> {
        let said = drop.says.get(&person)?;
        Some(if self.suppressed.contains(&person) { &Says::Suppressed } else { said })
    }

    /// A run of these drops is over.
    pub(super) fn ran(&mut self, taken: &[Taken], end: &End) {
        let mut order: Vec<&Taken> = taken.iter().collect();
        order.sort_by_key(|taken| taken.time.map(std::cmp::Reverse));
        let before = self.clone();
        let mut written = BTreeSet::new();
        let late = self.late.clone();
        for (number, taken) in order.iter().enumerate() {
            let planned = &order[..number];
            let others: Vec<&Taken> = order.iter().copied().filter(|other| other.segment != taken.segment).collect();
            for person in &taken.alone {
                self.contacts.get_mut(person).unwrap().opted_out.or(&true);
            }
            for person in before.contacts.keys().copied() {
                let said = self.says(&taken.drop, person);
                let is_withheld = before.withheld.is(person) || before.withheld.is_unclear(person);
                let mut is_refused = Known::Is(false);
                if let Some(Says::Member(_) | Says::Refused(_)) = said
                    && !is_withheld
                {
                    let outdated = match written.insert(person) {
                        // Without a state, no drop is known but the run's own.
                        true if end.full => Known::Is(false),
                        true => before.is_outdated(person, taken, planned, end.removed_all && !end.part),
                        false => Known::Is(true),
                    };
                    if let Some(Says::Refused(_)) = said {
                        // What is sent of an older row is the address.
                        is_refused = match outdated {
                            Known::Is(is) => Known::Is(!is),
                            Known::Unsure => Known::Unsure,
                        };
                    }
                    self.contact(person, said, taken.segment, outdated, &before, end);
                }
                if is_refused == Known::Unsure {
                    self.perhaps_refused(person, taken.segment);
                    continue;
                }
                let said = match said {
                    Some(Says::Refused(fields)) if is_refused == Known::Is(false) => Some(Says::Member(fields.clone())),
                    said => said.or(taken.suppressed.contains(&person).then_some(&Says::Suppressed)).cloned(),
                };
                if matches!(said, Some(Says::Member(_))) && taken.suppressed.contains(&person) {
                    self.perhaps_suppressed(person, taken.segment);
                    continue;
                }
                let is_gone = !end.full && !end.part && matches!(said, None | Some(Says::Suppressed));
                let is_sent = |other: &&Taken| matches!(before.says(&other.drop, person), Some(Says::Member(_)));
                if is_gone && before.withheld.may_return(person) && others.iter().any(is_sent) {
                    self.returns(person, taken.segment);
                    continue;
                }
                self.member(person, said.as_ref(), taken.segment, &before, end);
            }
            let segment = &mut self.segments[taken.segment];
            segment.applied = match (end.is_whole, end.part) {
                (_, true) => segment.applied.clone(),
                (true, false) => Known::Is(Some(taken.time.unwrap_or(end.began))),
                (false, false) => Known::Unsure,
            };
            segment.is_new &= !end.is_whole || !end.was_sent;
            segment.is_begun = segment.is_new && (segment.is_begun || end.was_sent);
        }
        for (person, segment) in self.withheld.come_back(&written, end.is_whole) {
            let held = self.segments[segment].people.get_mut(&person).unwrap();
            if held.is_member == Known::Is(false) {
                (held.is_member, held.by_hand) = (Known::Unsure, true);
            }
        }
        if end.full && self.withheld.is_anonymous {
            let is_taken = |number| taken.iter().any(|taken| taken.segment == number);
            let others = self.segments.iter_mut().enumerate().filter(|(number, _)| !is_taken(*number));
            others.for_each(|(_, segment)| segment.forgotten());
        }
        if end.is_whole {
            // The run that was planned before is over.
            self.late.retain(|person| !late.contains(person));
        }
    }

    /// Somebody who is archived leaves a segment as another one brings it back, maybe with its marks: the next run asks again.
    fn returns(&mut self, person: Person, number: usize) {
        let held = self.segments[number].people.get_mut(&person).unwrap();
        if held.claim != Claim::No {
            // It may have been brought back before.
            (held.is_member, held.claim) = (Known::Unsure, Claim::Perhaps);
        }
    }

    /// Whether the account took the person's row is not known.
    fn perhaps_refused(&mut self, person: Person, number: usize) {
        let held = self.segments[number].people.get_mut(&person).unwrap();
        held.is_member.or(&true);
        (held.claim, held.by_hand) = (Claim::Perhaps, true);
    }

    /// Another segment's drop may suppress who is a member by this one's: which of its drops was applied last is not known.
    fn perhaps_suppressed(&mut self, person: Person, number: usize) {
        let held = self.segments[number].people.get_mut(&person).unwrap();
        held.is_member = Known::Unsure;
        (held.claim, held.by_hand) = (Claim::Perhaps, true);
    }

    /// How many rows of a drop the account refuses, at least and at most.
    pub(super) fn refused(&self, taken: &[Taken], full: bool) -> (u64, u64) {
        let (mut least, mut most) = (0, 0);
        for (at, one) in taken.iter().enumerate() {
            let others = taken.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| &other.drop.says);
            let newer: Vec<&Taken> = taken.iter().filter(|other| other.segment != one.segment).collect();
            for person in one.drop.says.keys().copied() {
                if !matches!(self.says(&one.drop, person), Some(Says::Refused(_))) {
                    continue;
                }
                let is_alone = others.clone().all(|says| !says.contains_key(&person));
                let is_sent = full || self.is_outdated(person, one, &newer, false) == Known::Is(false);
                let is_there = !(self.withheld.is(person)
                    || self.withheld.is_unclear(person)
                    || self.withheld.is_archived(person));
                least += u64::from(is_alone && is_sent && is_there);
                most += 1;
            }
        }
        (least, most)
    }

    /// Whether a newer drop of another segment has the person. Of the segments that the run planned before this one, it does
    /// not have those who are gone from their drops, where the run removed them.
    fn is_outdated(&self, person: Person, taken: &Taken, planned: &[&Taken], removed_all: bool) -> Known<bool> {
        let Some(time) = taken.time else { return Known::Is(false) };
        let mut outdated = Known::Is(false);
        for (number, other) in self.segments.iter().enumerate().filter(|(number, _)| *number != taken.segment) {
            let newer = match other.applied {
                Known::Is(applied) => Some(applied.is_some_and(|applied| applied > time)),
                Known::Unsure => None,
            };
            let is_gone = planned.iter().any(|one| one.segment == number && !one.drop.says.contains_key(&person));
            match (newer, other.people[&person].claim) {
                (Some(false), _) | (_, Claim::No) => {}
                _ if is_gone && removed_all => {}
                _ if is_gone => outdated = Known::Unsure,
                (Some(true), Claim::Yes) => return Known::Is(true),
                _ => outdated = Known::Unsure,
            }
        }
        outdated
    }

    fn member(&mut self, person: Person, said: Option<&Says>, number: usize, before: &Self, end: &End) {
        let segment = &mut self.segments[number];
        let (is_new, is_begun) = (segment.is_new, segment.is_begun);
        let is_misled = before.is_dishonoured && before.segments.iter().any(Segment::has_others);
        let Some(held) = segment.people.get_mut(&person) else { return };
        let Membership { is_member, claim, by_hand, leaves_oddly } = held;
        if before.withheld.is_unclear(person) {
            (*is_member, *by_hand) = (Known::Unsure, true);
            *claim = if *claim == Claim::No && said.is_none() { Claim::No } else { Claim::Perhaps };
            return;
        }
        if before.withheld.is(person) && matches!(said, Some(Says::Member(_))) {
            if end.full || *claim == Claim::No && !end.is_whole {
                *claim = Claim::Perhaps;
            }
            *by_hand |= end.full && before.withheld.is_anonymous;
            return;
        }
        let is_late = before.late.contains(&person);
        if end.full && before.withheld.is_anonymous && *claim != Claim::No && !matches!(said, Some(Says::Member(_))) {
            (*claim, *by_hand) = (Claim::Perhaps, true);
        }
        match said {
            Some(Says::Member(fields)) if end.is_whole => {
                let contact = &before.contacts[&person];
                let changed = contact.delivered.as_ref().is_some_and(|said| *said != Says::Member(fields.clone()));
                let joins = before.segments.len() == 1 && contact.is_deleted == Known::Is(true) && changed;
                let joins = joins && !before.withheld.is_archived(person);
                if let Some(contact) = self.contacts.get_mut(&person).filter(|_| joins) {
                    contact.is_deleted = Known::Is(false);
                }
                *is_member = match (&claim, &is_member, *by_hand) {
                    (Claim::No | Claim::Perhaps, ..) if is_misled => Known::Unsure,
                    _ if joins && is_misled => Known::Unsure,
                    _ if end.full || joins => Known::Is(true),
                    (Claim::No, ..) | (_, Known::Is(true), false) | (Claim::Perhaps, _, false) => Known::Is(true),
                    (Claim::Yes | Claim::Perhaps, ..) => Known::Unsure,
                };
                *by_hand = *is_member == Known::Unsure && (*by_hand || is_misled);
                *claim = Claim::Yes;
            }
            Some(Says::Member(_)) => {
                is_member.or(&true);
                if *claim == Claim::No {
                    *claim = Claim::Perhaps;
                }
                if end.full && is_new {
                    *claim = Claim::Perhaps;
                }
            }
            // Who was marked in the place of before is not in the one of now.
            _ if end.full && is_new && (is_begun || !end.is_whole) && *claim != Claim::No => *claim = Claim::Perhaps,
            _ if end.full && is_new && end.is_whole => (*claim, *by_hand) = (Claim::No, false),
            Some(Says::Nothing | Says::Unreadable) => {}
            Some(Says::Refused(_)) => {
                if *claim == Claim::No && !end.is_whole {
                    *claim = Claim::Perhaps;
                }
            }
            _ if end.full => {}
            None if end.part => {}
            // Suppressed people are removed even where leavers are withheld.
            None | Some(Says::Suppressed)
                if end.is_whole && !is_late && (end.removed_all || said.is_some() && !end.refused_leavers) =>
            {
                if end.may_arrive_late && *claim != Claim::No {
                    *is_member = Known::Unsure;
                } else if *leaves_oddly && *by_hand {
                    is_member.or(&false);
                } else if *claim == Claim::Yes || (*claim == Claim::Perhaps && !*by_hand) {
                    *is_member = Known::Is(false);
                } else if *claim == Claim::Perhaps {
                    is_member.or(&false);
                }
                // What others did to somebody whom the program never claimed stays theirs.
                *by_hand = *by_hand && *claim == Claim::No || *is_member == Known::Unsure;
                *leaves_oddly = *claim == Claim::Perhaps;
                *claim = Claim::No;
            }
            None | Some(Says::Suppressed) => {
                if *claim != Claim::No {
                    is_member.or(&false);
                    *claim = Claim::Perhaps;
                }
            }
        }
    }

    fn contact(
        &mut self,
        person: Person,
        said: Option<&Says>,
        number: usize,
        outdated: Known<bool>,
        before: &Self,
        end: &End,
    ) {
        if let Some(Says::Refused(fields)) = said {
            let contact = self.contacts.get_mut(&person).unwrap();
            if outdated != Known::Is(false) {
                contact.opted_out.or(&fields.opted_out);
            }
            if !end.is_whole {
                contact.delivered = None;
            }
        }
        let Some(Says::Member(fields)) = said else { return };
        let claim = before.segments[number].people[&person].claim;
        let Some(contact) = self.contacts.get_mut(&person) else { return };
        let sends_all = end.full || claim == Claim::No;
        match outdated {
            // Sending only the email address may create a contact that was deleted.
            Known::Is(true) => {
                contact.is_deleted.or(&false);
                return contact.opted_out.or(&fields.opted_out);
            }
            Known::Is(false) if end.is_whole && (sends_all || !contact.by_hand) => {
                contact.name = Known::Is(Some(fields.name.clone()));
                if fields.value.is_some() {
                    contact.value = Known::Is(fields.value);
                } else if contact.is_deleted != Known::Is(false) {
                    contact.value = Known::Unsure;
                }
                if fields.opted_out {
                    contact.opted_out = Known::Is(true);
                }
                (contact.by_hand, contact.is_deleted) = (false, Known::Is(false));
            }
            _ => {
                contact.is_deleted.or(&false);
                contact.name.or(&Some(fields.name.clone()));
                if fields.value.is_some() {
                    contact.value.or(&fields.value);
                }
                if fields.opted_out {
                    contact.opted_out.or(&true);
                }
            }
        }
        let is_known = end.is_whole && outdated == Known::Is(false);
        contact.delivered = is_known.then(|| Says::Member(fields.clone()));
    }

    /// Somebody changed something in the account; while a run went on, nobody knows what the run did after it.
    pub(super) fn edited(&mut self, edit: Edit, in_a_run: bool) {
        match edit {
            Edit::Archive(person, opts_out) => return self.archived(person, opts_out, in_a_run),
            Edit::SuppressThere(person) => return self.suppressed_there(person, in_a_run),
            Edit::Delete(person) => self.withheld.deleted(person),
            _ => {}
        }
        let known = |now: bool| if in_a_run { Known::Unsure } else { Known::Is(now) };
        let segments = self.segments.len();
        let mut set = |number: usize, person: Person, now: bool| {
            let held = self.segments[number].people.get_mut(&person).unwrap();
            held.is_member = known(now);
            held.by_hand = true;
        };
        match edit {
            Edit::TakeOff(person, segment) => set(segment, person, false),
            Edit::PutOn(person, segment) => {
                set(segment, person, true);
                // A contact that was deleted is made anew, by others.
                let contact = self.contacts.get_mut(&person).unwrap();
                if contact.is_deleted != Known::Is(false) {
                    contact.by_hand = true;
                    self.segments[segment].people.get_mut(&person).unwrap().leaves_oddly = true;
                }
            }
            Edit::DeleteList(segment) => {
                let people: Vec<Person> = self.contacts.keys().copied().collect();
                people.into_iter().for_each(|person| set(segment, person, false));
                self.segments[segment].is_new = true;
                // A run that sent every row may have begun with the list that is new.
                let claimed = self.segments[segment].people.values_mut().filter(|held| held.claim == Claim::Yes);
                claimed.filter(|_| in_a_run).for_each(|held| held.claim = Claim::Perhaps);
            }
            Edit::Delete(person) => {
                (0..segments).for_each(|segment| set(segment, person, false));
                let contact = self.contacts.get_mut(&person).unwrap();
                (contact.name, contact.value) = (Known::Unsure, Known::Unsure);
                contact.opted_out = Known::Unsure;
                (contact.by_hand, contact.is_deleted) = (true, Known::Is(true));
            }
            Edit::Rename(person) => {
                let contact = self.contacts.get_mut(&person).unwrap();
                (contact.name, contact.by_hand) = (Known::Unsure, true);
            }
            Edit::Archive(..) | Edit::SuppressThere(_) => {}
        }
    }

    /// The account no longer honours lists in calls that did before.
    pub(super) fn dishonoured(&mut self, in_a_run: bool) {
        self.is_dishonoured = true;
        for held in self.segments.iter_mut().flat_map(|segment| segment.people.values_mut()).filter(|_| in_a_run) {
            // Who is believed to have joined after some were read back is not known.
            if held.is_member == Known::Is(true) {
                (held.is_member, held.by_hand) = (Known::Unsure, true);
            }
        }
    }

    /// Nothing is sent of somebody from now on; whether a run that was going on did is not known.
    pub(super) fn suppress(&mut self, person: Person, in_a_run: bool) {
        let is_new = self.suppressed.insert(person);
        if in_a_run && is_new {
            self.late.insert(person);
            if let Some(contact) = self.contacts.get_mut(&person) {
                (contact.name, contact.value, contact.opted_out) = (Known::Unsure, Known::Unsure, Known::Unsure);
                (contact.by_hand, contact.delivered) = (true, None);
            }
        }
        self.segments.iter_mut().filter(|_| in_a_run).for_each(|segment| segment.doubted(person));
    }

    /// Whether a run may go on that was planned before somebody was suppressed.
    pub(super) fn is_suppressed_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// A segment marks its members in another place from now on, where nobody is marked.
    pub(super) fn moved(&mut self, segment: usize) {
        let Segment { people, is_new, is_begun, .. } = &mut self.segments[segment];
        people.values_mut().for_each(|held| held.is_member = Known::Is(false));
        (*is_new, *is_begun) = (true, false);
    }
}
