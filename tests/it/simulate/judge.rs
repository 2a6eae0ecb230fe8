//! What must be true of the account and of the store, whatever happened.

use std::collections::BTreeSet;
use std::io::Read as _;

use autopilot_export::plan::history::{Act, Decoder, Verdict};
use autopilot_export::run::keys;
use autopilot_export::state::{Digester, MemberStatus, half};

use super::drops::{email, is_personal, person};
use super::model::{Claim, Known};
use super::ortto;
use super::story::Story;
use super::world::Place;
use crate::support::fixture::{EXPORT, STATE_KEY, profiles_of};

impl Story {
    /// Judges account and store as they are now.
    pub(super) fn judge(&self, is_whole: bool) {
        let wrong = self.world.shared.lock().unwrap().wrong.clone();
        assert!(wrong.is_none(), "{wrong:?}");
        if let Some((requests, rate)) = self.world.exceeded() {
            panic!("{requests} requests in a second, at a rate of {rate}");
        }
        assert_eq!(self.world.other.contact_count(), 0, "the other account holds contacts");
        if self.world.is_ortto {
            let drawn = self.world.shared.lock().unwrap().bans;
            assert_eq!(self.world.account.counters().bans, drawn, "a ban was drawn");
        }
        self.judge_privacy();
        self.judge_people();
        if is_whole {
            self.judge_state();
        }
    }

    fn judge_people(&self) {
        let contents = self.world.account.contents();
        let places = self.world.shared.lock().unwrap().places.clone();
        let ortto = self.world.is_ortto.then(|| self.world.ortto());
        let living = || contents.contacts.iter().filter(|contact| !contact.archived);
        let emails: BTreeSet<String> =
            living().filter_map(|contact| Some(contact.email.as_ref()?.to_lowercase())).collect();
        assert_eq!(emails.len(), living().count(), "a contact stands twice");
        let gone = self.model.withheld.gone().find(|person| contents.by_email(&email(*person)).is_some());
        assert!(gone.is_none(), "somebody is back who was archived after opting out: {gone:?}");
        for (place, segment) in places.iter().zip(&self.model.segments) {
            let listed = match &ortto {
                Some(options) => ortto::tagged(&contents, &place.mark, options),
                None => contents.members(&place.mark),
            };
            for (person, held) in &segment.people {
                let marked = contents
                    .by_email(&email(*person))
                    .is_some_and(|contact| contact.custom.get(&place.mark) == Some(&true.into()));
                let is_member = if place.is_field { marked } else { listed.contains(&email(*person)) };
                assert!(
                    held.is_member.may_be(&is_member),
                    "person {person} is a member of {}: {is_member}; {held:?}",
                    place.mark
                );
            }
        }
        for (person, known) in &self.model.contacts {
            let Some(contact) = contents.by_email(&email(*person)) else { continue };
            let field = if self.world.is_ortto { "str::first" } else { "FirstName" };
            let name = contact.fields.get(field).and_then(|name| name.as_str()).map(str::to_owned);
            let value = contact.custom.get("Value").and_then(serde_json::Value::as_i64);
            assert!(known.name.may_be(&name), "person {person} is called {name:?}; {known:?}");
            assert!(known.value.may_be(&value), "person {person} has the value {value:?}; {known:?}");
            let opted_out = contact.unsubscribed;
            if ortto.as_ref().is_some_and(|options| options.resubscribes_by_omission) {
                continue;
            }
            assert!(known.opted_out.may_be(&opted_out), "person {person} opted out: {opted_out}; {known:?}");
        }
    }

