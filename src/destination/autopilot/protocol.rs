//! Rows to requests and back: bulk where the account allows it, one by one where it does not.
//!
//! A batch that is refused whole names no row (AUTOPILOT_API 1.4), so it is halved until the refused rows are alone. A
//! row that is missing in a bulk response without a word is sent once more alone, for its reason.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::contact::{ContactWriter, leaver, mark as member_mark};
use super::request::{Endpoint, Membership};
use super::response::{Payload, Reply, read};
use super::spot_check::{LIST_IS_GONE, SpotCheck, asked};
use super::steps::{ADD, ALONE, BULK, CHECK, IS_GONE, LOOK_UP, OPT_OUT, REMOVE, THERE};
use super::strategy::ListStrategy;
use crate::chunk::{FieldSpec, Operation, Row};
use crate::destination::{
    Call, Group, HttpResponse, KnownContacts, Limits, Protocol, Request, RequestKind, Response, RowId, RowOutcome,
    RowResult, Rows, SetupCheck, batches,
};
use crate::membership::MembershipTarget;
use crate::state::OPT_OUT_ALONE;

/// How bulk requests are cut. Above 100 contacts the whole call is refused with 400. Source: AUTOPILOT_API 1.4. No limit
/// of bytes is known of Autopilot; this one keeps a call's memory small. At 20 requests a second and 3 s an answer there
/// are 60 in flight.
pub(super) const LIMITS: Limits = Limits { batch_rows: 100, batch_bytes: 1_000_000, in_flight: 64, caution: None };

/// The protocol of one run.
pub(super) struct ClassicProtocol {
    spot_check: SpotCheck,
    writer: ContactWriter,
    known: KnownContacts,
    /// Rows that were written, or not: the answer named no contact that is theirs for certain.
    unclear: Mutex<Vec<RowId>>,
    /// How often a leaver was not found.
    not_found: AtomicU32,
}

/// The body of a request that is being written.
struct Body<'g> {
    /// Whose lists go with the rows.
    strategy: ListStrategy,
    /// A field that marks members, and the mark.
    mark: (&'g str, String),
    json: String,
}

impl ClassicProtocol {
    pub(super) fn new(fields: &[FieldSpec], strategy: ListStrategy, known: KnownContacts) -> Self {
        let (spot_check, writer) = (SpotCheck::new(strategy), ContactWriter::new(fields));
        Self { spot_check, writer, known, unclear: Mutex::default(), not_found: AtomicU32::default() }
    }

