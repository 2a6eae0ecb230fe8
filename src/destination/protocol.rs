//! Rows to requests, responses to what became of each row. No I/O, no clock.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::session::{Call, HttpResponse};
use super::usage::RequestKind;
use crate::chunk::{Operation, Row};
use crate::error::Kind;
use crate::membership::MembershipTarget;
use crate::state::{ProfileKey, half};

/// A row in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// Its span's number, as given to the lane.
    pub span: u32,
    /// Its own within the span.
    pub number: u32,
}

/// What rows that were loaded together have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What is to be done for them.
    pub operation: Operation,
    /// How members are marked.
    pub target: MembershipTarget,
}

/// One request to make for rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The protocol's own name of what it asks.
    pub step: &'static str,
    /// The rows that it carries, at least one.
    pub rows: Vec<RowId>,
    /// What the protocol keeps with it; empty where there is nothing.
    pub note: String,
    /// How long it waits before it is made.
    pub wait: Duration,
}

impl Request {
    /// A request for rows, to be made at once.
    pub fn new(step: &'static str, rows: Vec<RowId>) -> Self {
        Self { step, rows, note: String::new(), wait: Duration::ZERO }
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowResult {
    /// Confirmed; the contact's id.
    Delivered(String),
    /// The same of a contact that is another than the state knows, which is gone: so are the marks of other segments.
    DeliveredAnew(String),
    /// The leaver has left.
    Left,
    /// The destination sends this person nothing, whatever the row says.
    Suppressed,
    /// Refused, with this reason, which may quote personal data.
    Refused(String),
    /// The same of a row whose opt-out has arrived by itself.
    OptedOut(String),
}

impl RowResult {
    /// Whether the row itself was refused.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::OptedOut(_))
    }
}

/// What a response means for a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// Nothing more is asked for it.
    Done(RowResult),
    /// This row needs another request of its own. The note is kept with the row until then.
    Then(&'static str, String),
    /// This row needs another request, which it may share with others that need the same.
    ThenTogether(&'static str, String),
}

impl RowOutcome {
    /// The row was refused.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Done(RowResult::Refused(reason.into()))
    }
}

/// What a response means for the rows of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// It says what happened to each of these rows; every row of the request is among them.
    Rows(Vec<(RowId, RowOutcome)>),
    /// It says what happened to some rows; these requests find out about the others.
    Partly(Vec<(RowId, RowOutcome)>, Vec<Request>),
    /// The request was refused as a whole, for a reason that may be none of its rows': these requests find out. It counts as
    /// a failure.
    Doubted(Vec<Request>),
    /// The account takes no more: the run ends.
    Ends {
        /// Who must act.
        kind: Kind,
        /// Why.
        problem: Cow<'static, str>,
        /// What to do.
        hint: &'static str,
    },
    /// The key does not, or no longer, open the account.
    Unauthorized,
    /// Too many requests; the wait, where the response names one.
    RateLimited(Option<Duration>),
    /// Nothing is answered for this long, for this reason.
    Paused(Duration, &'static str),
    /// It does not say what happened.
    Failed(&'static str),
}

/// What spot checks say of the setup that an earlier run learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupCheck {
    /// It has passed every check so far.
    Holds,
    /// The account no longer works this way.
    Failed {
        /// Whether joiners counted as delivered without being read back.
        some_trusted: bool,
    },
}

/// The rows that a lane holds.
pub trait Rows {
    /// A row, what it has in common with others, and its note (empty where there is none).
    fn row(&self, id: RowId) -> Option<(&Group, &Row, &str)>;
}

/// What is known of an export's profiles when its rows are sent.
#[derive(Clone)]
pub struct KnownContacts {
    profile: Arc<dyn Fn(&str) -> ProfileKey + Send + Sync>,
    ids: Arc<HashMap<[u8; 16], Box<str>>>,
    opt_outs: Arc<HashSet<[u8; 16]>>,
    may_be_unseen: bool,
}

impl KnownContacts {
    /// With a digest of addresses, and the ids of contacts as the state has them.
    pub fn new(
        profile: impl Fn(&str) -> ProfileKey + Send + Sync + 'static,
        ids: impl IntoIterator<Item = (ProfileKey, Box<str>)>,
    ) -> Self {
        let ids = ids.into_iter().map(|(key, id)| (half(&key), id)).collect();
        Self { profile: Arc::new(profile), ids: Arc::new(ids), opt_outs: Arc::default(), may_be_unseen: false }
    }

    /// With those in the state who opt out in rows of the run, and whose opt-outs were not sent apart from them before.
    #[must_use]
    pub fn with_opt_outs(mut self, profiles: impl IntoIterator<Item = ProfileKey>) -> Self {
        self.opt_outs = Arc::new(profiles.into_iter().map(|key| half(&key)).collect());
        self
    }

    /// The same, a moment after the last rows were sent: what reads do not show may be there all the same.
    #[must_use]
    pub fn so_soon(mut self, may_be_unseen: bool) -> Self {
        self.may_be_unseen = may_be_unseen;
        self
    }

    /// Whether a contact may be there that reads do not show.
    pub fn may_be_unseen(&self) -> bool {
        self.may_be_unseen
    }

    /// The profile that an address stands for.
    pub fn profile(&self, email: &str) -> ProfileKey {
        (self.profile)(email)
    }

    /// The contact's id that the state has for a profile.
    pub fn id(&self, key: &ProfileKey) -> Option<&str> {
        self.ids.get(&half(key)).map(|id| &**id)
    }

    /// Whether the opt-out of a refused row is to be sent by itself.
    pub fn is_opt_out_due(&self, key: &ProfileKey) -> bool {
        self.opt_outs.contains(&half(key))
    }
}

/// Turns rows into requests, and responses into what became of each row.
pub trait Protocol: Send + Sync {
    /// The first requests for rows of one group. Rows that need none are left out of them, and count as left.
    fn requests(&self, group: &Group, rows: &[(RowId, &Row)]) -> Vec<Request>;

    /// What becomes of a row without a request, where that is known beforehand.
    fn beforehand(&self, _group: &Group, _row: &Row) -> Option<RowOutcome> {
        None
    }

    /// Profiles whose contact's id turned out to be another than the state says, since the last time.
    fn found(&self) -> Vec<(ProfileKey, String)> {
        Vec::new()
    }

    /// Rows that answers since the last time may have applied without saying so.
    fn unclear(&self) -> Vec<RowId> {
        Vec::new()
    }

    /// Whether delivering a profile may bring marks back that it had before the run, whatever took them off meanwhile.
    fn may_come_back(&self, _key: &ProfileKey) -> bool {
        false
    }

    /// Whether the account is still as the setup says.
    fn setup_check(&self) -> SetupCheck {
        SetupCheck::Holds
    }

    /// What a request counts as.
    fn kind(&self, step: &'static str) -> RequestKind;

    /// Whether rows that share this step's requests wait until nothing else is left to do.
    fn shares_last(&self, _step: &'static str) -> bool {
        false
    }

    /// Requests of one step for rows that share them.
    fn together(&self, step: &'static str, rows: Vec<RowId>, held: &dyn Rows) -> Vec<Request>;

    /// The request as HTTP; `None` where it cannot be made, because an id in it would lead elsewhere.
    fn call(&self, request: &Request, rows: &dyn Rows) -> Option<Call>;

    /// What the response says of the request's rows.
    fn response(&self, request: &Request, rows: &dyn Rows, response: &HttpResponse) -> Response;

    /// Why a request that cannot be made is refused.
    fn unsendable(&self) -> &'static str {
        "the id of its contact or list cannot be part of an address"
    }
}
