//! HTTP by reqwest, with one TLS stack.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;

use crate::config::base_url_fault;
use crate::ports::{Http, NoResponse};

/// A client for any connection's account. It follows no redirects, ignores proxy settings, and speaks plain HTTP to
/// loopback addresses only: the configuration sees to that, and so does the client.
///
/// What it needs is made with the first request: most steps never make one, and reading the machine's certificates takes
/// longer than all else of a small run.
#[derive(Clone, Debug, Default)]
pub struct HttpClient {
    tls: OnceLock<reqwest::Client>,
    plain: OnceLock<reqwest::Client>,
}

impl HttpClient {
    /// The client for plain HTTP, or for TLS only; none where the machine's certificates cannot be read.
    fn client(&self, plain: bool) -> Option<&reqwest::Client> {
        let made = if plain { &self.plain } else { &self.tls };
        if made.get().is_none() {
            // An error means that the provider is set already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .https_only(!plain)
                .user_agent(concat!("autopilot-export/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(10));
            // No certificates are needed where nothing is encrypted.
            let http = if plain { builder.tls_certs_only([]) } else { builder }.build().ok()?;
            return Some(made.get_or_init(|| http));
        }
        made.get()
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, NoResponse> {
        let url = request.uri().to_string();
        // An address that did not come through the configuration must not leak the key either.
        if base_url_fault(url.split('?').next().unwrap_or_default()).is_some() {
            return Err(NoResponse(INSECURE));
        }
        let client = self.client(url.starts_with("http://")).ok_or(NoResponse(NO_CERTIFICATES))?;
        let mut request = reqwest::Request::try_from(request).map_err(|_| NoResponse(INSECURE))?;
        *request.timeout_mut() = Some(within);
        let mut response = client.execute(request).await.map_err(|error| reason(&error))?;
        let mut head = http::Response::builder().status(response.status());
        if let Some(headers) = head.headers_mut() {
            *headers = response.headers().clone();
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| reason(&error))? {
            if body.len() + piece.len() > max_bytes {
                return Err(NoResponse::TOO_LARGE);
            }
            body.extend_from_slice(&piece);
        }
        head.body(body.into()).map_err(|_| NoResponse::CUT)
    }
}

impl Http for HttpClient {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, NoResponse> {
        // The client's own time-out covers the whole request; this one holds whatever the client does.
        let exchange = self.exchange(request, within, max_bytes);
        tokio::time::timeout(within + Duration::from_millis(100), exchange).await.unwrap_or(Err(NoResponse::TIMED_OUT))
    }
}

/// Why nothing is sent to an address.
const INSECURE: &str = "its address is neither https nor plain http to this machine";
/// Why nothing is sent at all.
const NO_CERTIFICATES: &str = "the certificates of this machine cannot be read";

/// What went wrong on the way, without the address, the body or anything else of the request.
fn reason(error: &reqwest::Error) -> NoResponse {
    if error.is_timeout() {
        NoResponse::TIMED_OUT
    } else if error.is_connect() {
        NoResponse("cannot connect")
    } else if error.is_body() || error.is_decode() {
        NoResponse("the answer was cut short")
    } else {
        NoResponse::CUT
    }
}