    /// Writes a row as a contact; with its list, where a call of this strategy puts joiners on it.
    fn write<'g>(&self, group: &'g Group, row: &Row, note: &str, call: &mut Body<'g>) {
        let Body { strategy, mark: (marked, mark), json: out } = call;
        match &group.target {
            MembershipTarget::Field(field) if group.operation == Operation::Leave => out.push_str(&leaver(note, field)),
            MembershipTarget::Field(field) => {
                // The rows of a request have one field or few.
                if *marked != field.as_str() {
                    (*marked, *mark) = (field, member_mark(field, true));
                }
                self.writer.write(row, Some(mark), None, out);
            }
            MembershipTarget::List { id, .. }
                if self.spot_check.strategy() == *strategy && group.operation == Operation::Join =>
            {
                self.writer.write(row, None, Some(id), out);
            }
            _ => self.writer.write(row, None, None, out),
        }
    }

    fn bulk(&self, ids: &[RowId], rows: &dyn Rows) -> Bytes {
        let rows = ids.iter().filter_map(|id| rows.row(*id));
        let json = String::with_capacity(rows.clone().map(|(_, row, _)| row.cells.len() * 2 + 64).sum());
        let mut body = Body { strategy: ListStrategy::Bulk, mark: ("", String::new()), json };
        body.json.push_str(r#"{"contacts":["#);
        for (n, (group, row, note)) in rows.enumerate() {
            if n > 0 {
                body.json.push(',');
            }
            self.write(group, row, note, &mut body);
        }
        body.json.push_str("]}");
        body.json.into()
    }

    fn endpoint(&self, request: &Request, rows: &dyn Rows) -> Option<Endpoint> {
        let id = *request.rows.first()?;
        let (group, row, note) = rows.row(id)?;
        let member = |contact: &str| match &group.target {
            MembershipTarget::List { id, .. } => Some(Membership { list: id.clone(), contact: contact.into() }),
            _ => None,
        };
        match request.step {
            BULK => Some(Endpoint::UpsertMany(self.bulk(&request.rows, rows))),
            ALONE => {
                let json = String::from(r#"{"contact":"#);
                let mut body = Body { strategy: ListStrategy::Single, mark: ("", String::new()), json };
                self.write(group, row, note, &mut body);
                body.json.push('}');
                Some(Endpoint::UpsertOne(body.json.into()))
            }
            ADD => member(note).map(Endpoint::AddMember),
            REMOVE => member(leaver_name(row, note)).map(Endpoint::RemoveMember),
            CHECK => member(&asked(request)?).map(Endpoint::Member),
            THERE | IS_GONE => member("").map(|member| Endpoint::Members(member.list)),
            OPT_OUT if row.cells.is_empty() => Some(Endpoint::Unsubscribe(row.contact_id.to_string())),
            OPT_OUT => Some(Endpoint::Unsubscribe(row.email().into_owned())),
            LOOK_UP => Some(Endpoint::Contact(leaver_name(row, note).to_owned())),
            _ => None,
        }
    }

    /// A contact was written; `marked` says whether the call that wrote it also put it on its list.
    /// Where the contact is another than the state knows, that one is gone: who was a member joins again.
    fn arrived(&self, group: &Group, row: &Row, id: String, marked: bool) -> RowOutcome {
        match (group.operation, &group.target) {
            (Operation::Join, MembershipTarget::List { .. }) if !marked => RowOutcome::Then(ADD, id),
            (Operation::Update, MembershipTarget::List { .. }) if self.is_anew(row, &id) => RowOutcome::Then(ADD, id),
            (Operation::Leave, _) => RowOutcome::Done(RowResult::Left),
            _ => self.delivered(row, id),
        }
    }

    fn delivered(&self, row: &Row, id: String) -> RowOutcome {
        RowOutcome::Done(if self.is_anew(row, &id) { RowResult::DeliveredAnew(id) } else { RowResult::Delivered(id) })
    }

    fn is_anew(&self, row: &Row, id: &str) -> bool {
        self.known.id(&row.key).is_some_and(|known| known != id)
    }

    fn arrived_in_bulk(&self, ids: &[RowId], rows: &dyn Rows, upserted: Upserted) -> Vec<(RowId, RowOutcome)> {
        // Nothing promises the ids' order, but they came in that of the rows in every response that was recorded, and all
        // responses since 2017 have the map. To send each row alone instead costs a hundred times the requests, for an
        // account that is not known to exist. Source: AUTOPILOT_API 1.4 and its summary, 3.
        let distinct: HashSet<&String> = upserted.ids.iter().collect();
        let each_its_own = upserted.ids.len() == ids.len() && distinct.len() == ids.len();
        // An id that several emails have is none of them for certain.
        let mut named: HashMap<&str, u32> = HashMap::new();
        upserted.map.iter().flatten().for_each(|(_, id)| *named.entry(id).or_default() += 1);
        let outcome = |(n, id): (usize, &RowId)| {
            let (group, row, note) = rows.row(*id)?;
            let (contact, is_unclear) = match &upserted.map {
                Some(map) => {
                    let email = if note.is_empty() { row.email() } else { Cow::Borrowed(note) };
                    let id = map.get(&*lower_case(&email));
                    let own = id.filter(|id| named.get(id.as_str()) == Some(&1)).cloned();
                    let is_unclear = own.is_none() && id.is_some();
                    (own, is_unclear)
                }
                None if each_its_own => (upserted.ids.get(n).cloned(), false),
                None => (None, true),
            };
            if is_unclear {
                self.unclear.lock().unwrap_or_else(PoisonError::into_inner).push(*id);
            }
            Some((
                *id,
                match contact {
                    Some(contact) => {
                        self.arrived(group, row, contact, self.spot_check.strategy() != ListStrategy::BulkThenList)
                    }
                    None => RowOutcome::Then(ALONE, note.to_owned()),
                },
            ))
        };
        ids.iter().enumerate().filter_map(outcome).collect()
    }
}

struct Upserted {
    map: Option<HashMap<String, String>>,
    ids: Vec<String>,
}

/// What a leaver is asked for by.
fn leaver_name<'a>(row: &'a Row, note: &'a str) -> &'a str {
    if note.is_empty() { &row.contact_id } else { note }
}

fn lower_case(email: &str) -> Cow<'_, str> {
    if email.is_ascii() && !email.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Borrowed(email)
    } else {
        Cow::Owned(email.to_lowercase())
    }
}

