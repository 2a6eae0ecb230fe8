//! What people read: reports and errors.

use std::io::{IsTerminal, Write};
use std::path::Path;

use jiff::Timestamp;

use serde::Serialize;

use crate::entry::args::{Common, When};
use crate::entry::show::say;
use crate::error::{Error, Kind, escaped, escaped_json};
use crate::report::{Outcome, Report};
use crate::run::keys::{DIFFERENCES, of_run};
use crate::run::time_of;

/// Prints an error with its causes.
pub fn error(error: &Error) {
    say(&error.chain());
}

/// Prints a value as JSON, alone on standard output.
pub(super) fn json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|cause| Error::new(Kind::Bug, "JSON", "cannot be written").with_source(cause))?;
    whole(&escaped_json(&text));
    Ok(())
}

/// Prints a line, whatever is in it as a terminal may show it.
pub(super) fn line(text: &str) {
    whole(&escaped(text, usize::MAX));
}

/// Prints a text as it is; the reader may have gone away (`| head`).
pub(super) fn whole(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A number with its noun: `1 leaver`, `2 leavers`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A moment as people read it.
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%-d %b %Y %H:%M UTC").to_string()
}

/// When a run began, by its id.
pub(super) fn date_of(run: &str) -> String {
    time_of(run).map(date).unwrap_or_default()
}

/// Whether standard output takes colours.
fn is_coloured(common: &Common) -> bool {
    match common.color {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let is_off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            !is_off && std::io::stdout().is_terminal()
        }
    }
}

/// An outcome in the colour of how it went; the word says it as well.
fn coloured(common: &Common, outcome: Outcome) -> String {
    let colour = match outcome {
        Outcome::Succeeded | Outcome::NothingToDo => 32,
        Outcome::SucceededWithRejects
        | Outcome::DifferencesFound
        | Outcome::Superseded
        | Outcome::Stopped
        | Outcome::Interrupted => 33,
        Outcome::StoppedByGuard | Outcome::Failed => 31,
    };
    let name = outcome.name();
    if is_coloured(common) { format!("\u{1b}[{colour}m{name}\u{1b}[0m") } else { name.to_owned() }
}

/// An object of the store as it can be opened from here.
pub(super) fn openable(common: &Common, key: &str) -> String {
    match common.store.starts_with("s3://") {
        true => format!("{}/{key}", common.store.trim_end_matches('/')),
        false => Path::new(&common.store).join(key).display().to_string(),
    }
}

/// How a command begins that works on the same store by the same configuration.
pub(super) fn program(common: &Common) -> String {
    let mut words = vec!["autopilot-export".to_owned()];
    if common.config != Path::new("exports.json") {
        words.extend(["--config".to_owned(), quoted(&common.config.display().to_string())]);
    }
    if common.store != ".autopilot-export" {
        words.extend(["--store".to_owned(), quoted(&common.store)]);
    }
    words.join(" ")
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./+:@%".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Prints what a comparison with the account found.
fn reconciled(common: &Common, report: &Report) {
    for found in &report.reconciled {
        let counts: Vec<String> = found.counts().iter().map(|(name, count)| format!("{count} {name}")).collect();
        line(&format!("  {}: {}", found.segment, counts.join(", ")));
        if found.extra > 0 && found.keeps_others {
            line("            who is extra is left alone; others: remove in the segment makes leavers of them");
        }
    }
    let rows = report.reconciled.iter().flat_map(|found| found.counts().into_iter().skip(2)).map(|(_, count)| count);
    if rows.sum::<u64>() > 0 {
        line(&format!("  rows      in {}", openable(common, &of_run(&report.run_id, DIFFERENCES))));
    }
    line(&format!("  requests  {}; at most {} in one second", report.requests.total, report.requests.peak_per_second));
    report.warnings.iter().for_each(|warning| line(&format!("  note      {warning}")));
}

/// How many have another address, where some have.
pub(super) fn with_new_address(people: u64) -> String {
    match people {
        0 => String::new(),
        people => format!("{people} with a new address, "),
    }
}

/// Whether a run's rejected rows are still kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RejectedRows {
    Kept,
    Gone,
}

/// Prints a report for people.
pub(super) fn report(common: &Common, report: &Report, rejected_rows: RejectedRows) {
    let rows = &report.rows;
    let members = &report.members;
    let requests = &report.requests;
    let seconds = report.finished_at.duration_since(report.started_at).as_secs_f64();
    // The id and the outcome hold nothing that a terminal must not see.
    whole(&format!("{}  {}  in {seconds:.1} s", escaped(&report.run_id, usize::MAX), coloured(common, report.outcome)));
    if !report.reconciled.is_empty() {
        return reconciled(common, report);
    }
    line(&format!(
        "  rows      {} read = {} delivered + {} unchanged + {} rejected + {} suppressed + {} pending",
        rows.read, rows.delivered, rows.unchanged, rows.rejected, rows.suppressed, rows.pending
    ));
    line(&format!(
        "  members   {}, {} changed, {}{}, {} withheld",
        counted(members.joiners, "joiner"),
        members.changed,
        with_new_address(members.address_changed),
        counted(members.leavers, "leaver"),
        counted(members.leavers_withheld, "leaver"),
    ));
    let rejects: Vec<String> =
        report.rejects.iter().filter(|(_, count)| **count > 0).map(|(code, count)| format!("{count} {code}")).collect();
    if !rejects.is_empty() {
        line(&format!("  rejects   {}", rejects.join(", ")));
        if rejected_rows == RejectedRows::Kept {
            line(&format!("            in {}", openable(common, &of_run(&report.run_id, "rejects.csv"))));
            line(&format!("            correct it there, then: {} retry {}", program(common), report.run_id));
        } else {
            line("            whose rows are gone: they are kept for rejects_days");
        }
    }
    line(&format!(
        "  requests  {}: {} bulk, {} single, {} list; {} retried, {} rate limited; at most {} in one second",
        requests.total,
        requests.bulk,
        requests.single,
        requests.list,
        requests.retried,
        requests.throttled,
        requests.peak_per_second
    ));
    if !report.guards_passed_over.is_empty() {
        line(&format!("  guards    passed over: {}", report.guards_passed_over.join(", ")));
    }
    if report.opt_outs_sent > 0 {
        line(&format!("  opt-outs  {} sent of members whose rows were not", report.opt_outs_sent));
    }
    report.remarks.iter().for_each(|remark| line(&format!("  note      {remark}")));
    report.notes.iter().for_each(|note| line(&format!("  note      {note}")));
    report.warnings.iter().for_each(|warning| line(&format!("  note      {warning}")));
}
