//! How the sandbox behaves: what holds for every API, and a section for each one.

use std::time::Duration;

use super::api::Api;
use super::autopilot::{self, AutopilotOptions};
use super::faults::Fault;
use super::limits::BanRule;

/// Which API a sandbox serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hosted {
    /// Classic Autopilot, v1.
    #[default]
    Autopilot,
}

/// What a sandbox starts with. [`Options::default`] is classic Autopilot without limits, delays or faults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The API that it serves.
    pub api: Hosted,
    /// The one key it accepts; `None` accepts any key. A missing key is always refused.
    pub api_key: Option<String>,
    /// Requests per sliding second above which it answers 429; `None` is no limit.
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
        }
    }
}

/// An account of classic Autopilot, without limits, delays or faults.
impl From<AutopilotOptions> for Options {
    fn from(autopilot: AutopilotOptions) -> Self {
        Self { autopilot, ..Self::default() }
    }
}

impl Options {
    /// A new account of the API that is served.
    pub(super) fn account(&self) -> Box<dyn Api> {
        match self.api {
            Hosted::Autopilot => Box::new(autopilot::Account::new(&self.autopilot, self.seed)),
        }
    }
}
