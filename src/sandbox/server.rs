//! One request's way: counted, let in or not, hit by a fault or not, applied, answered.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;

use super::api::{Api, Request};
use super::counters::Counters;
use super::faults::{Fault, FaultKind, InjectedFaults};
use super::limits::BanSign;
use super::lock::locked;
use super::options::Options;
use super::response::Response;
use super::route::{self, NoRoute, Route};
use super::traffic::{Fate, Traffic};

/// A request as it arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) method: &'a Method,
    /// Below `/v1/`, still percent-encoded.
    pub(super) path: &'a str,
    pub(super) key: Option<&'a [u8]>,
    /// `None`: too large.
    pub(super) body: Option<&'a [u8]>,
    pub(super) at: Instant,
}

/// How a response leaves.
#[derive(Debug)]
pub(super) enum Delivery {
    Whole(Response),
    /// Half of its body, then the connection closes.
    Truncated(Response),
    /// The connection closes without a byte.
    Cut,
    /// Nothing leaves, and the connection stays open.
    Stalled,
}

impl Delivery {
    fn response(&self) -> Option<&Response> {
        match self {
            Self::Whole(response) | Self::Truncated(response) => Some(response),
            Self::Cut | Self::Stalled => None,
        }
    }
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) api: Box<dyn Api>,
    options: RwLock<Arc<Options>>,
    traffic: Mutex<Traffic>,
    pub(super) stop: watch::Sender<bool>,
}

/// A request in flight, until it is dropped.
pub(super) struct InFlight<'a> {
    server: &'a Server,
    route: Result<Route, NoRoute>,
    /// Requests to its endpoint, this one among them.
    requests: usize,
}

impl InFlight<'_> {
    /// How the counters name its endpoint.
    fn endpoint(&self) -> &'static str {
        match &self.route {
            Ok(route) => route.endpoint.pattern,
            Err(missing) => missing.name(),
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        locked(&self.server.traffic).leave(self.endpoint());
    }
}

impl Server {
    pub(super) fn new(api: Box<dyn Api>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            api,
            traffic: Mutex::new(Traffic::new(options.faults.clone(), options.seed)),
            options: RwLock::new(Arc::new(options)),
            stop: watch::Sender::new(false),
        })
    }

    pub(super) fn options(&self) -> Arc<Options> {
        Arc::clone(&self.options.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Options)) {
        let mut options = self.options.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut options));
    }

    pub(super) fn set_faults(&self, faults: Vec<Fault>) {
        let seed = self.options().seed;
        locked(&self.traffic).set_faults(faults, seed);
    }

    pub(super) fn counters(&self) -> Counters {
        locked(&self.traffic).counters.clone()
    }

    pub(super) fn reset_counters(&self) {
        locked(&self.traffic).counters = Counters::default();
    }

    /// Counts a request as in flight.
    pub(super) fn enter(&self, arrival: &Arrival<'_>) -> InFlight<'_> {
        let route = route::find(self.api.endpoints(), arrival.method, arrival.path);
        let mut in_flight = InFlight { server: self, route, requests: 0 };
        in_flight.requests = locked(&self.traffic).enter(in_flight.endpoint());
        in_flight
    }

    /// Counts, decides and applies a request. Waits for nothing.
    pub(super) fn process(&self, arrival: &Arrival<'_>, in_flight: &InFlight<'_>) -> Delivery {
        let options = self.options();
        let (endpoint, api) = (in_flight.endpoint(), self.api.as_ref());
        let fate = locked(&self.traffic).decide(endpoint, arrival.key, arrival.at, api, &options);
        let delivery = match fate {
            Fate::Refused(response) => Delivery::Whole(response),
            Fate::Banned(BanSign::Cut) => Delivery::Cut,
            Fate::Banned(BanSign::Status(status)) => Delivery::Whole(self.failure(status, "a ban")),
            Fate::Admitted(fault, faults) => self.hit(fault, || self.apply(arrival, in_flight, &faults, &options)),
        };
        locked(&self.traffic).respond(delivery.response(), arrival.at, &options);
        delivery
    }

    fn apply(
        &self,
        arrival: &Arrival<'_>,
        in_flight: &InFlight<'_>,
        faults: &InjectedFaults,
        options: &Options,
    ) -> Response {
        let Some(body) = arrival.body else {
            return self.api.error(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large.");
        };
        let route = match &in_flight.route {
            Ok(route) => route,
            Err(missing) => return self.api.error(missing.status(), "Unknown endpoint."),
        };
        let request = Request { route, body, faults, in_flight: in_flight.requests, now: arrival.at };
        let response = self.api.handle(&request, options);
        if route.endpoint.writes && response.status.is_success() {
            locked(&self.traffic).counters.writes += 1;
        }
        response
    }

    /// What a fault makes of a request and its response.
    fn hit(&self, fault: Option<FaultKind>, apply: impl FnOnce() -> Response) -> Delivery {
        match fault {
            None
            | Some(
                FaultKind::DropRows | FaultKind::RefuseRows(_) | FaultKind::RefuseBatch(_) | FaultKind::FailRows(_),
            ) => Delivery::Whole(apply()),
            Some(FaultKind::Status(status)) => {
                // Source: docs/AUTOPILOT_API.md 1.4, a request that timed out may still be applied.
                if matches!(status, 408 | 504) {
                    apply();
                }
                Delivery::Whole(self.failure(status, "a fault"))
            }
            Some(FaultKind::CutBefore) => Delivery::Cut,
            Some(FaultKind::CutAfter) => {
                apply();
                Delivery::Cut
            }
            Some(FaultKind::Stall) => {
                apply();
                Delivery::Stalled
            }
            Some(FaultKind::Truncate) => Delivery::Truncated(apply()),
            Some(FaultKind::Html) => Delivery::Whole(Response::html()),
            Some(FaultKind::Garbage) => {
                apply();
                Delivery::Whole(Response::garbage())
            }
        }
    }

    fn failure(&self, status: u16, why: &str) -> Response {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.api.error(status, &format!("Something went wrong ({why} of the sandbox)."))
    }

    /// Processes a request and takes as long as the options say.
    pub(super) async fn respond(&self, arrival: &Arrival<'_>) -> Delivery {
        let in_flight = self.enter(arrival);
        let delivery = self.process(arrival, &in_flight);
        self.wait(self.options().latency).await;
        delivery
    }

    /// Waits, but not beyond the server's end.
    pub(super) async fn wait(&self, time: Duration) {
        if !time.is_zero() {
            let mut stop = self.stop.subscribe();
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }
}