impl Protocol for ClassicProtocol {
    fn requests(&self, group: &Group, rows: &[(RowId, &Row)]) -> Vec<Request> {
        let one_by_one = |step| rows.iter().map(|(id, _)| Request::new(step, vec![*id])).collect();
        match (group.operation, &group.target) {
            (Operation::Leave, MembershipTarget::List { .. }) => one_by_one(REMOVE),
            (Operation::Leave, MembershipTarget::Field(_)) => one_by_one(LOOK_UP),
            // There is nothing to take away, so nothing to ask for.
            (Operation::Leave, MembershipTarget::Tag(_) | MembershipTarget::None) => Vec::new(),
            (Operation::Join, MembershipTarget::List { .. }) if self.spot_check.strategy() == ListStrategy::Single => {
                one_by_one(ALONE)
            }
            _ => {
                let is_by_id = |row: &Row| row.cells.is_empty();
                let by_id = rows.iter().filter(|(_, row)| is_by_id(row));
                let alone = by_id.map(|(id, _)| Request::new(OPT_OUT, vec![*id]));
                let by_email: Vec<(RowId, &Row)> = rows.iter().filter(|(_, row)| !is_by_id(row)).copied().collect();
                let batches = batches(&by_email, LIMITS, |(_, row)| row.cells.len());
                let ids = |batch: Vec<(RowId, &Row)>| batch.into_iter().map(|(id, _)| id).collect();
                batches.into_iter().map(|batch| Request::new(BULK, ids(batch))).chain(alone).collect()
            }
        }
    }

