//! The server over raw HTTP: what a client at the other end of the connection sees, here of classic Autopilot.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod faults;
mod inspection;
mod limits;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// A response as it arrived.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn content_length(&self) -> usize {
        let line = self.head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        line.parse().unwrap()
    }
}

pub(super) async fn sandbox(options: Options) -> Sandbox {
    Sandbox::start(options).await.unwrap()
}

/// Everything that comes back until the connection closes.
pub(super) async fn raw(sandbox: &Sandbox, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(sandbox.address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    response
}

pub(super) fn received(response: &[u8]) -> Option<Received> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    Some(Received { status: head[9..12].parse().unwrap(), head, body: response[end + 4..].to_vec() })
}

/// A call to Autopilot with a key. Null stands for an empty body.
pub(super) async fn call(sandbox: &Sandbox, method: &str, path: &str, body: Value) -> Received {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    received(&raw(sandbox, method, &format!("/v1{path}"), "autopilotapikey: key\r\n", &body).await).unwrap()
}

pub(super) async fn get(sandbox: &Sandbox, path: &str) -> Received {
    call(sandbox, "GET", path, Value::Null).await
}

pub(super) async fn upsert(sandbox: &Sandbox, contact: Value) -> Received {
    call(sandbox, "POST", "/contact", json!({ "contact": contact })).await
}

pub(super) async fn bulk(sandbox: &Sandbox, contacts: Value) -> Received {
    call(sandbox, "POST", "/contacts", json!({ "contacts": contacts })).await
}

/// Contacts `<from>@example.org` to `<to - 1>@example.org`.
pub(super) fn numbered(from: usize, to: usize) -> Value {
    (from..to).map(|n| json!({ "Email": format!("{n}@example.org") })).collect()
}
