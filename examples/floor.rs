//! The floor of `benches/run`: the bodies that an export sends, put together as simply as can be and only sent, sixteen
//! calls at once. No check, no comparison, no state. Arguments: a CSV file without line breaks in its fields, an address.

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
    let mut records = reader.into_records();
    let bodies = std::iter::from_fn(|| {
        let batch: Vec<serde_json::Value> = records
            .by_ref()
            .take(100)
            .filter_map(Result::ok)
            .map(|record| {
                let fields = fields.iter().map(|(name, at)| ((*name).to_owned(), record.get(*at).into()));
                let value: Option<f64> = record.get(value).and_then(|value| value.parse().ok());
                let custom = serde_json::json!({ "boolean--In--Bench": true, "float--Lifetime--Value": value });
                serde_json::Value::Object(fields.chain([("custom".to_owned(), custom)]).collect())
            })
            .collect();
        (!batch.is_empty()).then(|| serde_json::json!({ "contacts": batch }).to_string())
    });
    let calls = stream::iter(bodies).map(|body| {
        let call = client.post(url).header("autopilotapikey", "bench").header("content-type", "application/json");
        async move { call.body(body).send().await?.error_for_status()?.bytes().await.map(drop) }
    });
    Ok(calls.buffer_unordered(16).try_collect().await?)
}
