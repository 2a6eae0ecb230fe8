//! HTTP: one request, one response, or the reason why there is none. Nothing is retried and nothing is judged here.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

/// Sends requests.
pub trait Http: Send + Sync {
    /// Sends a request and waits for the whole response, no longer than `within` and no more than `max_bytes` of body.
    fn send(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> impl Future<Output = Result<http::Response<Bytes>, NoResponse>> + Send;
}

/// Why there is no response, in a few words without anything of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoResponse(pub &'static str);

impl NoResponse {
    /// The time was up.
    pub const TIMED_OUT: Self = Self("no answer in time");
    /// The body was larger than asked for.
    pub const TOO_LARGE: Self = Self("the answer is too large");
    /// The connection ended before the response did.
    pub const CUT: Self = Self("the connection was cut");
}
