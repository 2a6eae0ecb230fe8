//! A call as an HTTP request.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::answer;
use crate::delivery::call::{Answer, Call};
use crate::ports::Autopilot;

/// Where classic Autopilot lives. Source: its API description; every client since 2017.
pub(super) const BASE_URL: &str = "https://api2.autopilothq.com/v1";
/// The header that carries the key. Source: recorded exchanges; every client.
const KEY_HEADER: &str = "autopilotapikey";
/// The largest answer that is read; the largest that makes sense, lists and fields of a big account, is far smaller.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Contact ids may be emails, list ids may hold spaces and slashes: all but unreserved characters are encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A client for any connection's account. It follows no redirects, heeds no proxy settings, and speaks plain HTTP to
/// loopback addresses only (which the configuration sees to).
///
/// What it needs is made with the first call: most steps never speak to Autopilot, and reading the machine's
/// certificates takes longer than all else of a small run.
#[derive(Clone, Debug, Default)]
pub struct Client {
    tls: OnceLock<reqwest::Client>,
    plain: OnceLock<reqwest::Client>,
}

impl Client {
    /// The means to speak to an address; none where the machine's certificates cannot be read.
    fn http(&self, base: &str) -> Option<&reqwest::Client> {
        let plain = base.starts_with("http://");
        let made = if plain { &self.plain } else { &self.tls };
        if made.get().is_none() {
            // An error means that the provider is set already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .user_agent(concat!("autopilot-export/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(10));
            // No certificates are needed where nothing is encrypted.
            let http = if plain { builder.tls_certs_only([]) } else { builder.https_only(true) }.build().ok()?;
            return Some(made.get_or_init(|| http));
        }
        made.get()
    }

    async fn request(&self, base: &str, key: &SecretString, call: &Call, within: Duration) -> Answer {
        let Some(http) = self.http(base) else {
            return Answer::Unclear("the certificates of this machine cannot be read");
        };
        let (method, path) = route(call);
        let Ok(mut secret) = HeaderValue::from_str(key.expose_secret()) else {
            return Answer::Denied;
        };
        secret.set_sensitive(true);
        let mut request = http.request(method, format!("{base}{path}")).header(KEY_HEADER, secret).timeout(within);
        if let Some(body) = body(call) {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Answer::Unclear(trouble(&error)),
        };
        let mut read = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(piece)) if read.len() + piece.len() <= ANSWER_BYTES => read.extend_from_slice(&piece),
                Ok(Some(_)) => return Answer::Unclear("the answer is too large"),
                Ok(None) => break,
                Err(error) => return Answer::Unclear(trouble(&error)),
            }
        }
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        answer::read(call, response.status().as_u16(), wait, &read)
    }
}

impl Autopilot for Client {
    async fn call(&self, base_url: Option<&str>, key: &SecretString, call: &Call, within: Duration) -> Answer {
        let base = base_url.unwrap_or(BASE_URL).trim_end_matches('/');
        // The client's own time-out covers the whole request; this one holds whatever it does.
        match tokio::time::timeout(within + Duration::from_millis(100), self.request(base, key, call, within)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Unclear(NO_ANSWER),
        }
    }
}

const NO_ANSWER: &str = "no answer in time";

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

fn encoded(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, ENCODED)
}

pub(super) fn route(call: &Call) -> (Method, String) {
    match call {
        Call::Account => (Method::GET, "/account".into()),
        Call::Lists => (Method::GET, "/lists".into()),
        Call::CreateList { .. } => (Method::POST, "/list".into()),
        Call::CustomFields => (Method::GET, "/contacts/custom_fields".into()),
        Call::Contact { contact } => (Method::GET, format!("/contact/{}", encoded(contact))),
        Call::UpsertMany { .. } => (Method::POST, "/contacts".into()),
        Call::UpsertOne { .. } => (Method::POST, "/contact".into()),
        Call::Member { list, contact } => (Method::GET, member(list, contact)),
        Call::AddMember { list, contact } => (Method::POST, member(list, contact)),
        Call::RemoveMember { list, contact } => (Method::DELETE, member(list, contact)),
    }
}

fn member(list: &str, contact: &str) -> String {
    format!("/list/{}/contact/{}", encoded(list), encoded(contact))
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
