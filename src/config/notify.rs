//! When and how people are notified of an export's runs.

use schemars::JsonSchema;
use serde::Serialize;

use super::reader::Entry;

/// When to send notifications, besides runs that fail or are stopped by a guard.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// Notify even of a successful run if more than this share of its rows, 0 to 1, is rejected. Default 0.05.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_reject_share: f64,
    /// A chat or another program to notify as well.
    pub webhook: Option<Webhook>,
}

/// A chat or another program to notify.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// What it takes: slack, teams, or json.
    #[schemars(extend("examples" = ["slack"]))]
    pub kind: WebhookKind,
    /// The name of the secret, in AWS Secrets Manager, that holds its address. Default: autopilot-export/webhook. On one machine
    /// the address is in --webhook-file, or in the environment as AUTOPILOT_EXPORT_WEBHOOK.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub secret: String,
}

/// What a webhook takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookKind {
    /// A message for Slack.
    Slack,
    /// A card for Microsoft Teams.
    Teams,
    /// The run's summary with the message.
    Json,
}

impl WebhookKind {
    const WORDS: [(&str, Self); 3] = [("slack", Self::Slack), ("teams", Self::Teams), ("json", Self::Json)];
}

impl Default for Notify {
    fn default() -> Self {
        Self { max_reject_share: 0.05, webhook: None }
    }
}

impl Notify {
    pub(super) fn read(entry: &Entry<'_>) -> Option<Self> {
        let mut object = entry.object()?;
        let share = object.get("max_reject_share").and_then(|entry| entry.share());
        let webhook = object.get("webhook").and_then(|entry| Webhook::read(&entry));
        object.done();
        Some(Self { max_reject_share: share.unwrap_or(Self::default().max_reject_share), webhook })
    }
}

impl Webhook {
    fn read(entry: &Entry<'_>) -> Option<Self> {
        let mut object = entry.object()?;
        let kind = object.need("kind").and_then(|entry| entry.word(&WebhookKind::WORDS));
        let named = object.get("secret").and_then(|entry| entry.secret());
        object.done();
        Some(Self { kind: kind?, secret: named.unwrap_or_else(|| "autopilot-export/webhook".into()) })
    }
}
