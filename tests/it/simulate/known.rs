//! What is known to go wrong, and is left out of the stories until it goes right.

use std::sync::OnceLock;

/// Each with what it is. Taking a line away puts it into every story.
const KNOWN: &[(&str, &str)] = &[
    ("another_account", "a key of another account, given in mid-run or on resuming, is not asked whose it is"),
    (
        "lower_rate",
        "a rate that is lowered between kill and resume, or in mid-run, does not count from the next request",
    ),
    ("suppressed_in_mid_run", "who is suppressed after a run was prepared is still sent by it"),
    ("deleted_contact", "a contact that was deleted and then changes comes back without its list"),
    ("late_server", "a request of a dead run that arrives late undoes a leave"),
    ("list_ways_change", "an account that no longer honours lists in bulk is believed for ever"),
    ("power_loss", "after a power cut, chunks and the notes that ranges were begun may be lost or cut"),
    ("clock_set_forward", "a clock that is set forward between two runs makes the rate of the second begin at once"),
    (
        "canary_forgotten",
        "an open that dies after its canary taught it something forgets the canary's rows when called again",
    ),
    ("clocks_of_calls", "a call of deliver whose clock is minutes ahead of open's does not wait for what open sent"),
    ("refused_leaver", "a leaver whom the account refuses to take off ends the run as if nothing were left"),
    ("list_deleted_in_mid_run", "a list that is deleted while a run goes on does not end the run as an error"),
];

/// Whether a fault is left out. `ALSO=name,name` puts some in, `ALSO=all` all.
pub(super) fn is_left_out(name: &str) -> bool {
    static ALSO: OnceLock<String> = OnceLock::new();
    let also = ALSO.get_or_init(|| std::env::var("ALSO").unwrap_or_default());
    let known = KNOWN.iter().any(|(known, _)| *known == name);
    known && also != "all" && !also.split(',').any(|also| also == name)
}

/// Says what is left out.
pub(super) fn print() {
    for (name, what) in KNOWN.iter().filter(|(name, _)| is_left_out(name)) {
        println!("simulate: left out: {name}: {what}");
    }
}
