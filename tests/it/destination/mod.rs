//! What the account answers, and what becomes of rows.

mod deleted_contacts;
mod faults;
mod hostile_server;
mod lane;
mod learnt_lists;
mod list_membership;
mod npm_client;
mod ortto;
mod renewed_key;
mod third;
