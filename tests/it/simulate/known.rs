//! What is known to go wrong, in the program or in the model, and is left out of the stories until it goes right.

use std::sync::OnceLock;

/// Each with what it is. Taking a line away puts it into every story.
const KNOWN: &[(&str, &str)] = &[
    ("power_loss", "after a power cut, chunks and the notes that ranges were begun may be lost or cut"),
    ("clocks_of_calls", "a call of deliver whose clock is minutes ahead of open's does not wait for what open sent"),
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
