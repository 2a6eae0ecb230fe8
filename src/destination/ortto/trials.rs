//! What a lane has seen of requests that were refused as a whole.

use std::collections::HashMap;

use crate::destination::Request;

/// What is known of the requests that were refused.
#[derive(Debug, Default)]
pub(super) struct Trials {
    /// Merges so far that were accepted.
    pub(super) accepted: u64,
    /// Requests so far that were cut in halves.
    cuts: u64,
    /// Of a cut, what a half was refused with before anything was accepted.
    pub(super) refused: HashMap<u64, String>,
}

impl Trials {
    /// Records a merge that was accepted.
    pub(super) fn accept(&mut self) {
        self.accepted += 1;
    }

    /// A request in two.
    pub(super) fn halves(&mut self, request: &Request, since: u64) -> Vec<Request> {
        self.cuts += 1;
        let note = format!("half {} {since}", self.cuts);
        let (first, rest) = request.rows.split_at(request.rows.len() / 2);
        [first, rest].map(|rows| Request { note: note.clone(), ..Request::new(request.step, rows.to_vec()) }).into()
    }
}
