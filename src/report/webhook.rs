//! A message as a chat, or another program, takes it.

use serde_json::{Value, json};

use super::message::Message;
use crate::config::WebhookKind;

/// The body of a webhook's request. `summary` is what EventBridge gets of the run.
pub fn body(kind: WebhookKind, message: &Message, summary: &Value) -> Value {
    let Message { subject, body } = message;
    match kind {
        // Source: Slack's documentation, "Formatting message text": these three are to be escaped.
        WebhookKind::Slack => {
            let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json!({ "text": format!("*{}*\n{}", escaped(subject), escaped(body)) })
        }
        // Source: Microsoft's documentation, "Create incoming webhooks with Workflows": a message with an adaptive card.
        WebhookKind::Teams => {
            let block =
                |text: &str, weight: &str| json!({ "type": "TextBlock", "text": text, "weight": weight, "wrap": true });
            json!({
                "type": "message",
                "attachments": [{
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "content": {
                        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                        "type": "AdaptiveCard",
                        "version": "1.4",
                        "body": [block(subject, "bolder"), block(body, "default")],
                    },
                }],
            })
        }
        WebhookKind::Json => summary.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_webhook_gets_the_whole_message() {
        let message = Message { subject: "d: a & b: failed".into(), body: "One <two>.".into() };
        let summary = json!({ "export": "a", "message": message });
        let of = |kind| body(kind, &message, &summary);
        assert_eq!(of(WebhookKind::Slack), json!({ "text": "*d: a &amp; b: failed*\nOne &lt;two&gt;." }));
        let card = &of(WebhookKind::Teams)["attachments"][0]["content"]["body"];
        assert_eq!((&card[0]["text"], &card[1]["text"]), (&json!(message.subject), &json!(message.body)));
        assert_eq!(of(WebhookKind::Json), summary);
    }
}
