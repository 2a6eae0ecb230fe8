//! Ortto in the stories: an account whose open questions are answered at random, what people do in it by hand, and what
//! must be true there besides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use autopilot_export::sandbox::{
    Archived, BanRule, BanSign, Contents, EntryOrder, HeldContact, MixedBatch, Odd, Options, OrttoOptions, Sandbox,
    SkippedRows, SuppressionEntries, WrongKey,
};
use fastrand::Rng;
use serde_json::{Value, json};

use super::drops::{Person, Refuses, email, person};
use super::events::Event;
use super::model::{Edit, Known, Model};
use super::world::{Place, World};

/// Source: `docs/ORTTO_API.md` 3.
const BANNED_AFTER: usize = 15;
const BANNED_FOR: Duration = Duration::from_secs(15);

/// Every open question of the API, answered at random.
pub(super) fn options(random: &mut Rng, key: &str) -> Options {
    let statuses = [409, 423, 429, 503];
    let odd = [Odd::Refuse, Odd::Ignore, Odd::Accept];
    // Without a word on what follows, only a page that is not full is the last.
    let (page_size, suppression_has_more) = drawn(random, [(500, true), (500, false), (3, true)]);
    let ortto = OrttoOptions {
        organization_tags: if random.bool() { vec!["Elsewhere".into()] } else { Vec::new() },
        mixed_batch: drawn(
            random,
            [MixedBatch::InPlace, MixedBatch::Omitted, MixedBatch::Refused, MixedBatch::RefusedButApplied],
        ),
        entry_order: drawn(random, [EntryOrder::Rows, EntryOrder::Completion, EntryOrder::Shuffled]),
        person_ids: random.u8(..6) > 0,
        skipped_rows: drawn(
            random,
            [SkippedRows::Listed, SkippedRows::Omitted, SkippedRows::Invalid, SkippedRows::Unnamed],
        ),
        invalid_status: drawn(random, ["invalid", "error", "rejected"]).to_owned(),
        acknowledges_rows: random.u8(..4) == 0,
        default_merge_by: drawn(random, [&["str::email"][..], &["phn::phone", "str::email"]])
            .iter()
            .map(|id| (*id).to_owned())
            .collect(),
        resubscribes_by_omission: random.bool(),
        archived: drawn(random, [Archived::Invisible, Archived::Restored, Archived::Merged]),
        folds_email_case: random.bool(),
        contact_limit: (random.u8(..8) == 0).then(|| random.usize(..60)),
        contact_limit_applies_part: random.bool(),
        concurrent_merges: drawn(random, [None, Some(1), Some(3)]),
        concurrency_status: drawn(random, statuses),
        unknown_languages: drawn(random, odd),
        unknown_places: drawn(random, odd),
        odd_phones: drawn(random, odd),
        folds_tag_case: random.bool(),
        trims_tags: random.bool(),
        unset_wins: random.bool(),
        read_lag_ms: drawn(random, [0, 0, 300, 2000]),
        folds_filter_case: random.bool(),
        filters_by_tag: random.bool(),
        archived_by_id: random.bool(),
        null_fields: random.bool(),
        suppression_entries: drawn(random, [SuppressionEntries::Objects, SuppressionEntries::Strings]),
        suppression_has_more,
        page_size,
        wrong_key: drawn(random, [WrongKey::Unauthorized, WrongKey::Empty, WrongKey::NotFound]),
        existing_field_status: drawn(random, [400, 409, 423]),
        custom_field_limit: if random.u8(..8) == 0 { random.usize(..4) } else { 100 },
        custom_field_limit_status: drawn(random, [400, 403, 409, 422, 423, 507]),
        refused_merges_are_bad_requests: random.bool(),
        try_in_seconds: drawn(random, [None, Some(1), Some(10)]),
        ..OrttoOptions::default()
    };
    let statuses = [400, 403, 429, 503].map(BanSign::Status);
    let sign = if random.u8(..4) == 0 { BanSign::Cut } else { drawn(random, statuses) };
    let ban = BanRule { requests: BANNED_AFTER, window: BANNED_FOR, sign };
    Options { seed: random.u64(..), api_key: Some(key.into()), ban: Some(ban), ..ortto.into() }
}

