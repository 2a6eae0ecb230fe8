//! What people do: in the account, with its keys, with the configuration.

use autopilot_export::sandbox::{BulkLists, HeldContact, Sandbox};
use serde_json::{Value, json};

use super::drops::{Person, email};
use super::model::Edit;
use super::ortto;
use super::world::{Place, World, membership};
use crate::support::fixture::EXPORT;

/// Something that people do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    Edit(Edit),
    /// Another key opens the account from now on; it is given, or not yet.
    Rotate(bool),
    /// Another key opens the account, and that of another account is given.
    OtherKey,
    /// The key that opens the account is given.
    OwnKey,
    Rate(u32),
    Lanes(u32),
    Enable(bool),
    Suppress(Person),
    /// Members of a segment are marked in another place.
    Move(usize),
    /// The account no longer honours lists in bulk calls, or in any.
    Dishonour(bool),
    /// Others who share the address have it banned for a while.
    Ban,
    /// The account's limits of contacts and fields are lifted.
    Upgrade,
}

impl Event {
    /// Does it; says whether it could be done: nobody edits what is not there.
    pub(super) fn happens(self, world: &World) -> bool {
        match self {
            Self::Edit(edit) if world.is_ortto => return ortto::by_hand(world, edit),
            Self::Edit(edit) => return by_hand(world, edit),
            Self::Ban => return ortto::ban(world),
            Self::Upgrade => world.account.change(|options| {
                options.ortto.contact_limit = None;
                options.ortto.custom_field_limit = 100;
            }),
            Self::Rotate(is_given) => world.rotate(is_given),
            Self::OtherKey => {
                world.rotate(false);
                world.give(false);
            }
            Self::OwnKey => world.give(true),
            Self::Rate(rate) => world.set("/connections/eu/requests_per_second", json!(rate)),
            Self::Lanes(lanes) => world.set("/connections/eu/lanes", json!(lanes)),
            Self::Enable(is_enabled) => world.set(&format!("/exports/{EXPORT}/enabled"), json!(is_enabled)),
            Self::Suppress(person) => world.suppress(&[person]),
            Self::Move(segment) => {
                let place = {
                    let place = &mut world.shared.lock().unwrap().places[segment];
                    let (name, number) = place.mark.rsplit_once(' ').unwrap();
                    place.mark = format!("{name} {}", number.parse::<u32>().unwrap() + 1);
                    place.clone()
                };
                world.set(&format!("/exports/{EXPORT}/segments/{segment}/membership"), membership(&place));
                if place.is_field {
                    world.account.change(|options| options.autopilot.create_custom_fields = true);
                }
            }
            Self::Dishonour(all) => world.account.change(|options| {
                options.autopilot.bulk_lists = BulkLists::Never;
                if all {
                    options.autopilot.single_lists = BulkLists::Never;
                }
            }),
        }
        true
    }
}

/// One call by hand, made until the account does it; whether it did.
fn call(account: &Sandbox, key: &str, method: &str, path: &str, body: &Value) -> bool {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let path = path.replace(' ', "%20").replace('@', "%40");
    for _ in 0..200 {
        match account.ask(method, &path, key, &body) {
            // What is done twice is done once, and what is gone is gone.
            Some((200..=299 | 404, answer)) if !answer.starts_with(b"<") => return true,
            _ => {}
        }
    }
    false
}

/// Whether it was done.
fn by_hand(world: &World, edit: Edit) -> bool {
    let (key, places) = {
        let shared = world.shared.lock().unwrap();
        (shared.key.clone(), shared.places.clone())
    };
    let contents = world.account.contents();
    let ask = |method: &str, path: &str, body: Value| call(&world.account, &key, method, path, &body);
    // Until the account holds it: rows may be dropped.
    let upsert = |person: Person, (name, value): (&str, Value)| {
        let contact = json!({ "Email": email(person), name: value });
        let holds = |contact: &HeldContact| match value.as_object() {
            Some(custom) => custom.iter().all(|(name, value)| {
                let name = name.split_once("--").map_or(name.as_str(), |(_, name)| name).replace("--", " ");
                contact.custom.get(&name) == Some(value)
            }),
            None => contact.fields.get(name) == Some(&value),
        };
        let is_done = || world.account.contents().by_email(&email(person)).is_some_and(holds);
        (0..50).any(|_| ask("POST", "contact", json!({ "contact": contact })) && is_done())
    };
    let lists = |place: &Place| {
        let mut ids: Vec<_> =
            contents.lists.iter().filter(|list| list.title == place.mark).map(|list| &list.id).collect();
        ids.sort();
        ids
    };
    let mark = |place: &Place, on: bool| {
        let mut custom = serde_json::Map::new();
        custom.insert(format!("boolean--{}", place.mark.replace(' ', "--")), json!(on));
        ("custom", Value::from(custom))
    };
    match edit {
        Edit::Delete(person) => ask("DELETE", &format!("contact/{}", email(person)), Value::Null),
        Edit::Rename(person) | Edit::TakeOff(person, _) if contents.by_email(&email(person)).is_none() => false,
        Edit::Rename(person) => upsert(person, ("FirstName", json!("Renamed"))),
        Edit::TakeOff(person, segment) if places[segment].is_field => upsert(person, mark(&places[segment], false)),
        Edit::TakeOff(person, segment) => lists(&places[segment])
            .into_iter()
            .all(|id| ask("DELETE", &format!("list/{id}/contact/{}", email(person)), Value::Null)),
        Edit::PutOn(person, segment) if places[segment].is_field => upsert(person, mark(&places[segment], true)),
        Edit::PutOn(person, segment) => lists(&places[segment]).first().is_some_and(|id| {
            upsert(person, ("Company", json!("Ltd")))
                && ask("POST", &format!("list/{id}/contact/{}", email(person)), Value::Null)
        }),
        Edit::DeleteList(segment) => {
            let ids = lists(&places[segment]);
            !ids.is_empty() && ids.into_iter().all(|id| ask("DELETE", &format!("list/{id}"), Value::Null))
        }
        Edit::Archive(..) | Edit::SuppressThere(_) => false,
    }
}
