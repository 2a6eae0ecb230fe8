//! People, tags and fields for a browser.

use maud::{Markup, html};

use super::store::Store;
use crate::sandbox::page::{SHOWN, pairs};

/// The tags, the fields, and the first people.
pub(super) fn page(store: &Store) -> Markup {
    let (people, tags) = (store.people.iter().count(), store.held_tags());
    let fields: Vec<_> = store.fields.custom().collect();
    html! {
        h2 { "Tags (" (tags.len()) ")" }
        table {
            tr { th { "Name" } th { "Id" } th { "People" } }
            @for tag in &tags {
                tr { td { (tag.title) } td { (tag.id) } td { (tag.members) } }
            }
        }
        h2 { "Custom fields (" (fields.len()) ")" }
        table {
            tr { th { "Name" } th { "Id" } th { "Type" } th { "Choices" } }
            @for field in &fields {
                tr {
                    td { (field.name) }
                    td { code { (field.id) } }
                    td { (field.field_type.name()) }
                    td { (field.choices.join(", ")) }
                }
            }
        }
        h2 { "People (" (people) ", " (people - store.people.count()) " archived)" }
        @if people > SHOWN { p { "The first " (SHOWN) ":" } }
        table {
            tr { th { "Email" } th { "Fields" } th { "Custom fields" } th { "Tags" } th { "Opted out" } th { "Archived" } }
            @for person in store.people.iter().filter_map(|(_, person)| store.held(person)).take(SHOWN) {
                tr {
                    td { (person.email.as_deref().unwrap_or("none")) }
                    td { (pairs(&person.fields)) }
                    td { (pairs(&person.custom)) }
                    td { @for tag in &person.lists { (tag.parse().ok().and_then(|id| store.tags.name(id)).unwrap_or(tag)) br; } }
                    td { @if person.unsubscribed { "yes" } @else { "no" } }
                    td { @if person.archived { "yes" } @else { "no" } }
                }
            }
        }
        h2 { "Suppression list (" (store.suppressed.len()) ")" }
        p { @for email in store.suppressed.iter().take(SHOWN) { (email) br; } }
    }
}