/// Which odd values the account refuses with their rows.
pub(super) fn refuses(options: &OrttoOptions) -> Refuses {
    let [phones, languages, places] =
        [options.odd_phones, options.unknown_languages, options.unknown_places].map(|odd| odd == Odd::Refuse);
    Refuses { phones, languages, places }
}

fn drawn<T: Clone, const N: usize>(random: &mut Rng, ways: [T; N]) -> T {
    ways[random.usize(..N)].clone()
}

/// The account as it is before the first run: `takes` is how long a request is at work in it.
pub(super) fn furnish(random: &mut Rng, account: &Sandbox, places: &[Place], key: &str, takes: Duration) {
    let mut most_fields = 0;
    account.change(|options| most_fields = std::mem::replace(&mut options.ortto.custom_field_limit, 100));
    strangers(random, account, key);
    for place in places {
        let (path, body) = match (place.is_field, random.u8(..3)) {
            (true, 0) => ("person/custom-field/create", json!({ "name": place.mark, "type": "bool" })),
            // The same tag in another spelling, which nobody has any more.
            (false, 0) => {
                let tag = [place.mark.to_uppercase()];
                let fields = json!({ "str::email": "somebody@elsewhere.example" });
                for tags in ["tags", "unset_tags"] {
                    ask(account, key, "POST", "person/merge", &merge(&json!({ "fields": fields, tags: tag })));
                }
                continue;
            }
            _ => continue,
        };
        ask(account, key, "POST", path, &body);
    }
    // Two that are at work at once may not find each other.
    let lag = if random.bool() { takes.as_millis() as u64 } else { 0 };
    account.change(|options| {
        options.ortto.custom_field_limit = most_fields;
        (options.latency, options.ortto.match_lag_ms) = (takes, lag);
    });
}

/// People of others, whom the account suppresses or archived: the export's own may stand on any page behind them.
fn strangers(random: &mut Rng, account: &Sandbox, key: &str) {
    let mut pages = 0;
    account.change(|options| pages = options.ortto.page_size);
    let people = match random.u8(..4) {
        // The last page may be full.
        0 => pages * random.usize(1..3),
        1 => pages + random.usize(1..4),
        _ => 0,
    };
    let emails: Vec<String> = (0..people).map(|n| format!("a.stranger.{n}@elsewhere.example")).collect();
    ask(account, key, "PUT", "suppression-list/email/add", &json!({ "emails": emails }));
    for email in emails.iter().take(4) {
        ask(account, key, "POST", "person/merge", &merge(&json!({ "fields": { "str::email": email } })));
    }
    let ids: Vec<String> = account.contents().contacts.into_iter().map(|contact| contact.id).collect();
    if !ids.is_empty() {
        ask(account, key, "PUT", "person/archive", &json!({ "inclusion_ids": ids }));
    }
}

/// What people may do in the account, besides what they may do in any.
pub(super) fn event(random: &mut Rng, person: Person) -> Option<Event> {
    Some(match random.u8(..4) {
        0 => Event::Edit(Edit::Archive(person, random.bool())),
        1 => Event::Edit(Edit::SuppressThere(person)),
        2 => Event::Ban,
        _ => Event::Upgrade,
    })
}

/// One call by hand, which no limit of the account holds up; whether it was done. A merge says so of its person.
fn ask(account: &Sandbox, key: &str, method: &str, path: &str, body: &Value) -> bool {
    let body = body.to_string().into_bytes();
    for _ in 0..200 {
        let Some((200..=299, answer)) = account.ask(method, path, key, &body) else { continue };
        let Ok(answer) = serde_json::from_slice::<Value>(&answer) else { continue };
        let status = answer["people"][0]["status"].as_str().unwrap_or_default();
        if path != "person/merge" || matches!(status, "created" | "merged" | "queued") {
            return true;
        }
    }
    false
}

