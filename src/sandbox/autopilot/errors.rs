//! Errors in Autopilot's form.

use axum::http::StatusCode;
use serde_json::json;

use crate::sandbox::response::Response;

/// `{"error":"Not Found","message":"..."}`.
///
/// Source: `docs/AUTOPILOT_API.md` 1.7.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let error = status.canonical_reason().unwrap_or("Error");
    Response::json(status, &json!({ "error": error, "message": message }))
}

pub(super) fn bad_request(message: &str) -> Response {
    error(StatusCode::BAD_REQUEST, message)
}

/// The response to a request that a row's fault fails.
pub(super) fn failed() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong (a fault of the sandbox).")
}
