//! The adapters against a scripted server: real clients, real connections, S3 on its bad days.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod leases;
mod store;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// One answer of a script.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Whether the body is what was last written to the server.
    echoes: bool,
    /// After how many bytes of the body the connection is cut.
    cut: Option<usize>,
    late: Duration,
}

/// An answer with this status.
fn answer(status: u16) -> Answer {
    Answer { status, headers: Vec::new(), body: Vec::new(), echoes: false, cut: None, late: Duration::ZERO }
}

/// An error of S3.
fn error(status: u16, code: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>not today</Message></Error>");
    answer(status).body(body).header("content-type", "application/xml")
}

impl Answer {
    fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    fn late(mut self, by: Duration) -> Self {
        self.late = by;
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(": ").is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| named(line)).map(|line| line.split_once(": ").unwrap().1)
    }

    /// Method and path, with its query.
    fn line(&self) -> &str {
        self.head.lines().next().unwrap().strip_suffix(" HTTP/1.1").unwrap()
    }
}

/// A server that gives its answers in order, each to one request of a connection of its own.
struct Script {
    url: String,
    left: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Script {
    async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let left = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Self { url, left: Arc::clone(&left), seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = request(&mut stream).await else { continue };
                seen.lock().unwrap().push(request);
                let next = left.lock().unwrap().pop_front();
                let mut next = next.unwrap_or_else(|| answer(418));
                if next.echoes {
                    let seen = seen.lock().unwrap();
                    next.body = seen.iter().rfind(|request| request.line().starts_with("PUT")).unwrap().body.clone();
                }
                tokio::spawn(give(stream, next));
            }
        });
        script
    }

    fn bucket(&self) -> Bucket {
        self.bucket_with(TimeoutConfig::builder().read_timeout(Duration::from_secs(5)).build())
    }

    /// A bucket there, whose client is as every client, but that it waits less between two tries.
    fn bucket_with(&self, timeouts: TimeoutConfig) -> Bucket {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "tests"))
            .endpoint_url(&self.url)
            .force_path_style(true)
            .http_client(http())
            .retry_config(tries().with_initial_backoff(Duration::from_millis(1)))
            .timeout_config(timeouts)
            .build();
        Bucket::new(aws_sdk_s3::Client::from_conf(config), "bucket")
    }

    /// What came; the script must have come to its end with it.
    fn requests(&self) -> Vec<Request> {
        let left = self.left.lock().unwrap();
        assert!(left.is_empty(), "{left:?} were not asked for");
        self.seen.lock().unwrap().clone()
    }

    /// Method and path of what came.
    fn lines(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.line().to_owned()).collect()
    }
}

/// Reads a request to its end.
async fn request(stream: &mut TcpStream) -> Option<Request> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let mut request =
        Request { head: String::from_utf8(read[..end].to_vec()).unwrap(), body: read[end + 4..].to_vec() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    if request.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}

async fn give(mut stream: TcpStream, answer: Answer) {
    tokio::time::sleep(answer.late).await;
    let mut head = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if answer.status != 204 {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    let body = &answer.body[..answer.cut.unwrap_or(answer.body.len())];
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await;
}
