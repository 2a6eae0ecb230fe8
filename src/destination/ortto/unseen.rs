//! Leavers who do not show, so soon after rows were sent: reads may lag behind writes, and who counts as gone keeps the
//! mark for good. They are asked for a few times more, a batch of them at once, before they count as gone.
//! Source: ORTTO_API 7: how long reads lag is unknown.

use std::time::Duration;

use super::run::{OrttoProtocol, is_opt_out};
use crate::chunk::Row;
use crate::destination::Request;

/// How long to wait before each time that people are looked up who do not show.
const WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6), Duration::from_secs(10)];
/// The same before everybody is read once more.
const ALL: Duration = Duration::from_secs(20);

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

/// A page of everybody: where it begins, and whether everybody was read before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageAt<'n> {
    pub(super) is_second: bool,
    pub(super) offset: &'n str,
    pub(super) cursor: &'n str,
}

const SECOND: &str = "again ";

impl<'n> PageAt<'n> {
    pub(super) fn of(note: &'n str) -> Self {
        let (is_second, place) = note.strip_prefix(SECOND).map_or((false, note), |place| (true, place));
        let (offset, cursor) = place.split_once(' ').unwrap_or_default();
        Self { is_second, offset, cursor }
    }

    pub(super) fn note(self) -> String {
        format!("{}{} {}", if self.is_second { SECOND } else { "" }, self.offset, self.cursor)
    }

    /// Everybody is read once more, after a wait, without rows.
    pub(super) fn from_the_start(request: &Request) -> Request {
        let note = Self { is_second: true, ..Self::default() }.note();
        Request { note, wait: ALL, ..Request::new(request.step, Vec::new()) }
    }
}
