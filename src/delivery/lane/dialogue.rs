//! The types exchanged with a lane.

use std::time::Duration;

use jiff::Timestamp;

use crate::chunk::Row;
use crate::destination::{Call, HttpResponse, Protocol, RowResult};

/// A row that is done with.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The span's number, as given to `Lane::load`.
    pub span: u32,
    /// The row's number within the span.
    pub number: u32,
    pub row: Row,
    /// What became of it.
    pub outcome: RowResult,
    /// Whether an earlier request may have been applied that carried it: it had no answer, or none that is clear.
    pub may_be_sent: bool,
}

/// What the lane can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send: `Lane::next_request` has a request.
    Send,
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing before a response.
    AwaitResponse,
    /// Nothing at all: every row that was loaded has its verdict.
    NeedRows,
}

/// A request that leaves the lane.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// To be given back with its response.
    pub number: u64,
    /// The span of its first row.
    pub span: u32,
    /// What to send.
    pub call: Call,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Incoming {
    Response(HttpResponse),
    /// None, for this reason.
    Nothing(&'static str),
}

impl Incoming {
    /// The response's status; 0 where there is none.
    pub fn status(&self) -> u16 {
        match self {
            Self::Response(response) => response.status().as_u16(),
            Self::Nothing(_) => 0,
        }
    }
}

/// How a lane counts a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It said what happened.
    Settled,
    /// It said to wait.
    RateLimited,
    /// It did not say what happened.
    Failed,
    /// It refused the key; the request waits to be sent again.
    Unauthorized,
}

/// How a lane is set up.
pub struct LaneSettings {
    /// Turns rows into requests.
    pub protocol: Box<dyn Protocol>,
    /// The destination's name, for messages.
    pub destination: &'static str,
    /// Rows that share a request, at most.
    pub batch_rows: usize,
    /// How long nothing may be confirmed.
    pub patience: Duration,
    /// How long to wait before rows are sent again whose answer was unclear.
    pub settle: Duration,
    /// Whether rows of one profile are never on their way at once.
    pub one_at_a_time: bool,
    /// Spreads the waits.
    pub seed: u64,
}
