//! Rows to requests and back. Joiners and changed people are merged, a hundred a request ([`merging`](super::merging));
//! leavers are looked up first, for their addresses ([`leaving`](super::leaving)); an opt-out whose row is not sent
//! changes nothing else ([`opting_out`](super::opting_out)).

use std::sync::PoisonError;
use std::time::Duration;

use super::response::{BAN, FORBIDDEN, Reply, read};
use super::run::{OrttoProtocol, is_opt_out};
use super::steps::{
    AGAIN, ALONE, CHECK, FIELDS, FIND, LOOK, MERGE, OPT_OUT, OPT_OUT_OF_REFUSED, READ, SCAN, SEEK, kind,
};
use super::verdicts::each_outcome;
use super::{confirming, doubts, field_check, leaving, merging, opting_out};
use crate::chunk::{Operation, Row};
use crate::destination::{
    Call, Caution, Group, HttpResponse, Limits, Protocol, Request, RequestKind, Response, RowId, RowOutcome, RowResult,
    Rows, batches,
};
use crate::error::Kind;
use crate::membership::MembershipTarget;
use crate::state::{ProfileKey, half};

/// How requests are cut, and how the account is approached. Source: ORTTO_API 2.1 for rows and bytes, 2.3 for the few in
/// flight, 3 for the 15 bad requests in 15 s that ban an address, of which other programs behind it make some. What is
/// written of a row is longer than what the limit counts of it, so a quarter of the 2 MB is kept free.
pub(super) const LIMITS: Limits = Limits {
    batch_rows: 100,
    batch_bytes: 1_400_000,
    in_flight: 12,
    caution: Some(Caution {
        in_flight_first: 2,
        lanes: 4,
        settle: Duration::from_secs(5),
        refusals: 6,
        within: Duration::from_millis(15_500),
    }),
};

impl OrttoProtocol {
    /// A row was refused; the opt-out of a person whom the account has is sent by itself, once. An opt-out alone has been.
    fn refused(&self, row: &Row, reason: String) -> RowOutcome {
        match !is_opt_out(row) && self.known.is_opt_out_due(&row.key) {
            true => RowOutcome::ThenTogether(OPT_OUT_OF_REFUSED, reason),
            false => RowOutcome::refused(reason),
        }
    }

    /// The same for what a response refused.
    fn opting_out(&self, rows: &dyn Rows, response: Response) -> Response {
        each_outcome(response, |id, outcome| match (outcome, rows.row(id)) {
            (RowOutcome::Done(RowResult::Refused(reason)), Some((_, row, _))) => self.refused(row, reason),
            (outcome, _) => outcome,
        })
    }
}

impl Protocol for OrttoProtocol {
    fn requests(&self, group: &Group, rows: &[(RowId, &Row)]) -> Vec<Request> {
        match (group.operation, &group.target) {
            (Operation::Leave, MembershipTarget::Tag(_) | MembershipTarget::Field(_)) => {
                leaving::first(self, rows, LIMITS)
            }
            // There is nothing to take away, so nothing to ask for.
            (Operation::Leave, _) => Vec::new(),
            _ if rows.iter().any(|(_, row)| is_opt_out(row)) => opting_out::first(rows, LIMITS),
            _ => {
                let batches = batches(rows, LIMITS, |(_, row)| row.cells.len() + 200);
                let ids = |batch: Vec<(RowId, &Row)>| batch.into_iter().map(|(id, _)| id).collect();
                batches.into_iter().map(|batch| Request::new(MERGE, ids(batch))).collect()
            }
        }
    }

    fn beforehand(&self, group: &Group, row: &Row) -> Option<RowOutcome> {
        if group.operation == Operation::Leave {
            return leaving::beforehand(self, group, row);
        }
        if is_opt_out(row) && opting_out::is_unknown(row) {
            return Some(RowOutcome::ThenTogether(SCAN, String::new()));
        }
        if self.withheld.contains(&half(&row.key)) {
            return Some(RowOutcome::Done(RowResult::Suppressed));
        }
        let fault = self.writer.fault(row)?;
        Some(self.refused(row, format!("not sent, as Ortto would refuse it: {fault}")))
    }

