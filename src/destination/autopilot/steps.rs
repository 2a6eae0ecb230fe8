//! What the requests of a lane are called.

/// Creates or updates many contacts.
pub(super) const BULK: &str = "bulk";
/// Creates or updates one contact.
pub(super) const ALONE: &str = "alone";
/// Puts a contact on its list.
pub(super) const ADD: &str = "add_to_list";
/// Takes a contact off its list.
pub(super) const REMOVE: &str = "remove_from_list";
/// Reads back whether a contact is on its list.
pub(super) const CHECK: &str = "read_back";
/// Asks for the list of contacts who are not on it.
pub(super) const THERE: &str = "ask_for_list";
/// The same where a contact could not be put on it.
pub(super) const IS_GONE: &str = "ask_for_gone_list";
/// Opts out a contact that is known by its id, or whose row was refused.
pub(super) const OPT_OUT: &str = "opt_out";
/// Looks up the email of a leaver.
pub(super) const LOOK_UP: &str = "look_up";
