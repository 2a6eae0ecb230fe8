//! Booleans: the words that everybody writes for true and false.

/// The truth that a text stands for: `true false yes no y n t f on off 1 0 1.0 0.0 -1`, in any case. Boolean fields,
/// opt-outs, suppression and required consent all read with this one parser.
pub fn boolean(text: &str) -> Option<bool> {
    let mut lower = [0; 5];
    let lower = lower.get_mut(..text.len())?;
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    match &*lower {
        // -1 is the true of Access and Visual Basic.
        b"true" | b"yes" | b"y" | b"t" | b"on" | b"1" | b"1.0" | b"-1" => Some(true),
        b"false" | b"no" | b"n" | b"f" | b"off" | b"0" | b"0.0" => Some(false),
        _ => None,
    }
}

pub(super) fn write(truth: bool, json: &mut String) {
    json.push_str(if truth { "true" } else { "false" });
}
