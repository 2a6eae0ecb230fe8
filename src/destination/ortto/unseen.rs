//! Leavers who do not show, so soon after rows were sent: reads may lag behind writes, and who counts as gone keeps the
//! mark for good. They are asked for a few times more, a batch of them at once, before they count as gone.
//! Source: ORTTO_API 7: how long reads lag is unknown.

use std::time::Duration;

use serde_json::Value;

use super::run::{OrttoProtocol, is_opt_out};
use crate::chunk::Row;
use crate::destination::Request;

/// How long to wait before each time that people are looked up who do not show.
const WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6), Duration::from_secs(10)];
/// The same before everybody is read once more.
pub(super) const ALL: Duration = Duration::from_secs(20);

/// What is noted with a leaver that was waited for.
pub(super) const WAITED: &str = "waited";

/// Whether a person who does not show may be there, and is to lose its mark then.
pub(super) fn may_be_there(protocol: &OrttoProtocol, row: &Row) -> bool {
    protocol.known.may_be_unseen() && !is_opt_out(row) && !protocol.is_archived(row)
}

/// How long to wait before a look-up is made once more; the note says how often it was.
pub(super) fn wait(request: &Request) -> Option<Duration> {
    WAITS.get(times(request)).copied()
}

/// The same look-up after a wait, without rows.
pub(super) fn once_more(request: &Request, wait: Duration) -> Request {
    Request { note: (times(request) + 1).to_string(), wait, ..Request::new(request.step, Vec::new()) }
}

fn times(request: &Request) -> usize {
    request.note.parse().unwrap_or_default()
}

/// A page of everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageAt<'n> {
    /// Whether everybody was read before.
    pub(super) is_second: bool,
    pub(super) offset: &'n str,
    pub(super) cursor: &'n str,
    /// How many there were at the page before.
    pub(super) total: Option<u64>,
    /// Whether there were fewer from one page to the next: who moved up a place may be on neither.
    pub(super) is_shrunk: bool,
}

const SECOND: &str = "again ";
const SHRUNK: &str = "fewer";

impl<'n> PageAt<'n> {
    pub(super) fn of(note: &'n str) -> Self {
        let (is_second, place) = note.strip_prefix(SECOND).map_or((false, note), |place| (true, place));
        let mut words = place.split(' ');
        let (offset, cursor) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let total = words.next().and_then(|total| total.parse().ok());
        Self { is_second, offset, cursor, total, is_shrunk: words.next() == Some(SHRUNK) }
    }

    /// The same, knowing how many there are at this page.
    pub(super) fn with_total(self, page: &Value) -> Self {
        let total = page.get("meta").and_then(|meta| meta.get("total_matches")?.as_u64());
        let is_fewer = self.total.zip(total).is_some_and(|(before, now)| now < before);
        Self { total: total.or(self.total), is_shrunk: self.is_shrunk || is_fewer, ..self }
    }

    pub(super) fn note(self) -> String {
        let Self { is_second, offset, cursor, total, is_shrunk } = self;
        let total = total.map(|total| total.to_string()).unwrap_or_default();
        let [second, shrunk] = [(is_second, SECOND), (is_shrunk, SHRUNK)].map(|(is, word)| if is { word } else { "" });
        format!("{second}{offset} {cursor} {total} {shrunk}")
    }

    /// Everybody is read once more, after a wait, without rows.
    pub(super) fn from_the_start(request: &Request, wait: Duration) -> Request {
        let note = Self { is_second: true, ..Self::default() }.note();
        Request { note, wait, ..Request::new(request.step, Vec::new()) }
    }
}
