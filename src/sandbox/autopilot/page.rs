//! Lists and contacts for a browser.

use maud::{Markup, html};

use super::store::Store;
use crate::sandbox::markup::{SHOWN, pairs, table};
use crate::sandbox::search::Search;

/// The lists, and the first contacts that are looked for.
pub(super) fn page(store: &Store, search: &Search) -> Markup {
    let (count, lists) = (store.count(), store.held_lists());
    let list_rows = lists.iter().map(|list| {
        html! { tr { th scope="row" { (list.title) } td { code { (list.id) } } td.n { (list.members) } } }
    });
    let contacts = store.contacts_from(0).map(|(_, contact)| store.held(contact));
    let contact_rows = contacts.filter(|contact| search.finds(contact)).take(SHOWN).map(|contact| {
        html! {
            tr {
                th scope="row" { (contact.email.as_deref().unwrap_or("none")) }
                td { (pairs(&contact.fields)) }
                td { (pairs(&contact.custom)) }
                td { (contact.lists.len()) }
                td { @if contact.unsubscribed { "yes" } @else { "no" } }
            }
        }
    });
    html! {
        h2 { "Contacts (" (count) ")" }
        p { "At most " (SHOWN) " are shown." }
        (table("contacts", &["Email", "Fields", "Custom", "Lists", "Opted out"], contact_rows))
        h2 { "Lists (" (lists.len()) ")" }
        (table("lists", &["Title", "Id", "Contacts"], list_rows))
    }
}
