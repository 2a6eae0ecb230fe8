//! Reports a panic by its place alone: its message may quote a text of the drop or a key.

use std::io::Write;
use std::panic::set_hook;

/// Makes a panic print its place alone, in the form of every message. With an exit code it ends the
/// process; without, what follows is the caller's.
pub fn are_reported_by_place(exit_code: Option<u8>) {
    set_hook(Box::new(move |panic| {
        let place = panic.location().map(|at| format!("{} line {}", at.file(), at.line())).unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "bug: {place}: the program cannot go on; please report this line");
        if let Some(code) = exit_code {
            std::process::exit(i32::from(code));
        }
    }));
}
