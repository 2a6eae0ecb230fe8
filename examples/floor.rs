//! The floor of `benches/run`: the bodies that an export sends, put together as simply as can be and only sent, sixteen
//! calls at once. No check, no comparison, no state. Arguments: a CSV file of `generate_segment`, an address.

use futures_util::stream::{self, StreamExt, TryStreamExt};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err("floor FILE ADDRESS".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(&std::fs::read(file)?, &format!("{url}/contacts")))
}

/// Writes text as JSON; of all that must be escaped, fields of the generated segments hold only these three.
fn string(body: &mut Vec<u8>, text: &[u8]) {
    body.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => body.extend_from_slice(&[b'\\', *byte]),
            b'\n' => body.extend_from_slice(b"\\n"),
            byte => body.push(*byte),
        }
    }
    body.push(b'"');
}

async fn send(text: &[u8], url: &str) -> Result<(), Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers()?.clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap_or_default();
    let fields = [
        ("Email", place("EMail")),
        ("FirstName", place("FirstName")),
        ("LastName", place("LastName")),
        ("Phone", place("Telephone1")),
        ("MailingCity", place("City")),
    ];
    let value = place("LifetimeValue");
    let mut records = reader.into_byte_records();
    let bodies = std::iter::from_fn(|| {
        let mut body = Vec::with_capacity(32 * 1024);
        for record in records.by_ref().take(100).filter_map(Result::ok) {
            body.extend_from_slice(if body.is_empty() { br#"{"contacts":[{"# } else { b",{" });
            for (name, at) in &fields {
                string(&mut body, name.as_bytes());
                body.push(b':');
                string(&mut body, record.get(*at).unwrap_or_default());
                body.push(b',');
            }
            body.extend_from_slice(br#""custom":{"boolean--In--Bench":true,"float--Lifetime--Value":"#);
            body.extend_from_slice(record.get(value).filter(|value| !value.is_empty()).unwrap_or(b"null"));
            body.extend_from_slice(b"}}");
        }
        let any = !body.is_empty();
        body.extend_from_slice(b"]}");
        any.then_some(body)
    });
    let calls = stream::iter(bodies).map(|body| {
        let call = client.post(url).header("autopilotapikey", "bench").header("content-type", "application/json");
        async move { call.body(body).send().await?.error_for_status()?.bytes().await.map(drop) }
    });
    Ok(calls.buffer_unordered(16).try_collect().await?)
}
