//! `POST /tags/get`.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::errors::parse;
use super::super::store::Store;
use crate::sandbox::options::OrttoOptions;
use crate::sandbox::response::Response;

#[derive(Deserialize, Default)]
struct GetTags {
    #[serde(default)]
    q: String,
}

/// A bare array. Tags of organizations have ids of their own, which repeat those of people.
///
/// Source: `docs/ORTTO_API.md` 5.
pub(in super::super) fn tags(
    store: &Store,
    body: &[u8],
    now: Instant,
    options: &OrttoOptions,
) -> Result<Response, Response> {
    let get: GetTags = parse(body, options)?;
    let people: Vec<_> =
        store.people.iter().filter_map(|(_, person)| person.visible(now)).filter(|profile| !profile.archived).collect();
    let mut tags = Vec::new();
    for tag in store.tags.all() {
        let tagged = || people.iter().filter(|profile| profile.tags.contains(&tag.id));
        tags.push(json!({
            "id": tag.id, "instance_id": options.instance_id, "name": tag.name,
            "created_at": format!("{:.3}", tag.created_at), "last_used": format!("{:.3}", tag.last_used),
            "count": tagged().count(),
            "subscribers": tagged().filter(|profile| store.is_subscribed(profile)).count(),
            "type": "",
        }));
    }
    tags.extend((1..).zip(&options.organization_tags).map(|(id, name)| {
        json!({ "id": id, "instance_id": options.instance_id, "name": name, "count": 1, "type": "organization" })
    }));
    let q = get.q.to_lowercase();
    tags.retain(|tag| {
        let name = tag.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        q.split_whitespace().all(|word| name.contains(word))
    });
    Ok(Response::ok(&tags))
}
