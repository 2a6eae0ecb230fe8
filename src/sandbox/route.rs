//! Method and path -> the call that is meant.

use axum::http::Method;
use percent_encoding::percent_decode_str;

/// One call of the API, with what its path carries, decoded.
///
/// Source: `docs/AUTOPILOT_API.md` 1.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    UpsertOne,
    UpsertMany,
    GetContact(String),
    DeleteContact(String),
    PageContacts(Option<String>),
    CustomFields,
    Unsubscribe(String),
    Lists,
    CreateList,
    PageList(String, Option<String>),
    IsMember(String, String),
    AddMember(String, String),
    RemoveMember(String, String),
    Segments,
    PageSegment,
    Triggers,
    EnterJourney(String, String),
    Account,
    Hooks,
    CreateHook,
    DeleteHook(String),
    DeleteHooks,
    WrongMethod,
    Unknown,
}

impl Call {
    /// Reads the path after `/v1`, still percent-encoded. Emails and ids may be encoded or not.
    pub(super) fn read(method: &Method, path: &str) -> Call {
        let parts: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if let Some(call) = Call::named(method.as_str(), &parts) {
            return call;
        }
        let other = ["GET", "POST", "DELETE"].iter().any(|other| Call::named(other, &parts).is_some());
        if other { Call::WrongMethod } else { Call::Unknown }
    }

    fn named(method: &str, parts: &[&str]) -> Option<Call> {
        let own = |part: &str| part.to_owned();
        Some(match (method, parts) {
            ("POST", ["contact"]) => Call::UpsertOne,
            ("POST", ["contacts"]) => Call::UpsertMany,
            ("GET", ["contact", contact]) => Call::GetContact(own(contact)),
            ("DELETE", ["contact", contact]) => Call::DeleteContact(own(contact)),
            ("POST", ["contact", contact, "unsubscribe"]) => Call::Unsubscribe(own(contact)),
            ("GET", ["contacts"]) => Call::PageContacts(None),
            ("GET", ["contacts", "custom_fields"]) => Call::CustomFields,
            ("GET", ["contacts", bookmark]) => Call::PageContacts(Some(own(bookmark))),
            ("GET", ["lists"]) => Call::Lists,
            ("POST", ["list"]) => Call::CreateList,
            ("GET", ["list", list, "contacts"]) => Call::PageList(own(list), None),
            ("GET", ["list", list, "contacts", bookmark]) => Call::PageList(own(list), Some(own(bookmark))),
            ("GET", ["list", list, "contact", contact]) => Call::IsMember(own(list), own(contact)),
            ("POST", ["list", list, "contact", contact]) => Call::AddMember(own(list), own(contact)),
            ("DELETE", ["list", list, "contact", contact]) => Call::RemoveMember(own(list), own(contact)),
            ("GET", ["smart_segments"]) => Call::Segments,
            ("GET", ["smart_segments", _, "contacts"] | ["smart_segments", _, "contacts", _]) => Call::PageSegment,
            ("GET", ["triggers"]) => Call::Triggers,
            ("POST", ["trigger", trigger, "contact", contact]) => Call::EnterJourney(own(trigger), own(contact)),
            ("GET", ["account"]) => Call::Account,
            ("GET", ["hooks"]) => Call::Hooks,
            ("POST", ["hook"]) => Call::CreateHook,
            ("DELETE", ["hook", hook]) => Call::DeleteHook(own(hook)),
            ("DELETE", ["hooks"]) => Call::DeleteHooks,
            _ => return None,
        })
    }

    /// The call's method and path pattern, as the counters name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Call::UpsertOne => "POST /contact",
            Call::UpsertMany => "POST /contacts",
            Call::GetContact(_) => "GET /contact/{c}",
            Call::DeleteContact(_) => "DELETE /contact/{c}",
            Call::PageContacts(_) => "GET /contacts",
            Call::CustomFields => "GET /contacts/custom_fields",
            Call::Unsubscribe(_) => "POST /contact/{c}/unsubscribe",
            Call::Lists => "GET /lists",
            Call::CreateList => "POST /list",
            Call::PageList(..) => "GET /list/{id}/contacts",
            Call::IsMember(..) => "GET /list/{id}/contact/{c}",
            Call::AddMember(..) => "POST /list/{id}/contact/{c}",
            Call::RemoveMember(..) => "DELETE /list/{id}/contact/{c}",
            Call::Segments => "GET /smart_segments",
            Call::PageSegment => "GET /smart_segments/{id}/contacts",
            Call::Triggers => "GET /triggers",
            Call::EnterJourney(..) => "POST /trigger/{id}/contact/{c}",
            Call::Account => "GET /account",
            Call::Hooks => "GET /hooks",
            Call::CreateHook => "POST /hook",
            Call::DeleteHook(_) => "DELETE /hook/{id}",
            Call::DeleteHooks => "DELETE /hooks",
            Call::WrongMethod => "wrong method",
            Call::Unknown => "unknown path",
        }
    }

    /// The contact that the path names, by id or email.
    pub(super) fn contact(&self) -> Option<&str> {
        match self {
            Call::GetContact(contact)
            | Call::DeleteContact(contact)
            | Call::Unsubscribe(contact)
            | Call::IsMember(_, contact)
            | Call::AddMember(_, contact)
            | Call::RemoveMember(_, contact)
            | Call::EnterJourney(_, contact) => Some(contact),
            _ => None,
        }
    }

    /// Whether the call changes anything when it succeeds.
    pub(super) fn writes(&self) -> bool {
        self.name().starts_with("POST") || self.name().starts_with("DELETE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_and_ids_are_read_encoded_or_not() {
        let email = Call::GetContact("ann+x@example.org".to_owned());
        assert_eq!(Call::read(&Method::GET, "/contact/ann+x@example.org"), email);
        assert_eq!(Call::read(&Method::GET, "/contact/ann%2Bx%40example.org"), email);
        assert_eq!(
            Call::read(&Method::POST, "/list/contactlist_Segment%20Contacts/contact/person_1"),
            Call::AddMember("contactlist_Segment Contacts".to_owned(), "person_1".to_owned())
        );
    }

    #[test]
    fn a_known_path_under_another_method_is_told_from_an_unknown_path() {
        assert_eq!(Call::read(&Method::PUT, "/contact"), Call::WrongMethod);
        assert_eq!(Call::read(&Method::DELETE, "/lists"), Call::WrongMethod);
        assert_eq!(Call::read(&Method::GET, "/people"), Call::Unknown);
        assert_eq!(Call::read(&Method::GET, "/"), Call::Unknown);
    }
}
