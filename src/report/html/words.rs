//! Numbers, sizes, times and outcomes as people say them.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::report::{Outcome, Reconciled, Report};

/// A number with its thousands apart.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number with its noun: `1 row`, `2 rows`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A share of a whole; something is never nothing, nor a part the whole.
pub(super) fn share(part: u64, whole: u64) -> String {
    let share = part as f64 * 100.0 / whole.max(1) as f64;
    match share {
        _ if part == 0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        _ if share < 0.1 => "< 0.1 %".to_owned(),
        _ if share > 99.9 => "> 99.9 %".to_owned(),
        _ => format!("{share:.1} %"),
    }
}

/// A size in bytes.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GB", 1u64 << 30), ("MB", 1 << 20), ("kB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => counted(bytes, "byte", "bytes"),
    }
}

/// How long something took.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} seconds"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// A moment, readable by people and programs.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%-d %B %Y, %H:%M UTC")) } }
}

/// An outcome as a heading says it.
pub(super) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::SucceededWithRejects => "succeeded, with rejects",
        Outcome::NothingToDo => "nothing to do",
        Outcome::DifferencesFound => "differences found",
        Outcome::Superseded => "superseded by a newer drop",
        Outcome::StoppedByGuard => "stopped by a guard",
        Outcome::Stopped => "stopped",
        Outcome::Interrupted => "interrupted",
        Outcome::Failed => "failed",
    }
}

/// A sign that says the same as an outcome's colour.
pub(super) const fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded | Outcome::NothingToDo => "✓",
        Outcome::SucceededWithRejects
        | Outcome::DifferencesFound
        | Outcome::Superseded
        | Outcome::Stopped
        | Outcome::Interrupted => "!",
        Outcome::StoppedByGuard | Outcome::Failed => "✕",
    }
}

/// What happened, as one would tell a colleague.
pub(super) fn sentence(report: &Report) -> String {
    let rows = &report.rows;
    let people = |count| counted(count, "person", "people");
    let begin = match report.outcome {
        _ if !report.reconciled.is_empty() => return compared(report),
        Outcome::Superseded => return "A newer file was applied before this one, so nothing was sent.".to_owned(),
        Outcome::StoppedByGuard => {
            return "A guard stopped the run before anything was sent; the numbers below say why.".to_owned();
        }
        Outcome::NothingToDo => "Nothing had changed, so nothing was sent".to_owned(),
        Outcome::Failed if rows.read == 0 => return "The run ended before it had read a row.".to_owned(),
        _ => format!("{} of {} were sent", number(rows.delivered), counted(rows.read, "row", "rows")),
    };
    let mut parts = vec![begin];
    if rows.unchanged > 0 && report.outcome != Outcome::NothingToDo {
        parts.push(format!("{} were there already", number(rows.unchanged)));
    }
    if report.members.address_changed > 0 {
        parts.push(format!("{} had a new address", people(report.members.address_changed)));
    }
    if report.members.leavers > 0 {
        parts.push(format!("{} left", people(report.members.leavers)));
    }
    if rows.rejected > 0 {
        parts.push(format!("{} could not be sent as they are", number(rows.rejected)));
    }
    if rows.pending > 0 {
        parts.push(format!("{} are left for the next run", number(rows.pending)));
    }
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() { format!("{last}.") } else { format!("{}, and {last}.", parts.join(", ")) }
}

fn compared(report: &Report) -> String {
    match report.reconciled.iter().map(Reconciled::differences).sum() {
        0 => "The account holds what the state says. Nothing was sent.".to_owned(),
        count => {
            format!("The account differs from the state in {}. Nothing was sent.", counted(count, "person", "people"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [share(0, 9), share(9, 9), share(1, 9000), share(8999, 9000), share(1, 3)],
            ["0 %", "100 %", "< 0.1 %", "> 99.9 %", "33.3 %"]
        );
        assert_eq!([size(1), size(2048), size(5 << 20)], ["1 byte", "2.0 kB", "5.0 MB"]);
        assert_eq!([duration(2.54), duration(200.0), duration(7300.0)], ["2.5 seconds", "3 min 20 s", "2 h 1 min"]);
    }
}