    fn found(&self) -> Vec<(ProfileKey, String)> {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner).news)
    }

    fn unclear(&self) -> Vec<RowId> {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner).unclear)
    }

    /// A merge may restore who is archived. Source: ORTTO_API 6.
    fn may_come_back(&self, key: &ProfileKey) -> bool {
        self.archived.contains(&half(key))
    }

    fn kind(&self, step: &'static str) -> RequestKind {
        kind(step)
    }

    /// However many are looked for, everybody is read once.
    fn shares_last(&self, step: &'static str) -> bool {
        step == SCAN
    }

    fn together(&self, step: &'static str, rows: Vec<RowId>, held: &dyn Rows) -> Vec<Request> {
        if step == SCAN {
            return vec![Request::new(SCAN, rows)];
        }
        // Rows of several segments may wait for the same step; each segment has its own mark.
        let mut groups: Vec<(&Group, Vec<(RowId, usize)>)> = Vec::new();
        for id in rows {
            let Some((group, row, _)) = held.row(id) else { continue };
            let bytes = row.cells.len() + 200;
            match groups.iter_mut().find(|(known, _)| *known == group) {
                Some((_, rows)) => rows.push((id, bytes)),
                None => groups.push((group, vec![(id, bytes)])),
            }
        }
        let ids = |batch: Vec<(RowId, usize)>| batch.into_iter().map(|(id, _)| id).collect();
        let cut = groups.into_iter().flat_map(|(_, rows)| batches(&rows, LIMITS, |(_, bytes)| bytes));
        cut.map(|batch| Request::new(step, ids(batch))).collect()
    }

    fn call(&self, request: &Request, rows: &dyn Rows) -> Option<Call> {
        match request.step {
            OPT_OUT | OPT_OUT_OF_REFUSED => opting_out::call(self, request, rows),
            MERGE | AGAIN | ALONE => merging::call(self, request, rows),
            READ | SEEK => confirming::call(self, request, rows),
            FIELDS => Some(field_check::call()),
            _ => leaving::call(self, request, rows),
        }
    }

    fn response(&self, request: &Request, rows: &dyn Rows, response: &HttpResponse) -> Response {
        let reply = read(response);
        field_check::first(self, request, &reply).unwrap_or_else(|| self.judged(request, rows, reply))
    }

    fn unsendable(&self) -> &'static str {
        "the contact's id is not one of Ortto's"
    }
}

impl OrttoProtocol {
    /// What a reply says of the request's rows.
    pub(super) fn judged(&self, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
        let reads = matches!(request.step, READ | SEEK | LOOK | SCAN | CHECK | FIND | FIELDS);
        if matches!(reply, Reply::Done(_)) {
            let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
            if reads { trials.was_read(request.step) } else { trials.accept() }
        }
        if reads
            && matches!(reply, Reply::Bad(_) | Reply::Refused(400, _))
            && let Some(again) = doubts::read_again(self, request)
        {
            return again;
        }
        match reply {
            // A key is worth nothing in another region, and one that is worth nothing may be unknown. Source: ORTTO_API 1.
            Reply::Unauthorized | Reply::Refused(404, _) => Response::Unauthorized,
            // A banned lane must be quiet as a whole, and a ban that has ended says so.
            Reply::Forbidden => Response::Paused(BAN, FORBIDDEN),
            Reply::RateLimited(wait) => Response::RateLimited(wait),
            Reply::Failed(why) => Response::Failed(why),
            Reply::Full => Response::Ends {
                kind: Kind::Access,
                problem: "the account's contact limit is reached; it takes nobody new".into(),
                hint: "raise the plan's contact limit or remove contacts in Ortto; the next run sends what is pending",
            },
            reply => match request.step {
                OPT_OUT => opting_out::response(self, request, rows, reply),
                OPT_OUT_OF_REFUSED => opting_out::of_refused(rows, opting_out::response(self, request, rows, reply)),
                MERGE | AGAIN | ALONE => self.opting_out(rows, merging::merged(self, request, rows, reply)),
                READ => confirming::read_back(self, request, rows, reply),
                FIELDS => field_check::response(self, request, rows, &reply),
                SEEK => self.opting_out(rows, confirming::sought(self, request, rows, reply)),
                _ => leaving::response(self, request, rows, reply),
            },
        }
    }
}
