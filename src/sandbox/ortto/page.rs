//! People, tags and fields for a browser.

use maud::{Markup, html};

use super::store::Store;
use crate::sandbox::markup::{SHOWN, pairs, table};
use crate::sandbox::search::Search;

/// The first people that are looked for, the tags and the fields.
pub(super) fn page(store: &Store, search: &Search) -> Markup {
    let (count, tags) = (store.people.iter().count(), store.held_tags());
    let people = store.people.iter().filter_map(|(_, person)| store.held(person));
    let rows = people.filter(|person| search.finds(person)).take(SHOWN).map(|person| {
        html! {
            tr {
                th scope="row" { (person.email.as_deref().unwrap_or("none")) }
                td { (pairs(&person.fields)) }
                td { (pairs(&person.custom)) }
                td { @for tag in &person.lists { (tag.parse().ok().and_then(|id| store.tags.name(id)).unwrap_or(tag)) br; } }
                td { @if person.unsubscribed { "yes" } @else { "no" } }
                td { @if person.archived { "yes" } @else { "no" } }
            }
        }
    });
    let tag_rows = tags.iter().map(|tag| {
        html! { tr { th scope="row" { (tag.title) } td { (tag.id) } td.n { (tag.members) } } }
    });
    let fields: Vec<_> = store.fields.custom().collect();
    let field_rows = fields.iter().map(|field| {
        html! {
            tr {
                th scope="row" { (field.name) }
                td { code { (field.id) } }
                td { (field.field_type.name()) }
                td { (field.choices.join(", ")) }
            }
        }
    });
    html! {
        h2 { "People (" (count) ", " (count - store.people.count()) " archived)" }
        p { "At most " (SHOWN) " are shown." }
        (table("people", &["Email", "Fields", "Custom fields", "Tags", "Opted out", "Archived"], rows))
        h2 { "Tags (" (tags.len()) ")" }
        (table("tags", &["Name", "Id", "People"], tag_rows))
        h2 { "Custom fields (" (fields.len()) ")" }
        (table("custom fields", &["Name", "Id", "Type", "Choices"], field_rows))
        h2 { "Suppression list (" (store.suppressed.len()) ")" }
        p { @for email in store.suppressed.iter().take(SHOWN) { (email) br; } }
    }
}
