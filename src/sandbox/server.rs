//! One request's way: counted, let in or not, struck by a fault or not, applied, answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, Response, StatusCode};
use tokio::sync::watch;

use super::answer::Answer;
use super::calls;
use super::counters::Meter;
use super::fault::FaultKind;
use super::hooks::Hooks;
use super::injector::FaultInjector;
use super::options::Options;
use super::route::Call;
use super::store::Store;
use super::upsert::{self, InjectedFaults};
use super::wire::Cutter;

/// Largest body taken. A choice of this sandbox: no limit of the service is known.
const BODY_BYTES: usize = 16 << 20;

/// How long a stalled request is held.
const STALL: Duration = Duration::from_secs(60 * 60);

/// The rate named in a 429 that a fault makes where no rate is kept.
///
/// Source: `docs/AUTOPILOT_API.md` 1.7, 5 requests per second.
const STATED_RATE: f64 = 5.0;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: RwLock<Arc<Options>>,
    pub(super) store: Mutex<Store>,
    pub(super) meter: Mutex<Meter>,
    pub(super) draw: Mutex<FaultInjector>,
    pub(super) hooks: Mutex<Hooks>,
    pub(super) stop: watch::Sender<bool>,
}

/// The content of a lock, also after a panic elsewhere.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to become of a request.
enum Fate {
    /// Answered so, whatever it asks.
    Refused(Answer),
    /// Applied, and perhaps struck.
    Applied(Option<FaultKind>, InjectedFaults),
}

