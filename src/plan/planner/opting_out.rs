//! Opt-outs that are sent alone, of members whose rows are not sent.

use super::Planner;
use crate::chunk::{NewRow, write_row};
use crate::plan::history::Act;
use crate::plan::members::OptedOut;
use crate::plan::objection::Objection;
use crate::plan::output::ChunkKind;
use crate::state::{OPT_OUT_ALONE, ProfileKey};

impl Planner<'_> {
    /// Sends the opt-out of a contact whose row is not sent itself, once.
    pub(super) fn opt_out(&mut self, line: u64, key: &ProfileKey, objection: Objection) {
        if !objection.opted_out || self.room.is_some() || self.members.opt_out(key) != OptedOut::Contact {
            return;
        }
        let Some(matching) = &self.matching else { return };
        let mut cells = String::new();
        matching.opt_out_alone(&self.contact.email, &mut cells);
        self.counts.opt_outs += 1;
        self.chunk_opt_out(key, &cells, "", Some(line));
    }

    /// Sends the opt-out of a member of the state that only rows without an address speak of; `contact` names it.
    pub(super) fn opt_out_by_contact(&mut self, key: &ProfileKey, contact: &str) {
        if self.room.is_none() && self.members.opt_out(key) == OptedOut::Contact {
            self.counts.opt_outs += 1;
            self.chunk_opt_out(key, "", contact, None);
        }
    }

    fn chunk_opt_out(&mut self, key: &ProfileKey, cells: &str, contact_id: &str, line: Option<u64>) {
        self.record(key, line, Act::OptOut.planned());
        let (digest, source) = (&OPT_OUT_ALONE, self.source);
        let row = NewRow { key, digest, match_id: None, cells, contact_id, source, line: line.unwrap_or_default() };
        // Where it is refused, there is no further reject: the row is one already, or suppressed.
        self.output.row(ChunkKind::OptOuts, |chunk| write_row(chunk, row, |out| out.push_str("[]")));
    }
}
