//! Errors in Ortto's form, and bodies that are not what they should be.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::sandbox::options::OrttoOptions;
use crate::sandbox::response::Response;

/// `{"request_id":...,"code":400,"error":"..."}`.
///
/// Source: `docs/ORTTO_API.md` 2.2.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let body = json!({ "request_id": request_id(), "code": status.as_u16(), "error": message });
    Response::json(status, &body)
}

pub(super) fn refused(status: u16, message: &str) -> Response {
    error(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), message)
}

/// Parses a body; an empty one is an empty object.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], options: &OrttoOptions) -> Result<T, Response> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|_| error(StatusCode::BAD_REQUEST, &format!("{}: Failed to parse request", options.instance_id)))
}

/// A UUID that nothing refers to.
pub(super) fn request_id() -> String {
    let id = fastrand::u128(..);
    let part = |shift: u32, mask: u128| (id >> shift) & mask;
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        part(96, 0xffff_ffff),
        part(80, 0xffff),
        part(64, 0xfff),
        part(48, 0xfff),
        part(0, 0xffff_ffff_ffff)
    )
}
