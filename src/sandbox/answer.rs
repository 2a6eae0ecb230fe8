//! An answer before it is one of HTTP: status, body, and the shapes of errors.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::store::Refused;

/// Status and body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    pub(super) kind: &'static str,
    pub(super) retry_after: Option<u32>,
}

impl Answer {
    fn new(status: StatusCode, body: Vec<u8>, kind: &'static str) -> Self {
        Self { status, body, kind, retry_after: None }
    }

    /// 200 with this JSON.
    pub(super) fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(status, body, "application/json; charset=utf-8"),
            Err(error) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    /// A status and no byte of body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self::new(status, Vec::new(), "application/json; charset=utf-8")
    }

    /// `{"error":"Not Found","message":"..."}`.
    ///
    /// Source: `docs/AUTOPILOT_API.md` 1.7.
    pub(super) fn error(status: StatusCode, message: &str) -> Self {
        let error = match status {
            StatusCode::REQUEST_TIMEOUT => "Request Timeout",
            other => other.canonical_reason().unwrap_or("Error"),
        };
        let body = json!({ "error": error, "message": message }).to_string().into_bytes();
        Self::new(status, body, "application/json; charset=utf-8")
    }

    /// What a fault answers that is a status.
    pub(super) fn struck(status: StatusCode) -> Self {
        Self::error(status, "Something went wrong (a fault of the sandbox).")
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, message)
    }

    /// 429 as the service words it.
    ///
    /// Source: `docs/AUTOPILOT_API.md` 1.7. No `Retry-After` is attested: it is sent only when asked for.
    pub(super) fn throttled(rate: f64, retry_after: Option<u32>) -> Self {
        let message = format!("You have exceeded your request rate of {rate} r/s.");
        Self { retry_after, ..Self::error(StatusCode::TOO_MANY_REQUESTS, &message) }
    }

    /// 200 with a page of HTML where JSON is due.
    pub(super) fn html() -> Self {
        let page = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>";
        Self::new(StatusCode::OK, page.into(), "text/html; charset=utf-8")
    }

    /// 200 with bytes that are neither JSON nor text.
    pub(super) fn garbage() -> Self {
        Self::new(StatusCode::OK, b"{\"contact_ids\":[\xff\xfe\x00\x80\"person_".to_vec(), "application/json")
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if self.status != StatusCode::NO_CONTENT {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::BadId => Self::bad_request("Invalid contact_id_or_email value."),
            Refused::NoContact => Self::error(StatusCode::NOT_FOUND, "Contact could not be found."),
            Refused::NoList => Self::error(StatusCode::NOT_FOUND, "List does not exist."),
            Refused::Taken => Self::error(StatusCode::CONFLICT, "Another contact has this email."),
        }
    }
}
