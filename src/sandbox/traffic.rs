//! Who is let in: counts requests, keeps the limits, and draws the faults.

use std::collections::HashMap;

use tokio::time::Instant;

use super::api::Api;
use super::counters::Counters;
use super::faults::{Fault, FaultInjector, FaultKind, InjectedFaults};
use super::limits::{BanSign, Bans, RateWindow};
use super::options::Options;
use super::response::Response;

/// What is to become of a request.
pub(super) enum Fate {
    /// Answered with this, whatever it asks for.
    Refused(Response),
    Banned(BanSign),
    /// Applied, and perhaps hit by a fault.
    Admitted(Option<FaultKind>, InjectedFaults),
}

/// Everything that requests leave behind in the server.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) counters: Counters,
    rate: RateWindow,
    bans: Bans,
    injector: FaultInjector,
    /// By endpoint.
    in_flight: HashMap<&'static str, usize>,
}

impl Traffic {
    pub(super) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        Self {
            counters: Counters::default(),
            rate: RateWindow::default(),
            bans: Bans::default(),
            injector: FaultInjector::new(faults, seed),
            in_flight: HashMap::new(),
        }
    }

    /// Replaces the faults; requests are counted from 1 again.
    pub(super) fn set_faults(&mut self, faults: Vec<Fault>, seed: u64) {
        self.injector = FaultInjector::new(faults, seed);
    }

    /// A request is in flight; how many are to its endpoint now.
    pub(super) fn enter(&mut self, endpoint: &'static str) -> usize {
        let requests = self.in_flight.entry(endpoint).or_default();
        *requests += 1;
        let requests = *requests;
        let all = self.in_flight.values().sum();
        self.counters.peak_in_flight = self.counters.peak_in_flight.max(all);
        requests
    }

    /// A request is no longer in flight.
    pub(super) fn leave(&mut self, endpoint: &'static str) {
        if let Some(requests) = self.in_flight.get_mut(endpoint) {
            *requests = requests.saturating_sub(1);
        }
    }

    /// Counts a request and decides on it: ban, then key, then faults, then rate.
    pub(super) fn decide(
        &mut self,
        endpoint: &'static str,
        key: Option<&[u8]>,
        at: Instant,
        api: &dyn Api,
        options: &Options,
    ) -> Fate {
        self.counters.arrive(endpoint, at);
        let (fault, faults) = self.injector.next();
        if let Some(rule) = &options.ban
            && self.bans.is_banned(at)
        {
            return Fate::Banned(rule.sign);
        }
        let Some(key) = key else {
            return Fate::Refused(api.missing_key());
        };
        if options.api_key.as_ref().is_some_and(|wanted| wanted.as_bytes() != key) {
            return Fate::Refused(api.wrong_key(options));
        }
        self.counters.faulted += u64::from(fault.is_some());
        if fault == Some(FaultKind::Status(429)) {
            return Fate::Refused(api.rate_limited(options));
        }
        // A request that a fault hits takes up room, but the rate does not refuse it.
        let admitted = self.rate.admit(options.rate, at);
        if fault.is_none() && !admitted {
            return Fate::Refused(api.rate_limited(options));
        }
        Fate::Admitted(fault, faults)
    }

    /// Counts a response; `None` where there is none.
    pub(super) fn respond(&mut self, response: Option<&Response>, at: Instant, options: &Options) {
        self.counters.respond(response.map(|response| response.status.as_u16()));
        if let (Some(rule), Some(response)) = (&options.ban, response)
            && !response.is_excused
            && !self.bans.is_banned(at)
            && self.bans.count(rule, response.status.as_u16(), at)
        {
            self.counters.bans += 1;
        }
    }
}
