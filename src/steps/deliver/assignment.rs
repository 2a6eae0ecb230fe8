//! What a deliver call works on, and until when.

use std::time::Duration;

use jiff::Timestamp;

use super::attempts::LaneAttempts;
use crate::config::{Config, Connection, Export};
use crate::contact::SuppressionList;
use crate::error::{Error, Kind, Result};
use crate::plan::lanes::Range;
use crate::run::RunRecord;
use crate::run::opening::OpenRecord;
use crate::steps::calls::LOOK_EVERY;
use crate::steps::cancel::Cancellation;

/// How often the lease is renewed, and the configuration looked at: a run that is disabled has 15 seconds to stop.
pub(super) const RENEW_EVERY: Duration = LOOK_EVERY;

/// When a deliver call must have ended.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    /// The function's own time limit; none on one machine.
    pub until: Option<Timestamp>,
    /// A person's wish to stop.
    pub stop: Cancellation,
    /// Whether this process made the lane's call before, and has seen its verdicts.
    pub goes_on: bool,
}

/// How a deliver call left its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneStatus {
    /// Every row has its verdict.
    Finished,
    /// The limit came first: another call goes on.
    Yielded,
}

/// What a deliver call works on.
#[derive(Clone, Copy)]
pub(super) struct Assignment<'w> {
    pub(super) config: &'w Config,
    pub(super) export: &'w Export,
    pub(super) connection: &'w Connection,
    pub(super) run: &'w RunRecord,
    pub(super) opened: &'w OpenRecord,
    /// The lane's number.
    pub(super) number: u32,
    pub(super) ranges: &'w [Range],
    pub(super) attempts: LaneAttempts,
    /// As the call found it: it may have grown since the plan was made.
    pub(super) suppression: &'w SuppressionList,
    pub(super) suppression_version: Option<&'w str>,
}

/// Whether a run may go on sending. Who disables its export or connection stops it.
///
/// # Errors
/// Kind `stopped` where it is disabled, `config` without consent.
pub(super) fn may_go_on(export: &Export, connection: &Connection, now: Timestamp) -> Result<()> {
    if export.enabled && connection.enabled {
        return connection.may_send(export, now);
    }
    Err(disabled(export))
}

pub(super) fn disabled(export: &Export) -> Error {
    Error::new(Kind::Stopped, &export.name, "was disabled while it was sent")
        .hint("what was confirmed stays confirmed; enable it, and the next run sends the rest")
}