impl Shared {
    pub(super) fn options(&self) -> Arc<Options> {
        Arc::clone(&self.options.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Key, then faults, then rate.
    fn decide(&self, call: &Call, key: Option<&[u8]>, now: Instant, options: &Options) -> Fate {
        let mut meter = locked(&self.meter);
        meter.arrive(call.name(), now);
        let mut draw = locked(&self.draw);
        let trouble = draw.next();
        let spoilt = InjectedFaults {
            refusals: draw.refusals(),
            drop_rows: (trouble == Some(FaultKind::DropRows)).then(|| draw.seed()),
        };
        drop(draw);
        // Source: docs/AUTOPILOT_API.md 1.7, a missing key is 400, a wrong one 401.
        let Some(key) = key else {
            return Fate::Refused(Answer::bad_request("The autopilotapikey header is missing."));
        };
        if options.api_key.as_ref().is_some_and(|wanted| wanted.as_bytes() != key) {
            return Fate::Refused(Answer::error(
                StatusCode::UNAUTHORIZED,
                "The provided autopilotapikey is not valid.",
            ));
        }
        meter.counters.struck += u64::from(trouble.is_some());
        match trouble {
            Some(FaultKind::Status(429)) => {
                Fate::Refused(Answer::throttled(options.rate.unwrap_or(STATED_RATE), options.retry_after))
            }
            Some(trouble) => {
                meter.admit(options.rate, now);
                Fate::Applied(Some(trouble), spoilt)
            }
            None if meter.admit(options.rate, now) => Fate::Applied(None, spoilt),
            None => Fate::Refused(Answer::throttled(options.rate.unwrap_or(STATED_RATE), options.retry_after)),
        }
    }

    /// Does what the call asks.
    fn apply(&self, call: &Call, body: &[u8], options: &Options, spoilt: &InjectedFaults) -> Answer {
        let answer = match call {
            call if call.contact().is_some_and(|contact| spoilt.refusals.fails(&contact.to_lowercase())) => {
                Answer::struck(StatusCode::INTERNAL_SERVER_ERROR)
            }
            // Bodies are parsed before the lock is taken.
            Call::UpsertOne => upsert::read_one(body, spoilt)
                .map_or_else(|refused| refused, |rows| upsert::one(&mut locked(&self.store), rows, options)),
            Call::UpsertMany => upsert::read_many(body, options, spoilt)
                .map_or_else(|refused| refused, |rows| upsert::many(&mut locked(&self.store), rows, options, spoilt)),
            Call::Hooks => locked(&self.hooks).list(),
            Call::CreateHook => locked(&self.hooks).create(body),
            Call::DeleteHook(id) => locked(&self.hooks).delete(id),
            Call::DeleteHooks => locked(&self.hooks).delete_all(),
            call => calls::apply(&mut locked(&self.store), call, body, options),
        };
        if call.writes() && answer.status.is_success() {
            locked(&self.meter).counters.writes += 1;
        }
        answer
    }

    /// One request without a connection and without delays; `None` where no whole answer would come.
    pub(super) fn ask(&self, method: &Method, path: &str, key: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let options = self.options();
        let call = Call::read(method, path);
        let answer = match self.decide(&call, Some(key.as_bytes()), Instant::now(), &options) {
            Fate::Refused(answer) => Some(answer),
            Fate::Applied(trouble, spoilt) => {
                let apply = || self.apply(&call, body, &options, &spoilt);
                match trouble {
                    Some(FaultKind::CutBefore) => None,
                    Some(FaultKind::CutAfter | FaultKind::Stall | FaultKind::Truncate) => {
                        apply();
                        None
                    }
                    Some(FaultKind::Status(status)) => {
                        if matches!(status, 408 | 504) {
                            apply();
                        }
                        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                        Some(Answer::struck(status))
                    }
                    Some(FaultKind::Html) => Some(Answer::html()),
                    Some(FaultKind::Garbage) => {
                        apply();
                        Some(Answer::garbage())
                    }
                    None
                    | Some(
                        FaultKind::DropRows
                        | FaultKind::RefuseRows(_)
                        | FaultKind::RefuseBatch(_)
                        | FaultKind::FailRows(_),
                    ) => Some(apply()),
                }
            }
        };
        locked(&self.meter).answer(answer.as_ref().map_or(0, |answer| answer.status.as_u16()));
        answer.map(|answer| (answer.status.as_u16(), answer.body))
    }

    fn answer(&self, answer: Answer) -> Response<Body> {
        locked(&self.meter).answer(answer.status.as_u16());
        answer.into_response()
    }

    /// The connection closes without a byte.
    fn cut(&self, cutter: &Cutter) -> Response<Body> {
        locked(&self.meter).answer(0);
        cutter.cut();
        Response::new(Body::empty())
    }

    /// Waits, but not beyond the sandbox's end.
    async fn wait(&self, time: Duration) {
        if !time.is_zero() {
            let mut stop = self.stop.subscribe();
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }
}

/// Answers everything under `/v1`.
pub(super) async fn api(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response<Body> {
    let now = Instant::now();
    let (head, body) = request.into_parts();
    let Some(path) = head.uri.path().strip_prefix("/v1/") else {
        return Answer::error(StatusCode::NOT_FOUND, "There is nothing here; the API is under /v1.").into_response();
    };
    let options = shared.options();
    let call = Call::read(&head.method, path);
    let key = head.headers.get("autopilotapikey").map(|key| key.as_bytes());
    let fate = shared.decide(&call, key, now, &options);
    let Ok(body) = to_bytes(body, BODY_BYTES).await else {
        return shared.answer(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large."));
    };
    let (trouble, spoilt) = match fate {
        Fate::Refused(answer) => {
            shared.wait(options.latency).await;
            return shared.answer(answer);
        }
        Fate::Applied(trouble, spoilt) => (trouble, spoilt),
    };
    let apply = || shared.apply(&call, &body, &options, &spoilt);
    match trouble {
        None
        | Some(FaultKind::DropRows | FaultKind::RefuseRows(_) | FaultKind::RefuseBatch(_) | FaultKind::FailRows(_)) => {
            let answer = apply();
            shared.wait(options.latency).await;
            shared.answer(answer)
        }
        Some(FaultKind::Status(status)) => {
            // Source: docs/AUTOPILOT_API.md 1.4, a request that timed out is completed all the same.
            if matches!(status, 408 | 504) {
                apply();
            }
            shared.wait(options.latency).await;
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            shared.answer(Answer::struck(status))
        }
        Some(FaultKind::CutBefore) => shared.cut(&cutter),
        Some(FaultKind::CutAfter) => {
            apply();
            shared.wait(options.latency).await;
            shared.cut(&cutter)
        }
        Some(FaultKind::Stall) => {
            apply();
            locked(&shared.meter).answer(0);
            shared.wait(STALL).await;
            cutter.cut();
            Response::new(Body::empty())
        }
        Some(FaultKind::Truncate) => {
            let answer = apply();
            shared.wait(options.latency).await;
            cutter.truncate(answer.body.len() / 2);
            shared.answer(answer)
        }
        Some(FaultKind::Html) => {
            shared.wait(options.latency).await;
            shared.answer(Answer::html())
        }
        Some(FaultKind::Garbage) => {
            apply();
            shared.wait(options.latency).await;
            shared.answer(Answer::garbage())
        }
    }
}
