//! Calls to an account outside of the lanes: who it is, what it has, what it learns from.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::usage::RequestKind;
use crate::error::Result;
use crate::state::ProfileKey;

/// A whole response.
pub type HttpResponse = http::Response<Bytes>;

/// One request, without address and key: those are the session's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it counts as.
    pub kind: RequestKind,
    pub method: http::Method,
    /// The path below the address, with its `/`.
    pub path: String,
    /// The JSON, empty where there is none.
    pub body: Bytes,
    /// The largest response that is read.
    pub max_response_bytes: usize,
}

/// What a response means for the calls that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It says what happened; what that is, the caller reads.
    Answered,
    /// The key does not, or no longer, open the account.
    Unauthorized,
    /// Too many requests; the wait, where the response names one.
    RateLimited(Option<Duration>),
    /// Nothing is answered for this long, for this reason.
    Paused(Duration, &'static str),
    /// It does not say what happened: trying again may help.
    Failed(&'static str),
}

/// Calls to one account: paced, counted, retried within the connection's patience, with a renewed key where there is one.
pub trait Session: Send {
    /// Makes several calls at once, each again for as long as `judge` (given the call's place) asks for it. The responses
    /// are in the calls' order, and each was judged [`Judgement::Answered`].
    ///
    /// # Errors
    /// Kind `access`, `throttled` or `unavailable`.
    fn call_all<'a>(
        &'a mut self,
        calls: Vec<Call>,
        judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
    ) -> BoxFuture<'a, Result<Vec<HttpResponse>>>;

    /// Makes a call that must not be repeated before its effect was looked for; none where it is unknown.
    ///
    /// # Errors
    /// As [`Session::call_all`].
    fn call_once<'a>(
        &'a mut self,
        call: Call,
        judge: &'a (dyn Fn(usize, &HttpResponse) -> Judgement + Sync),
    ) -> BoxFuture<'a, Result<Option<HttpResponse>>>;

    /// The profile that an address stands for.
    fn profile(&self, email: &str) -> ProfileKey;

    /// Tells one key from another without revealing either.
    fn key_print(&self) -> String;
}

/// The longest wait that a response may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The wait that a `Retry-After` header asks for, in seconds or as a date. A wait of nothing counts as none.
pub fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let text = response.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let date = response.headers().get(http::header::DATE)?.to_str().ok()?;
            let now = jiff::fmt::rfc2822::parse(date.trim()).ok()?.timestamp();
            at.duration_since(now).as_secs_f64()
        }
    };
    bounded_wait(seconds)
}

/// The wait in seconds, where it is one: at most five minutes.
pub fn bounded_wait(seconds: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST_WAIT.as_secs_f64())).ok()?;
    Some(wait).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &str, date: Option<&str>) -> Option<Duration> {
        let mut response = http::Response::builder().header("retry-after", text);
        if let Some(date) = date {
            response = response.header("date", date);
        }
        retry_after(&response.body(Bytes::new()).unwrap())
    }

    #[test]
    fn a_wait_is_read_in_both_forms_and_bounded() {
        assert_eq!(wait("7", None), Some(Duration::from_secs(7)));
        let date = Some("Tue, 12 May 2026 10:00:00 GMT");
        assert_eq!(wait("Tue, 12 May 2026 10:00:09 GMT", date), Some(Duration::from_secs(9)));
        assert_eq!(wait("99999", None), Some(LONGEST_WAIT));
        assert_eq!(wait("1e300", None), Some(LONGEST_WAIT));
        assert_eq!(["soon", "nan", ""].map(|text| wait(text, date)), [None; 3]);
        assert_eq!(wait("Tue, 12 May 2026 10:00:09 GMT", None), None, "no clock but the server's own says how long");
    }

    #[test]
    fn a_wait_of_zero_or_less_is_not_a_wait() {
        let date = Some("Tue, 12 May 2026 10:00:00 GMT");
        assert_eq!(["0", "-1", "0.0", "Tue, 12 May 2015 10:00:00 GMT"].map(|text| wait(text, date)), [None; 4]);
    }
}