fn merge(person: &Value) -> Value {
    json!({ "people": [person], "merge_by": ["str::email"] })
}

/// Whether it was done.
pub(super) fn by_hand(world: &World, edit: Edit) -> bool {
    // Nobody's hand is as quick as a run's next request: who was made just now would be made twice.
    if world.is_busy() && world.ortto().match_lag_ms > 0 {
        return false;
    }
    let mut limits = None;
    world.account.change(|options| {
        limits = Some((options.ban, options.ortto.concurrent_merges, options.ortto.contact_limit));
        (options.ban, options.ortto.concurrent_merges, options.ortto.contact_limit) = (None, None, None);
    });
    let is_done = edited(world, edit);
    world.account.change(|options| {
        (options.ban, options.ortto.concurrent_merges, options.ortto.contact_limit) = limits.unwrap();
    });
    is_done
}

fn edited(world: &World, edit: Edit) -> bool {
    let (key, places) = {
        let shared = world.shared.lock().unwrap();
        (shared.key.clone(), shared.places.clone())
    };
    let contents = world.account.contents();
    let ask = |method: &str, path: &str, body: Value| ask(&world.account, &key, method, path, &body);
    let all = |person: Person| -> Vec<&HeldContact> {
        let is_its =
            |contact: &&HeldContact| contact.email.as_ref().is_some_and(|held| held.to_lowercase() == email(person));
        contents.contacts.iter().filter(is_its).collect()
    };
    let ids =
        |contacts: &[&HeldContact]| json!({ "inclusion_ids": contacts.iter().map(|c| &c.id).collect::<Vec<_>>() });
    // People who are or were archived are left alone: what a call by hand makes of them is an open question.
    let is_there = |person: Person| all(person).iter().all(|held| !held.archived) && !all(person).is_empty();
    // By the address as it is held: case may tell people apart.
    let held =
        |person: Person| all(person).first().and_then(|held| held.email.clone()).unwrap_or_else(|| email(person));
    let change = |person: Person, name: &str, value: Value, more: (&str, Value)| {
        ask(
            "POST",
            "person/merge",
            merge(&json!({ "fields": { "str::email": held(person), name: value }, more.0: more.1 })),
        )
    };
    let mark = |place: &Place, person: Person, on: bool| {
        if place.is_field {
            let name = |field: &Value| field["field"]["name"] == place.mark.as_str();
            let listed = world.account.ask("POST", "person/custom-field/get", &key, b"{}").map(|(_, body)| body);
            let listed: Value = serde_json::from_slice(&listed.unwrap_or_default()).unwrap_or_default();
            let field = listed["fields"].as_array().into_iter().flatten().find(|field| name(field)).cloned();
            let Some(id) = field.and_then(|field| Some(field["field"]["id"].as_str()?.to_owned())) else {
                return false;
            };
            return change(person, &id, json!(on), ("tags", json!([])));
        }
        change(person, "str::email", json!(held(person)), (if on { "tags" } else { "unset_tags" }, json!([place.mark])))
    };
    match edit {
        Edit::Delete(person) => {
            let living: Vec<&HeldContact> = all(person).into_iter().filter(|held| !held.archived).collect();
            (living.is_empty() || ask("PUT", "person/archive", ids(&living)))
                && (all(person).is_empty() || ask("DELETE", "person/delete", ids(&all(person))))
        }
        Edit::Rename(person) if is_there(person) => change(person, "str::first", json!("Renamed"), ("tags", json!([]))),
        Edit::TakeOff(person, segment) if is_there(person) => mark(&places[segment], person, false),
        Edit::PutOn(person, segment) if is_there(person) => mark(&places[segment], person, true),
        Edit::Archive(person, opts_out) if is_there(person) => {
            (!opts_out || change(person, "bol::p", json!(false), ("tags", json!([]))))
                && ask("PUT", "person/archive", ids(&all(person)))
        }
        Edit::SuppressThere(person) => ask("PUT", "suppression-list/email/add", json!({ "emails": [email(person)] })),
        _ => false,
    }
}

