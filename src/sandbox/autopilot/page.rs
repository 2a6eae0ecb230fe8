//! Lists and contacts for a browser.

use maud::{Markup, html};

use super::store::Store;
use crate::sandbox::page::{SHOWN, pairs};

/// The lists, and the first contacts.
pub(super) fn page(store: &Store) -> Markup {
    let (count, lists) = (store.count(), store.held_lists());
    html! {
        h2 { "Lists (" (lists.len()) ")" }
        table {
            tr { th { "Title" } th { "Id" } th { "Contacts" } }
            @for list in &lists {
                tr { td { (list.title) } td { code { (list.id) } } td { (list.members) } }
            }
        }
        h2 { "Contacts (" (count) ")" }
        @if count > SHOWN { p { "The first " (SHOWN) ":" } }
        table {
            tr { th { "Email" } th { "Fields" } th { "Custom" } th { "Lists" } th { "Opted out" } }
            @for (_, contact) in store.contacts_from(0).take(SHOWN) {
                @let contact = store.held(contact);
                tr {
                    td { (contact.email.as_deref().unwrap_or("none")) }
                    td { (pairs(&contact.fields)) }
                    td { (pairs(&contact.custom)) }
                    td { (contact.lists.len()) }
                    td { @if contact.unsubscribed { "yes" } @else { "no" } }
                }
            }
        }
    }
}
