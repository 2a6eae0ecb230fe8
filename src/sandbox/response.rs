//! A response before it is sent: status, body and the few headers that matter.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{self, StatusCode};
use serde::Serialize;

const JSON: &str = "application/json; charset=utf-8";

/// Status, body and headers.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    content_type: &'static str,
    pub(super) retry_after: Option<u32>,
    /// Does not count towards a ban, whatever its status.
    pub(super) is_excused: bool,
}

impl Response {
    fn new(status: StatusCode, body: Vec<u8>, content_type: &'static str) -> Self {
        Self { status, body, content_type, retry_after: None, is_excused: false }
    }

    /// 200 with this JSON.
    pub(super) fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(status, body, JSON),
            Err(error) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into(), "text/plain"),
        }
    }

    /// A status without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self::new(status, Vec::new(), JSON)
    }

    /// 200 with an HTML page where JSON is due.
    pub(super) fn html() -> Self {
        let page = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>";
        Self::new(StatusCode::OK, page.into(), "text/html; charset=utf-8")
    }

    /// 200 with bytes that are neither JSON nor text.
    pub(super) fn garbage() -> Self {
        Self::new(StatusCode::OK, b"{\"people\":[\xff\xfe\x00\x80\"person_".to_vec(), JSON)
    }

    pub(super) fn into_http(self) -> http::Response<Body> {
        let mut response = http::Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if self.status != StatusCode::NO_CONTENT {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
