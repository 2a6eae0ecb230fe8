//! The sandbox over raw HTTP: what a client on the other end of the connection sees.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod contacts;
mod faults;
mod inspection;
mod limits;
mod lists;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// An answer as it came.
#[derive(Debug)]
struct Seen {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn content_length(&self) -> usize {
        let line = self.head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        line.parse().unwrap()
    }
}

async fn sandbox(options: Options) -> Sandbox {
    Sandbox::start(options).await.unwrap()
}

/// Everything that comes back until the connection closes.
async fn raw(sandbox: &Sandbox, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(sandbox.address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

fn seen(answer: &[u8]) -> Option<Seen> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    Some(Seen { status: head[9..12].parse().unwrap(), head, body: answer[end + 4..].to_vec() })
}

/// A call with a key; a null body is none.
async fn call(sandbox: &Sandbox, method: &str, path: &str, body: Value) -> Seen {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    seen(&raw(sandbox, method, &format!("/v1{path}"), "autopilotapikey: key\r\n", &body).await).unwrap()
}

async fn get(sandbox: &Sandbox, path: &str) -> Seen {
    call(sandbox, "GET", path, Value::Null).await
}

async fn upsert(sandbox: &Sandbox, contact: Value) -> Seen {
    call(sandbox, "POST", "/contact", json!({ "contact": contact })).await
}

async fn bulk(sandbox: &Sandbox, contacts: Value) -> Seen {
    call(sandbox, "POST", "/contacts", json!({ "contacts": contacts })).await
}

/// Contacts `<from>@example.org` to `<to - 1>@example.org`.
fn numbered(from: usize, to: usize) -> Value {
    (from..to).map(|n| json!({ "Email": format!("{n}@example.org") })).collect()
}