    fn unclear(&self) -> Vec<RowId> {
        std::mem::take(&mut self.unclear.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn setup_check(&self) -> SetupCheck {
        self.spot_check.setup_check()
    }

    fn kind(&self, step: &'static str) -> RequestKind {
        match step {
            BULK => RequestKind::Bulk,
            ADD | REMOVE | CHECK | THERE | IS_GONE => RequestKind::List,
            _ => RequestKind::Single,
        }
    }

    /// No batch names an address twice: its response could not say which of the two rows was applied.
    fn together(&self, step: &'static str, rows: Vec<RowId>, held: &dyn Rows) -> Vec<Request> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut rounds: Vec<Vec<RowId>> = Vec::new();
        for id in rows {
            let email = held.row(id).map(|(_, _, email)| email.to_lowercase()).unwrap_or_default();
            let round = seen.entry(email).or_default();
            match rounds.get_mut(*round) {
                Some(rows) => rows.push(id),
                None => rounds.push(vec![id]),
            }
            *round += 1;
        }
        let batches = rounds.iter().flat_map(|rows| batches(rows, LIMITS, |_| 0));
        batches.map(|rows| Request::new(step, rows)).collect()
    }

    fn call(&self, request: &Request, rows: &dyn Rows) -> Option<Call> {
        self.endpoint(request, rows)?.call()
    }

    fn response(&self, request: &Request, rows: &dyn Rows, response: &HttpResponse) -> Response {
        // What a response is read for depends on the endpoint, not on what was sent.
        let nobody = Membership { list: String::new(), contact: String::new() };
        let endpoint = match request.step {
            BULK => Endpoint::UpsertMany(Bytes::new()),
            ALONE => Endpoint::UpsertOne(Bytes::new()),
            ADD => Endpoint::AddMember(nobody),
            REMOVE => Endpoint::RemoveMember(nobody),
            CHECK => Endpoint::Member(nobody),
            THERE | IS_GONE => Endpoint::Members(String::new()),
            OPT_OUT => Endpoint::Unsubscribe(String::new()),
            _ => Endpoint::Contact(String::new()),
        };
        let reply = match read(&endpoint, response) {
            Reply::Unauthorized => return Response::Unauthorized,
            Reply::RateLimited(wait) => return Response::RateLimited(wait),
            Reply::Failed(why) => return Response::Failed(why),
            reply => reply,
        };
        if request.step == BULK {
            return match reply {
                Reply::Done(Payload::Upserted { map, ids }) => {
                    self.spot_check.written(self.arrived_in_bulk(&request.rows, rows, Upserted { map, ids }), rows)
                }
                reply if request.rows.len() == 1 => {
                    let reason = reply.reason();
                    let of = |id: &RowId| Some((*id, self.refused(rows.row(*id)?.1, reason.clone())));
                    Response::Rows(request.rows.iter().filter_map(of).collect())
                }
                _ => {
                    let (first, rest) = request.rows.split_at(request.rows.len() / 2);
                    let halves = [first, rest].map(|rows| Request::new(BULK, rows.to_vec()));
                    Response::Partly(Vec::new(), halves.into())
                }
            };
        }
        if matches!(request.step, CHECK | THERE) {
            let delivered = |id, contact| rows.row(id).map(|(_, row, _)| (id, self.delivered(row, contact)));
            return self.spot_check.read_back(request, &reply, delivered);
        }
        if request.step == IS_GONE && reply == Reply::NotFound {
            return LIST_IS_GONE;
        }
        let of = |id: &RowId| {
            rows.row(*id).map(|(group, row, note)| (*id, self.one(request.step, group, row, note, reply.clone())))
        };
        let outcomes = request.rows.iter().filter_map(of).collect();
        if request.step == ALONE { self.spot_check.written(outcomes, rows) } else { Response::Rows(outcomes) }
    }
}

impl ClassicProtocol {
    /// What the reply to a request for one row says of it.
    fn one(&self, step: &'static str, group: &Group, row: &Row, note: &str, reply: Reply) -> RowOutcome {
        match (step, reply) {
            (OPT_OUT, Reply::Done(_)) if row.cells.is_empty() => {
                RowOutcome::Done(RowResult::Delivered(row.contact_id.to_string()))
            }
            // What was wrong with the row, whether or not the account has the contact.
            (OPT_OUT, Reply::Done(_)) => RowOutcome::Done(RowResult::OptedOut(note.to_owned())),
            (OPT_OUT, _) if !row.cells.is_empty() => RowOutcome::refused(note),
            (ALONE, Reply::Done(Payload::Written(id))) => {
                self.arrived(group, row, id, self.spot_check.strategy() == ListStrategy::Single)
            }
            (ADD, Reply::Done(_)) => self.delivered(row, note.to_owned()),
            (ADD, Reply::NotFound) => RowOutcome::Then(IS_GONE, note.to_owned()),
            (ADD, reply) => RowOutcome::refused(format!("not put on the list: {}", reply.reason())),
            (IS_GONE, _) if group.operation == Operation::Leave => RowOutcome::Done(RowResult::Left),
            (IS_GONE, _) => RowOutcome::refused("not put on the list: not found"),
            // A run that was interrupted may have written a contact of its own where this one is gone.
            (REMOVE | LOOK_UP, Reply::NotFound) if note.is_empty() && !row.cells.is_empty() => {
                RowOutcome::Then(step, row.email().into_owned())
            }
            (REMOVE, Reply::NotFound) if self.may_be_of_the_list() => RowOutcome::Then(IS_GONE, note.to_owned()),
            (REMOVE, Reply::Done(_) | Reply::NotFound) => RowOutcome::Done(RowResult::Left),
            (LOOK_UP, Reply::Done(Payload::Contact { email: Some(email), .. })) => {
                RowOutcome::ThenTogether(BULK, email)
            }
            (LOOK_UP, Reply::Done(_) | Reply::NotFound) => RowOutcome::Done(RowResult::Left),
            (OPT_OUT | LOOK_UP, reply) => RowOutcome::refused(reply.reason()),
            (_, reply) => self.refused(row, reply.reason()),
        }
    }

    /// Whether a leaver's 404 is to be looked into, as the list may be what is gone: the first, then after twice as many each
    /// time.
    fn may_be_of_the_list(&self) -> bool {
        (self.not_found.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two()
    }

    /// A row was refused; the opt-out of a contact is sent by itself, once. An opt-out alone has been.
    fn refused(&self, row: &Row, reason: String) -> RowOutcome {
        match row.digest != OPT_OUT_ALONE && self.known.is_opt_out_due(&row.key) {
            true => RowOutcome::Then(OPT_OUT, reason),
            false => RowOutcome::refused(reason),
        }
    }
}
