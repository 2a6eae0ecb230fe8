//! How the sandbox behaves: what holds for every API, and a section for each one.

mod autopilot;
mod ortto;

use std::time::Duration;

use super::faults::Fault;
use super::limits::{BanRule, BanSign};

pub use autopilot::{AutopilotOptions, BulkLists, RefuseInvalid};
pub use ortto::{
    Archived, AsyncReply, EntryOrder, MixedBatch, Odd, OrttoOptions, SkippedRows, SuppressionEntries, WrongKey,
};

/// Which API a sandbox serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Hosted {
    /// Classic Autopilot, v1.
    #[default]
    Autopilot,
    /// Ortto, its successor.
    Ortto,
}

/// What a sandbox starts with. [`Options::default`] is classic Autopilot without limits, delays or faults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The API that it serves.
    pub api: Hosted,
    /// The one key it accepts; `None` accepts any key. A missing key is always refused.
    pub api_key: Option<String>,
    /// Requests per sliding second above which it answers 429; without one it never does.
    pub rate: Option<f64>,
    /// Bans clients that send bad requests; `None` never does.
    pub ban: Option<BanRule>,
    /// How long each response takes. Writes are applied before the wait.
    pub latency: Duration,
    /// What goes wrong, and how often.
    pub faults: Vec<Fault>,
    /// Seed of the faults and of the ids, so that a run can be repeated.
    pub seed: u64,
    /// How classic Autopilot behaves.
    pub autopilot: AutopilotOptions,
    /// How Ortto behaves.
    pub ortto: OrttoOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api: Hosted::default(),
            api_key: None,
            rate: None,
            ban: None,
            latency: Duration::ZERO,
            faults: Vec::new(),
            seed: 1,
            autopilot: AutopilotOptions::default(),
            ortto: OrttoOptions::default(),
        }
    }
}

/// An account of classic Autopilot, without limits, delays or faults.
impl From<AutopilotOptions> for Options {
    fn from(autopilot: AutopilotOptions) -> Self {
        Self { autopilot, ..Self::default() }
    }
}

/// An account of Ortto, without delays or faults, and with its ban of bad requests.
impl From<OrttoOptions> for Options {
    fn from(ortto: OrttoOptions) -> Self {
        Self { api: Hosted::Ortto, ban: Some(ORTTO_BAN), ortto, ..Self::default() }
    }
}

/// Source: `docs/ORTTO_API.md` 3; what a banned client sees is not attested.
const ORTTO_BAN: BanRule = BanRule { requests: 15, window: Duration::from_secs(15), sign: BanSign::Status(403) };
