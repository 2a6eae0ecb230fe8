//! A local stand-in for the services that segments are sent to: for trying things out, for tests and for measuring.
//!
//! The server is the same for every API: it keeps a rate, takes its time, bans, and goes wrong on request
//! ([`Fault`]). An API is a folder that holds an account in memory and answers as its page in `docs` says, awkward
//! behaviour included: `autopilot` with contacts and lists, `ortto` with people and tags. Where nothing is attested,
//! [`Options`] has a switch, or the choice is written where it is made.
//!
//! `GET /` shows what the account holds; `GET /_sandbox/contents` and `GET /_sandbox/counters` are the same as JSON.

mod api;
mod autopilot;
mod connection;
mod contents;
mod counters;
mod faults;
mod http;
mod limits;
mod lock;
mod markup;
mod options;
mod ortto;
mod page;
mod response;
mod route;
mod search;
mod server;
#[cfg(test)]
mod tests;
mod traffic;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use contents::{Contents, HeldContact, HeldList};
pub use counters::Counters;
pub use faults::{Fault, FaultError, FaultKind, When};
pub use limits::{BanRule, BanSign};
pub use options::{
    Archived, AsyncReply, AutopilotOptions, BulkLists, EntryOrder, Hosted, MixedBatch, Odd, Options, OrttoOptions,
    RefuseInvalid, SkippedRows, SuppressionEntries, WrongKey,
};

use api::Api;
use lock::locked;
use server::{Arrival, Delivery, Server};

/// How long [`Sandbox::stop`] waits for requests in flight.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// A running sandbox. Clones are the same one; it runs until it is stopped or its runtime ends.
#[derive(Clone, Debug)]
pub struct Sandbox {
    address: SocketAddr,
    server: Arc<Server>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// A server of a new account.
fn server(options: Options) -> Arc<Server> {
    let account: Box<dyn Api> = match options.api {
        Hosted::Autopilot => Box::new(autopilot::Account::new(&options.autopilot, options.seed)),
        Hosted::Ortto => Box::new(ortto::Account::new(&options.ortto, options.seed)),
    };
    Server::new(account, options)
}

/// Starts a sandbox on a listener, on the current runtime.
pub async fn serve(listener: TcpListener, options: Options) -> Sandbox {
    let (address, server) = (http::address(&listener), server(options));
    let task = http::spawn(listener, &server);
    Sandbox { address, server, task: Arc::new(Mutex::new(Some(task))) }
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
        Sandbox { address: (Ipv4Addr::LOCALHOST, 0).into(), server: server(options), task: Arc::default() }
    }

    /// One request without the network and without its latency: method, path below `/v1/`, key and body, as they
    /// would stand in HTTP -> status and body; `None` where no whole response would arrive.
    pub fn ask(&self, method: &str, path: &str, key: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let arrival = Self::arrival(&method, path, key, body);
        whole(self.server.process(&arrival, &self.server.enter(&arrival)))
    }

    /// The same with its latency, during which the request is in flight.
    pub async fn ask_slowly(&self, method: &str, path: &str, key: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        whole(self.server.respond(&Self::arrival(&method, path, key, body)).await)
    }

    fn arrival<'a>(method: &'a Method, path: &'a str, key: &'a str, body: &'a [u8]) -> Arrival<'a> {
        Arrival { method, path, key: Some(key.as_bytes()), body: Some(body), at: Instant::now() }
    }

    /// The API's address: `http://127.0.0.1:PORT/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Everything that the account holds now. Copies every contact.
    pub fn contents(&self) -> Contents {
        self.server.api.contents(&self.server.options())
    }

    /// How many contacts the account holds now, without a copy.
    pub fn contact_count(&self) -> usize {
        self.server.api.count()
    }

    /// What it was asked and answered so far.
    pub fn counters(&self) -> Counters {
        self.server.counters()
    }

    /// Sets the counters to zero. The rate's window and bans stay.
    pub fn reset_counters(&self) {
        self.server.reset_counters();
    }

    /// Replaces the faults; requests are counted from 1 again.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.server.set_faults(faults);
    }

    /// No faults from now on.
    pub fn clear_faults(&self) {
        self.set_faults(Vec::new());
    }

    /// Replaces the key; `None` accepts any.
    pub fn set_api_key(&self, key: Option<String>) {
        self.change(|options| options.api_key = key);
    }

    /// Changes any option that is read per request. What the account held at the start, the seed and the faults are
    /// not; for faults there is [`Sandbox::set_faults`].
    pub fn change(&self, change: impl FnOnce(&mut Options)) {
        self.server.change(change);
    }

    /// Stops: requests in flight are answered, stalled ones cut, then all connections are closed.
    /// What it held can still be read from clones.
    pub async fn stop(self) {
        self.server.stop.send_replace(true);
        let task = locked(&self.task).take();
        if let Some(mut task) = task
            && tokio::time::timeout(STOP_WAIT, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

/// Status and body of a delivery that arrives whole.
fn whole(delivery: Delivery) -> Option<(u16, Vec<u8>)> {
    match delivery {
        Delivery::Whole(response) => Some((response.status.as_u16(), response.body)),
        Delivery::Truncated(_) | Delivery::Cut | Delivery::Stalled => None,
    }
}
