//! What the account answers, and what becomes of rows.

mod deleted_contacts;
mod faults;
mod hostile_server;
mod lane;
mod late_server;
mod learned_lists;
mod list_membership;
mod npm_client;
pub(crate) mod ortto;
mod ortto_deleted_fields;
mod ortto_leaving;
mod ortto_pace;
mod ortto_refusals;
mod ortto_report;
mod ortto_trouble;
mod reconcile;
mod reconcile_again;
mod renewed_key;
mod third;
mod unanswered;