    /// The state claims what is so, and no more.
    fn judge_state(&self) {
        let digester = Digester::new(STATE_KEY).unwrap();
        let Some(body) = self.world.disk.body(&keys::profiles(EXPORT)) else { return };
        let (header, profiles) = profiles_of(&body);
        let places = self.world.shared.lock().unwrap().places.clone();
        let joined = self.joined();
        for (Place { name, .. }, segment) in places.iter().zip(&self.model.segments) {
            let Some(at) = header.position(name) else { continue };
            for (person, held) in &segment.people {
                let key = digester.profile(&email(*person));
                let profile = profiles.iter().find(|profile| profile.key == key);
                let status = profile.map(|profile| profile.status(at)).unwrap_or_default();
                let fits = match held.claim {
                    Claim::Perhaps => true,
                    Claim::Yes => status != MemberStatus::Absent,
                    // Who was sent without an answer is asked to leave once more. A row that was refused may have arrived
                    // before, and stays in doubt.
                    Claim::No => status != MemberStatus::Confirmed,
                };
                assert!(fits, "the state has person {person} of {name} as {status:?}; {held:?}");
                let has_history = joined.contains(&(half(&key), (*name).to_owned()));
                let is_sure = status == MemberStatus::Confirmed;
                assert!(has_history || !is_sure, "no run says that person {person} joined {name}; {held:?}");
            }
        }
    }

    /// Who joined which segment, as the runs' histories say.
    fn joined(&self) -> BTreeSet<([u8; 16], String)> {
        let mut joined = BTreeSet::new();
        for (key, body) in self.world.disk.all().into_iter().filter(|(key, _)| keys::is_history(key)) {
            let mut decoder = Decoder::new(&key);
            // What a power cut left of it counts for nothing.
            let read = decoder.feed(&body).and_then(|()| decoder.end()).and_then(|()| decoder.records());
            let (Ok(records), Some(header)) = (read, decoder.header()) else { continue };
            let records = records.iter().filter(|record| record.act == Act::Join && record.verdict == Verdict::Done);
            joined.extend(records.map(|record| (record.key, header.segments[usize::from(record.segment)].clone())));
        }
        joined
    }

    /// Personal data lies where it may, keys nowhere.
    fn judge_privacy(&self) {
        for (key, body) in self.world.disk.all() {
            let may = key.starts_with("segments/")
                || key.starts_with("config/")
                || key.contains("/chunks/")
                || key.contains("/rejects/")
                || key.ends_with("/rejects.csv")
                || key.ends_with("/unconfirmed.ndjson");
            let body = if key.ends_with(".gz") { unpacked(&body) } else { body.to_vec() };
            let text = String::from_utf8_lossy(&body);
            assert!(may || !is_personal(&text), "{key} holds personal data: {text}");
            assert!(!text.contains("aaaaaaaaaaaaaaaaaa") && !text.contains(STATE_KEY), "{key} holds a key");
        }
    }

    /// After a run that ended well, nothing is left of any.
    pub(super) fn judge_end(&self) {
        for segment in &self.model.segments {
            let withheld = &self.model.withheld;
            let is_sent = |person: &u32| !withheld.is(*person) && !withheld.is_unclear(*person);
            let mut members = segment.people.iter().filter(|(person, _)| is_sent(person));
            let unclear = members.find(|(_, held)| held.claim == Claim::Perhaps);
            assert!(unclear.is_none(), "{unclear:?}");
            assert!(segment.applied != Known::Unsure);
        }
        let left: Vec<String> = self.world.disk.all().into_iter().map(|(key, _)| key).collect();
        let left: Vec<_> = left.iter().filter(|key| keys::is_transient(key)).collect();
        assert!(left.is_empty(), "{left:?}");
        // Whom Ortto withholds is never confirmed.
        let withheld = &self.model.withheld;
        let unconfirmed = self.world.disk.body(&keys::unconfirmed(EXPORT)).unwrap_or_default();
        let unconfirmed = String::from_utf8_lossy(&unconfirmed);
        let emails = unconfirmed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let people = emails.map(|line| person(line["e"].as_str().unwrap()).unwrap());
        let doubted: Vec<_> = people.filter(|person| !withheld.is(*person) && !withheld.is_unclear(*person)).collect();
        assert!(doubted.is_empty(), "still unconfirmed: {doubted:?}");
    }
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    // What a power cut left of it is read as far as it goes.
    let _ = flate2::read::MultiGzDecoder::new(body).read_to_end(&mut whole);
    whole
}
