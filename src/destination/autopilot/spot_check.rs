//! Spot checks: whether the account still puts joiners on their list the way the canary saw. A few joiners are read back.
//! If one is not on the list, the rest are added to it one by one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::response::Reply;
use super::steps::{ADD, CHECK, THERE};
use super::strategy::ListStrategy;
use crate::chunk::Operation;
use crate::destination::{Request, Response, RowId, RowOutcome, RowResult, Rows, SetupCheck};
use crate::error::Kind;
use crate::membership::MembershipTarget;

/// How many joiners are read back before any counts as delivered.
pub(super) const FIRST: usize = 2;
/// After how many bulk calls, and how many joiners alone, the next is read back; then after twice as many each time, so
/// that a long run spends few requests on it.
pub(super) const BATCHES: u32 = 8;
const ROWS: u32 = 50;

/// The reply to a call for a list that is gone.
pub(super) const LIST_IS_GONE: Response = Response::Ends {
    kind: Kind::Config,
    problem: std::borrow::Cow::Borrowed("the list of a segment was removed in the account"),
    hint: "run again, which says how to go on; what was confirmed before stays confirmed",
};

/// How joiners get on their list, and what the spot checks have found so far.
pub(super) struct SpotCheck(Mutex<State>);

struct State {
    strategy: ListStrategy,
    /// Somebody was read back and was on the list.
    is_confirmed: bool,
    /// Answers since the last that was read back, and how many there are to the next.
    answers: u32,
    gap: u32,
    /// Somebody was delivered who was not read back.
    some_trusted: bool,
    has_failed: bool,
}

impl SpotCheck {
    pub(super) fn new(strategy: ListStrategy) -> Self {
        let gap = if strategy == ListStrategy::Bulk { BATCHES } else { ROWS };
        let state = State { strategy, is_confirmed: false, answers: 0, gap, some_trusted: false, has_failed: false };
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How joiners get on their list, as far as is known.
    pub(super) fn strategy(&self) -> ListStrategy {
        self.state().strategy
    }

    pub(super) fn setup_check(&self) -> SetupCheck {
        match *self.state() {
            State { has_failed: true, some_trusted, .. } => SetupCheck::Failed { some_trusted },
            _ => SetupCheck::Holds,
        }
    }

    /// What an upsert that named the list says of its rows; of some calls a joiner is read back first.
    pub(super) fn written(&self, outcomes: Vec<(RowId, RowOutcome)>, rows: &dyn Rows) -> Response {
        let is_joiner = |(id, outcome): &(RowId, RowOutcome)| {
            contact(outcome).is_some()
                && rows.row(*id).is_some_and(|(group, ..)| {
                    group.operation == Operation::Join && matches!(group.target, MembershipTarget::List { .. })
                })
        };
        if !outcomes.iter().any(is_joiner) {
            return Response::Rows(outcomes);
        }
        let mut state = self.state();
        state.answers += 1;
        if state.is_confirmed && state.answers < state.gap {
            state.some_trusted = true;
            return Response::Rows(outcomes);
        }
        if state.is_confirmed {
            state.gap = state.gap.saturating_mul(2);
        }
        state.answers = 0;
        let left = if state.is_confirmed { 1 } else { FIRST };
        let (joiners, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(is_joiner);
        let named = |(id, outcome): (RowId, RowOutcome)| Some((id, contact(&outcome)?.to_owned()));
        let joiners: Vec<_> = joiners.into_iter().filter_map(named).collect();
        let left = left.min(joiners.len());
        Response::Partly(others, vec![Check { left, joiners }.request(CHECK)])
    }

    /// What is read back of a joiner says of all that were written with it.
    pub(super) fn read_back(
        &self,
        request: &Request,
        reply: &Reply,
        delivered: impl Fn(RowId, String) -> Option<(RowId, RowOutcome)>,
    ) -> Response {
        let Some(check) = Check::of(request) else { return Response::Failed("an answer to nothing") };
        let mut state = self.state();
        let put_on = |check: Check| {
            Response::Rows(
                check.joiners.into_iter().map(|(id, contact)| (id, RowOutcome::Then(ADD, contact))).collect(),
            )
        };
        match (request.step, reply) {
            (CHECK, Reply::Done(_)) if state.has_failed => put_on(check),
            (CHECK, Reply::Done(_)) if check.left > 1 => {
                let next = Check { left: check.left - 1, ..check };
                Response::Partly(Vec::new(), vec![next.request(CHECK)])
            }
            (CHECK, Reply::Done(_)) => {
                state.is_confirmed = true;
                state.some_trusted = true;
                Response::Rows(check.joiners.into_iter().filter_map(|(id, contact)| delivered(id, contact)).collect())
            }
            (CHECK, _) => Response::Partly(Vec::new(), vec![check.request(THERE)]),
            (_, Reply::NotFound) => LIST_IS_GONE,
            _ => {
                (state.has_failed, state.strategy) = (true, ListStrategy::BulkThenList);
                put_on(check)
            }
        }
    }
}

fn contact(outcome: &RowOutcome) -> Option<&str> {
    match outcome {
        RowOutcome::Done(RowResult::Delivered(id) | RowResult::DeliveredAnew(id)) => Some(id),
        _ => None,
    }
}

/// Joiners who were written together, with their contacts' ids, and how many are yet to be read back.
struct Check {
    left: usize,
    joiners: Vec<(RowId, String)>,
}

impl Check {
    fn request(&self, step: &'static str) -> Request {
        let lines = self.joiners.iter().map(|(RowId { span, number }, contact)| format!("\n{span} {number} {contact}"));
        let note = format!("{}{}", self.left, lines.collect::<String>());
        Request { note, ..Request::new(step, self.joiners.iter().map(|(id, _)| *id).collect()) }
    }

    /// Of a request that failed there may be parts.
    fn of(request: &Request) -> Option<Self> {
        let mut lines = request.note.split('\n');
        let left = lines.next()?.parse().ok()?;
        let joiner = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let id = RowId { span: words.next()?.parse().ok()?, number: words.next()?.parse().ok()? };
            Some((id, words.next()?.to_owned())).filter(|(id, _)| request.rows.contains(id))
        };
        Some(Self { left, joiners: lines.filter_map(joiner).collect() })
    }
}

/// The contact that a request reads back: each time another of those that were written together.
pub(super) fn asked(request: &Request) -> Option<String> {
    let Check { left, mut joiners } = Check::of(request)?;
    let at = (joiners.len() * left / (FIRST + 1)).min(joiners.len().checked_sub(1)?);
    Some(joiners.swap_remove(at).1)
}
