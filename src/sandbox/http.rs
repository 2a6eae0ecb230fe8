//! The server on a socket: plain HTTP, on this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::{Cutter, CuttingListener};
use super::page;
use super::server::{Arrival, Delivery, Server};

/// Largest body taken. A choice of this sandbox, above every known limit of a service.
const BODY_BYTES: usize = 16 << 20;

/// How long a stalled request is held.
const STALL: Duration = Duration::from_secs(60 * 60);

/// Serves on the current runtime until the server is stopped.
pub(super) fn spawn(listener: TcpListener, server: &Arc<Server>) -> JoinHandle<()> {
    let mut stopped = server.stop.subscribe();
    let router = Router::new()
        .route("/", get(page::page))
        .route("/_sandbox/contents", get(page::contents))
        .route("/_sandbox/counters", get(page::counters))
        .fallback(api)
        .with_state(Arc::clone(server));
    tokio::spawn(async move {
        let service = router.into_make_service_with_connect_info::<Cutter>();
        let serving = axum::serve(CuttingListener(listener), service).with_graceful_shutdown(async move {
            // An error means that the sandbox is gone, which is a reason to stop too.
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        if let Err(error) = serving.await {
            tracing::warn!(%error, "sandbox: serving ended");
        }
    })
}

/// The address to reach a listener at.
pub(super) fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap_or_else(|_| (std::net::Ipv4Addr::LOCALHOST, 0).into())
}

/// Answers everything under `/v1`.
async fn api(
    State(server): State<Arc<Server>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> HttpResponse<Body> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let Some(path) = head.uri.path().strip_prefix("/v1/") else {
        return server.api.error(StatusCode::NOT_FOUND, "There is nothing here; the API is under /v1.").into_http();
    };
    let body = to_bytes(body, BODY_BYTES).await.ok();
    let key = head.headers.get(server.api.key_header()).map(|key| key.as_bytes());
    let arrival = Arrival { method: &head.method, path, key, body: body.as_deref(), at };
    match server.respond(&arrival).await {
        Delivery::Whole(response) => response.into_http(),
        Delivery::Truncated(response) => {
            cutter.truncate(response.body.len() / 2);
            response.into_http()
        }
        Delivery::Cut => {
            cutter.cut();
            HttpResponse::new(Body::empty())
        }
        Delivery::Stalled => {
            server.wait(STALL).await;
            cutter.cut();
            HttpResponse::new(Body::empty())
        }
    }
}