/// Somebody else behind the address has it banned; whether that came about.
pub(super) fn ban(world: &World) -> bool {
    let (key, before) = (world.shared.lock().unwrap().key.clone(), world.account.counters().bans);
    for _ in 0..200 {
        world.account.ask("POST", "person/merge", &key, b"no JSON");
        if world.account.counters().bans > before {
            world.shared.lock().unwrap().bans += 1;
            return true;
        }
    }
    false
}

/// What is wrong with a request, whatever is answered.
pub(super) fn fault(request: &http::Request<bytes::Bytes>, suppressed: &BTreeSet<Person>) -> Option<String> {
    let (path, text) = (request.uri().path(), String::from_utf8_lossy(request.body()).into_owned());
    let forbidden = ["person/archive", "person/delete", "suppression-list/email/add", "suppression-list/email/remove"];
    if let Some(call) = forbidden.iter().find(|call| path.ends_with(*call)) {
        return Some(format!("a call of {call}"));
    }
    if text.contains("all_rows_selected") {
        return Some("a call for everybody".into());
    }
    let body: Value = serde_json::from_str(&text).ok()?;
    let people = body["people"].as_array()?;
    let lower = |row: &Value| row["fields"]["str::email"].as_str().unwrap_or_default().to_lowercase();
    let addresses: BTreeSet<String> = people.iter().map(lower).collect();
    if addresses.len() != people.len() || people.len() > 100 {
        return Some(format!("{} rows of {} people in a merge", people.len(), addresses.len()));
    }
    if body["merge_by"] != json!(["str::email"]) || body["async"] != false {
        return Some("a merge that does not say how".into());
    }
    let has = |row: &Value, tags: &str| row[tags].as_array().is_some_and(|tags| !tags.is_empty());
    let leaves = |row: &Value| {
        let is_false = |(name, value): (&String, &Value)| name != "bol::p" && *value == false;
        has(row, "unset_tags") || row["fields"].as_object().is_some_and(|fields| fields.iter().any(is_false))
    };
    if people.iter().any(leaves) && (body["skip_non_existing"] != true || !people.iter().all(leaves)) {
        return Some("somebody could be made by leaving".into());
    }
    people.iter().find_map(|row| {
        if row["fields"]["bol::p"] == true || row["fields"]["bol::sp"] == true {
            return Some("somebody is opted in".into());
        }
        let number = person(&lower(row))?;
        let is_sent = suppressed.contains(&number) && !leaves(row);
        is_sent.then(|| format!("person {number} is suppressed and was sent"))
    })
}

/// Who has a tag, whatever its case, where that does not count.
pub(super) fn tagged(contents: &Contents, mark: &str, options: &OrttoOptions) -> BTreeSet<String> {
    let is_it = |title: &str| title == mark || options.folds_tag_case && title.to_lowercase() == mark.to_lowercase();
    let titles: BTreeSet<&String> =
        contents.lists.iter().map(|list| &list.title).filter(|title| is_it(title)).collect();
    titles.into_iter().flat_map(|title| contents.members(title)).collect()
}

/// What Ortto itself keeps from being sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Withheld {
    /// Who is on its list, for certain or not.
    suppressed: BTreeSet<Person>,
    /// Who is archived, or was and came back as somebody else; whether after opting out.
    archived: BTreeMap<Person, bool>,
    /// Those of all of them for whom nothing is known: it came about while a run went on.
    pub(super) unclear: BTreeSet<Person>,
    /// The marks that they may have had then, which come back with them where a merge restores them.
    marks: BTreeSet<(Person, usize)>,
    /// Archived people are merged and stay archived.
    pub(super) stay_archived: bool,
    /// A merge that leaves the permission out subscribes again.
    pub(super) resubscribes: bool,
    /// Who was delivered since it was archived, and so is there.
    pub(super) returned: BTreeSet<Person>,
    /// The account had no tag, and its key was changed: a run in full may forget who was sent.
    pub(super) is_anonymous: bool,
}

