//! A faithful local Autopilot (classic, v1): for trying things out, for tests and for measuring.
//!
//! It keeps contacts, lists and custom fields in memory and answers every call of `docs/AUTOPILOT_API.md` 1.2, with
//! the awkward behaviour attested there: a missing key is 400, bulk calls name no failed row, rows without an email
//! make a new contact each time. Where nothing is attested, [`Options`] has a switch or the choice is written where it
//! is made. It can keep a rate, be slow, and go wrong on purpose ([`fault`] has the table).
//!
//! `GET /` shows a person what it holds; `GET /_sandbox/contents` and `GET /_sandbox/counters` are the same as JSON.

mod answer;
mod calls;
mod columns;
mod contents;
mod counters;
pub mod fault;
mod hooks;
mod id;
mod injector;
mod options;
mod page;
mod read;
mod route;
mod row;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod upsert;
mod wire;
mod write;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use contents::{Contents, HeldContact, HeldList};
pub use counters::Counters;
pub use fault::{Fault, FaultError, FaultKind, When};
pub use options::{BulkLists, Options, RefuseInvalid};

use injector::FaultInjector;
use server::{Shared, locked};
use wire::{Cuttable, Cutter};

/// How long [`Sandbox::stop`] waits for requests under way.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// A running sandbox. Clones are the same one; it runs until it is stopped or its runtime ends.
#[derive(Clone, Debug)]
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

fn shared(options: Options) -> Arc<Shared> {
    Arc::new(Shared {
        store: Mutex::new(store::Store::new(&options)),
        meter: Mutex::default(),
        draw: Mutex::new(FaultInjector::new(options.faults.clone(), options.seed)),
        hooks: Mutex::default(),
        options: RwLock::new(Arc::new(options)),
        stop: watch::Sender::new(false),
    })
}

/// Starts a sandbox on a listener, on the current runtime.
pub async fn serve(listener: TcpListener, options: Options) -> Sandbox {
    let address = listener.local_addr().unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, 0).into());
    let shared = shared(options);
    let mut stopped = shared.stop.subscribe();
    let router = Router::new()
        .route("/", get(page::page))
        .route("/_sandbox/contents", get(page::contents))
        .route("/_sandbox/counters", get(page::counters))
        .fallback(server::api)
        .with_state(Arc::clone(&shared));
    let task = tokio::spawn(async move {
        let service = router.into_make_service_with_connect_info::<Cutter>();
        let serving = axum::serve(Cuttable(listener), service).with_graceful_shutdown(async move {
            // An error means that the sandbox is gone, which is a reason to stop too.
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        if let Err(error) = serving.await {
            tracing::warn!(%error, "sandbox: serving ended");
        }
    });
    Sandbox { address, shared, task: Arc::new(Mutex::new(Some(task))) }
}

impl Sandbox {
    /// Starts a sandbox on a free port of this machine.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub async fn start(options: Options) -> std::io::Result<Sandbox> {
        Ok(serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?, options).await)
    }

    /// A sandbox without a port, to be [asked](Self::ask) within the process: under paused time nothing may wait for
    /// a socket.
    pub fn unserved(options: Options) -> Sandbox {
        Sandbox { address: (Ipv4Addr::LOCALHOST, 0).into(), shared: shared(options), task: Arc::new(Mutex::new(None)) }
    }

    /// One request without the network and without its delays: method, path below `/v1/`, key and body, as they
    /// would stand in HTTP -> status and body; `None` where no whole answer would come.
    pub fn ask(&self, method: &str, path: &str, key: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        self.shared.ask(&axum::http::Method::from_bytes(method.as_bytes()).ok()?, path, key, body)
    }

    /// The API's address: `http://127.0.0.1:PORT/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Everything it holds now. Copies every contact.
    pub fn contents(&self) -> Contents {
        Contents::of(&locked(&self.shared.store))
    }

    /// How many contacts it holds now, without a copy.
    pub fn contact_count(&self) -> usize {
        locked(&self.shared.store).count()
    }

    /// What it was asked and answered so far.
    pub fn counters(&self) -> Counters {
        locked(&self.shared.meter).counters.clone()
    }

    /// Sets the counters to zero; the rate's window stays.
    pub fn reset_counters(&self) {
        locked(&self.shared.meter).counters = Counters::default();
    }

    /// Other faults from now on; their requests are counted from 1 again.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        let seed = self.shared.options().seed;
        *locked(&self.shared.draw) = FaultInjector::new(faults, seed);
    }

    /// No faults from now on.
    pub fn clear_faults(&self) {
        self.set_faults(Vec::new());
    }

    /// Another rate, in requests per second; `None` is no limit.
    pub fn set_rate(&self, rate: Option<f64>) {
        self.change(|options| options.rate = rate);
    }

    /// Another latency.
    pub fn set_latency(&self, latency: Duration) {
        self.change(|options| options.latency = latency);
    }

    /// Another key; `None` accepts any.
    pub fn set_api_key(&self, key: Option<String>) {
        self.change(|options| options.api_key = key);
    }

    /// What bulk rows with `_autopilot_list` do from now on.
    pub fn set_bulk_lists(&self, lists: BulkLists) {
        self.change(|options| options.bulk_lists = lists);
    }

    /// What a single upsert with `_autopilot_list` does from now on.
    pub fn set_single_lists(&self, lists: BulkLists) {
        self.change(|options| options.single_lists = lists);
    }

    /// What bulk calls do with invalid emails from now on.
    pub fn set_refuse_invalid(&self, refuse: RefuseInvalid) {
        self.change(|options| options.refuse_invalid = refuse);
    }

    /// Changes any option that is read per request. The start's lists and custom fields, the seed and the faults
    /// are not: for faults there is [`Sandbox::set_faults`].
    pub fn change(&self, change: impl FnOnce(&mut Options)) {
        let mut options = self.shared.options.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut options));
    }

    /// Stops: requests under way are answered, stalled ones cut, then all connections are closed.
    /// What it held can still be read from clones.
    pub async fn stop(self) {
        self.shared.stop.send_replace(true);
        let task = locked(&self.task).take();
        if let Some(mut task) = task
            && tokio::time::timeout(STOP_WAIT, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}
