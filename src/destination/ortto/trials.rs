//! What a lane has seen of requests that were refused as a whole.

use std::collections::{HashMap, HashSet};

use super::response::Reply;
use crate::destination::{Request, RowId};

/// What is known of the custom fields that rows were refused for.
#[derive(Debug, Default)]
pub(super) struct FieldCheck {
    /// Merges whose refusals wait.
    pub(super) waiting: Vec<(Request, Reply)>,
    /// How many merges were accepted when all fields were there last.
    pub(super) there_at: Option<u64>,
}

/// What is known of the requests that were refused.
#[derive(Debug, Default)]
pub(super) struct Trials {
    /// Merges so far that were accepted.
    pub(super) accepted: u64,
    /// Requests so far that were cut in halves.
    cuts: u64,
    /// Of a cut, what a half was refused with before anything was accepted.
    pub(super) refused: HashMap<u64, String>,
    /// Readings that were refused and are made once more: the step, the first row, the note.
    repeated: HashSet<(&'static str, RowId, String)>,
    /// Steps whose readings are refused even so.
    unreadable: HashSet<&'static str>,
}

impl Trials {
    /// Records a merge that was accepted.
    pub(super) fn accept(&mut self) {
        self.accepted += 1;
    }

    /// Records a reading that was answered.
    pub(super) fn was_read(&mut self, step: &'static str) {
        self.unreadable.remove(step);
    }

    /// Whether a reading that was refused is worth another try, after a ban's time.
    pub(super) fn reads_again(&mut self, request: &Request) -> bool {
        let Some(first) = request.rows.first() else { return false };
        if self.unreadable.contains(request.step) {
            return false;
        }
        let is_first = self.repeated.insert((request.step, *first, request.note.clone()));
        if !is_first {
            self.unreadable.insert(request.step);
        }
        is_first
    }

    /// A request in two.
    pub(super) fn halves(&mut self, request: &Request, since: u64) -> Vec<Request> {
        self.cuts += 1;
        let note = format!("half {} {since}", self.cuts);
        let (first, rest) = request.rows.split_at(request.rows.len() / 2);
        [first, rest].map(|rows| Request { note: note.clone(), ..Request::new(request.step, rows.to_vec()) }).into()
    }
}
