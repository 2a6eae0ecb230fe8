//! REST hooks: registered, listed and removed; never called.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::Answer;

/// Source: `docs/AUTOPILOT_API.md` 1.2, hook events.
const EVENTS: [&str; 7] = [
    "contact_added",
    "contact_updated",
    "contact_unsubscribed",
    "contact_added_to_list",
    "contact_removed_from_list",
    "contact_entered_segment",
    "contact_left_segment",
];

#[derive(Debug, Serialize)]
struct Hook {
    hook_id: String,
    event: String,
    target_url: String,
}

#[derive(Deserialize)]
struct Wanted {
    event: String,
    target_url: String,
}

/// The hooks registered.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    hooks: Vec<Hook>,
    made: u64,
}

impl Hooks {
    pub(super) fn list(&self) -> Answer {
        Answer::ok(&json!({ "hooks": self.hooks }))
    }

    pub(super) fn create(&mut self, body: &[u8]) -> Answer {
        let Ok(wanted) = serde_json::from_slice::<Wanted>(body) else {
            return Answer::bad_request("A hook needs an event and a target_url.");
        };
        if !EVENTS.contains(&wanted.event.as_str()) {
            return Answer::bad_request("Unknown event.");
        }
        if self.hooks.iter().any(|hook| hook.event == wanted.event && hook.target_url == wanted.target_url) {
            return Answer::error(StatusCode::CONFLICT, "A hook with this target_url exists.");
        }
        self.made += 1;
        let hook =
            Hook { hook_id: format!("hook_{:04}", self.made), event: wanted.event, target_url: wanted.target_url };
        let answer = Answer::json(StatusCode::CREATED, &hook);
        self.hooks.push(hook);
        answer
    }

    pub(super) fn delete(&mut self, id: &str) -> Answer {
        match self.hooks.iter().position(|hook| hook.hook_id == id) {
            Some(at) => {
                self.hooks.remove(at);
                Answer::ok(&json!({}))
            }
            None => Answer::error(StatusCode::NOT_FOUND, "Hook could not be found."),
        }
    }

    pub(super) fn delete_all(&mut self) -> Answer {
        self.hooks.clear();
        Answer::ok(&json!({}))
    }
}
