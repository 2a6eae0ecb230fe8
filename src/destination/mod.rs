//! Where segments are sent: one folder for each destination. What all need has the same file name in each.
//!
//! A destination has three traits, and three optional ones: [`Census`], [`People`] and [`Addresses`]. [`Destination`] says what it is and calls an account before rows are sent; [`Account`]
//! is what those calls found; [`Protocol`] turns rows into requests and responses into what became of each row. All I/O is
//! a [`Session`]'s, or that of the lane that asks the protocol.

mod addresses;
pub mod autopilot;
mod batch;
mod census;
mod contract;
pub mod ortto;
mod people;
mod protocol;
mod read_back;
mod region;
mod session;
mod usage;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use addresses::{Addresses, Attempt, Looked};
pub use batch::batches;
pub use census::{Census, Page, PersonThere};
pub use contract::{
    Account, Assumption, Caution, Cost, CustomFieldThere, Destination, JoinersThere, Limits, StandardField, Wanted,
    WantedIds,
};
pub use people::{ContactThere, People, PersonSought};
pub use protocol::{Group, KnownContacts, Protocol, Request, Response, RowId, RowOutcome, RowResult, Rows, SetupCheck};
pub use read_back::{FieldBack, ReadBack};
pub use region::Region;
pub use session::{Call, HttpResponse, Judgement, Session, bounded_wait, retry_after};
pub use usage::{RequestKind, Usage};

/// Which API a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// Classic Autopilot, v1.
    #[default]
    Autopilot,
    /// Ortto, its successor.
    Ortto,
}

impl Api {
    /// Every one, by its name in the configuration.
    pub const ALL: [(&'static str, Self); 2] = [("autopilot", Self::Autopilot), ("ortto", Self::Ortto)];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, api)| *api == self).map_or("", |(name, _)| name)
    }
}

/// The destination behind an API: the only place that chooses by it.
pub fn of(api: Api) -> &'static dyn Destination {
    match api {
        Api::Autopilot => &autopilot::Autopilot,
        Api::Ortto => &ortto::Ortto,
    }
}
