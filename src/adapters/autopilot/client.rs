//! A call as an HTTP request.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::answer;
use crate::config::base_url_fault;
use crate::delivery::call::{Call, Response};
use crate::ports::Autopilot;

/// Where classic Autopilot lives. Source: its API description; every client since 2017.
pub(super) const BASE_URL: &str = "https://api2.autopilothq.com/v1";
/// The header that carries the key. Source: recorded exchanges; every client.
const KEY_HEADER: &str = "autopilotapikey";
/// Contact ids may be emails, list ids may hold spaces and slashes: all but unreserved characters are encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A client for any connection's account. It follows no redirects, heeds no proxy settings, and speaks plain HTTP to
/// loopback addresses only: the configuration sees to that, and so does the client.
///
/// What it needs is made with the first call: most steps never speak to Autopilot, and reading the machine's
/// certificates takes longer than all else of a small run.
#[derive(Clone, Debug, Default)]
pub struct Client {
    tls: OnceLock<reqwest::Client>,
    plain: OnceLock<reqwest::Client>,
}

impl Client {
    /// The means to speak in plain HTTP, or by TLS only; none where the machine's certificates cannot be read.
    fn http(&self, plain: bool) -> Option<&reqwest::Client> {
        let made = if plain { &self.plain } else { &self.tls };
        if made.get().is_none() {
            // An error means that the provider is set already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .https_only(!plain)
                .user_agent(concat!("autopilot-export/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(10));
            // No certificates are needed where nothing is encrypted.
            let http = if plain { builder.tls_certs_only([]) } else { builder }.build().ok()?;
            return Some(made.get_or_init(|| http));
        }
        made.get()
    }

    async fn request(&self, base: &str, key: &SecretString, call: &Call, within: Duration) -> Response {
        // Whoever names an address past the configuration does not give the key away either.
        if base_url_fault(base).is_some() {
            return Response::Failed(INSECURE);
        }
        let Some((method, path)) = route(call) else {
            return Response::Refused(NO_PATH.into());
        };
        let Some(http) = self.http(base.starts_with("http://")) else {
            return Response::Failed("the certificates of this machine cannot be read");
        };
        let Ok(mut secret) = HeaderValue::from_str(key.expose_secret()) else {
            return Response::Unauthorized;
        };
        secret.set_sensitive(true);
        let mut request = http.request(method, format!("{base}{path}")).header(KEY_HEADER, secret).timeout(within);
        if let Some(body) = body(call) {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Response::Failed(trouble(&error)),
        };
        let (mut read, most) = (Vec::new(), answer::most_bytes(call));
        loop {
            match response.chunk().await {
                Ok(Some(piece)) if read.len() + piece.len() <= most => read.extend_from_slice(&piece),
                Ok(Some(_)) => return Response::Failed("the answer is too large"),
                Ok(None) => break,
                Err(error) => return Response::Failed(trouble(&error)),
            }
        }
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        answer::read(call, response.status().as_u16(), wait, &read)
    }
}

impl Autopilot for Client {
    async fn call(&self, base_url: Option<&str>, key: &SecretString, call: &Call, within: Duration) -> Response {
        let base = base_url.unwrap_or(BASE_URL).trim_end_matches('/');
        // The client's own time-out covers the whole request; this one holds whatever it does.
        match tokio::time::timeout(within + Duration::from_millis(100), self.request(base, key, call, within)).await {
            Ok(answer) => answer,
            Err(_) => Response::Failed(NO_ANSWER),
        }
    }
}

const NO_ANSWER: &str = "no answer in time";
/// Why nothing is sent to an address.
const INSECURE: &str = "its address is neither https nor plain http to this machine";
/// Why a call without a path is not made.
pub(super) const NO_PATH: &str = "the id of its contact or list cannot stand in an address";

/// What went wrong on the way, without the address, the body or anything else of the request.
fn trouble(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        NO_ANSWER
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_body() || error.is_decode() {
        "the answer was cut short"
    } else {
        "the connection was cut"
    }
}

/// Whether a text can be a part of a path. A URL's parser takes dots for the way up, encoded or not: what is meant to
/// take a contact off the list `..` would delete the contact.
pub(super) fn stands_in_a_path(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
}

/// Method and path; none where an id in it would lead elsewhere.
pub(super) fn route(call: &Call) -> Option<(Method, String)> {
    Some(match call {
        Call::Account => (Method::GET, "/account".into()),
        Call::Lists => (Method::GET, "/lists".into()),
        Call::CreateList { .. } => (Method::POST, "/list".into()),
        Call::CustomFields => (Method::GET, "/contacts/custom_fields".into()),
        Call::Contact { contact } => (Method::GET, format!("/contact/{}", part(contact)?)),
        Call::UpsertMany { .. } => (Method::POST, "/contacts".into()),
        Call::UpsertOne { .. } => (Method::POST, "/contact".into()),
        Call::Member { list, contact } => (Method::GET, member(list, contact)?),
        Call::AddMember { list, contact } => (Method::POST, member(list, contact)?),
        Call::RemoveMember { list, contact } => (Method::DELETE, member(list, contact)?),
    })
}

fn member(list: &str, contact: &str) -> Option<String> {
    Some(format!("/list/{}/contact/{}", part(list)?, part(contact)?))
}

/// An id, encoded.
fn part(id: &str) -> Option<PercentEncode<'_>> {
    stands_in_a_path(id).then(|| utf8_percent_encode(id, ENCODED))
}

pub(super) fn body(call: &Call) -> Option<Bytes> {
    match call {
        Call::UpsertMany { body, .. } | Call::UpsertOne { body } => Some(body.clone()),
        Call::CreateList { title } => Some(serde_json::json!({ "name": title }).to_string().into()),
        _ => None,
    }
}

/// Whether a status is a success. Source: DELETE answered 204 in the 2015 blueprint, clients accept any 2xx.
pub(super) fn is_success(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| status.is_success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(list: &str, contact: &str) -> [Call; 4] {
        let (list, contact) = (list.to_owned(), contact.to_owned());
        [
            Call::Contact { contact: contact.clone() },
            Call::Member { list: list.clone(), contact: contact.clone() },
            Call::AddMember { list: list.clone(), contact: contact.clone() },
            Call::RemoveMember { list, contact },
        ]
    }

    // Promise 11: "Leaving a segment never deletes a contact." A URL's parser would make `DELETE /contact/c` of
    // `DELETE /list/../contact/c`.
    #[test]
    fn no_id_makes_a_request_for_something_else() {
        for id in ["", ".", ".."] {
            let no_list = about(id, "person_1").into_iter().skip(1);
            for call in about("list", id).into_iter().chain(no_list) {
                assert_eq!(route(&call), None, "{call:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn a_path_is_the_same_once_it_is_parsed(list in "[.%2eE/\\\\?#a]{0,4}|.{0,9}", contact in "[.%2eE/@a]{0,4}|.{0,9}") {
            for call in about(&list, &contact) {
                let Some((_, path)) = route(&call) else { continue };
                let url = reqwest::Url::parse(&format!("http://127.0.0.1:9/v1{path}")).unwrap();
                proptest::prop_assert_eq!(url.path(), format!("/v1{path}"));
                proptest::prop_assert_eq!((url.query(), url.fragment()), (None, None));
            }
        }
    }
}