impl Withheld {
    /// Nothing is sent of the person.
    pub(super) fn is(&self, person: Person) -> bool {
        self.suppressed.contains(&person) || self.archived.get(&person) == Some(&true)
    }

    /// What becomes of the person's rows is not known.
    pub(super) fn is_unclear(&self, person: Person) -> bool {
        self.unclear.contains(&person) || self.stay_archived && self.archived.contains_key(&person)
    }

    /// Delivering the person may bring back who is archived.
    pub(super) fn may_return(&self, person: Person) -> bool {
        self.archived.contains_key(&person) && !self.returned.contains(&person)
    }

    pub(super) fn is_archived(&self, person: Person) -> bool {
        self.archived.contains_key(&person)
    }

    /// How many people are left out by Ortto, or may be.
    pub(super) fn len(&self) -> usize {
        self.suppressed.iter().chain(self.archived.keys()).chain(&self.unclear).collect::<BTreeSet<_>>().len()
    }

    /// Who was archived after opting out, and stays away.
    pub(super) fn gone(&self) -> impl Iterator<Item = Person> {
        let gone = self.archived.iter().filter(|(person, opted_out)| **opted_out && !self.unclear.contains(person));
        gone.map(|(person, _)| *person)
    }

    pub(super) fn deleted(&mut self, person: Person) {
        self.archived.remove(&person);
        self.marks.retain(|(marked, _)| *marked != person);
    }

    /// The marks that come back with people who are written; once for all, if the run ended well.
    pub(super) fn come_back(&mut self, written: &BTreeSet<Person>, is_whole: bool) -> Vec<(Person, usize)> {
        let back = self.marks.iter().filter(|(person, _)| written.contains(person)).copied().collect();
        self.marks.retain(|(person, _)| !is_whole || !written.contains(person));
        self.returned.extend(written.iter().filter(|_| is_whole));
        back
    }
}

impl Model {
    /// Somebody was archived; nobody of that address is a member any more.
    pub(super) fn archived(&mut self, person: Person, opted_out: bool, in_a_run: bool) {
        let opted_out = match (opted_out, &self.contacts[&person].opted_out) {
            (true, _) => Known::Is(true),
            (false, Known::Is(true)) if self.withheld.resubscribes => Known::Unsure,
            // A row may have opted it out before.
            (false, before) => before.clone(),
        };
        self.withheld.unclear.extend((opted_out == Known::Unsure).then_some(person));
        self.withheld.returned.remove(&person);
        let may_be_member = |segment: &usize| self.segments[*segment].people[&person].is_member.may_be(&true);
        let marked: Vec<usize> = (0..self.segments.len()).filter(may_be_member).collect();
        self.edited(Edit::Delete(person), in_a_run);
        self.withheld.marks.extend(marked.into_iter().map(|segment| (person, segment)));
        self.withheld.archived.insert(person, opted_out == Known::Is(true));
        self.withheld(person, in_a_run);
    }

    /// Ortto sends somebody nothing from now on.
    pub(super) fn suppressed_there(&mut self, person: Person, in_a_run: bool) {
        self.withheld.suppressed.insert(person);
        self.withheld(person, in_a_run);
    }

    fn withheld(&mut self, person: Person, in_a_run: bool) {
        let contact = self.contacts.get_mut(&person).unwrap();
        (contact.name, contact.value, contact.opted_out) = (Known::Unsure, Known::Unsure, Known::Unsure);
        if in_a_run {
            self.withheld.unclear.insert(person);
            // The run may have sent the person before, or found that it may not.
            self.segments.iter_mut().for_each(|segment| segment.doubted(person));
        }
    }
}
