//! Keys of stored objects.

use sha2::{Digest, Sha256};

use crate::destination::Api;
use crate::state::hex;

/// The configuration, put there by the deployment.
pub const CONFIG: &str = "config/exports.json";

/// A segment's name as a part of a key: letters, digits, `.`, `_`, `-` stay, everything else is %XX.
pub fn part(name: &str) -> String {
    let mut part = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => part.push(char::from(byte)),
            byte => part.push_str(&format!("%{byte:02X}")),
        }
    }
    if part.starts_with('.') { format!("%2E{}", part.trim_start_matches('.')) } else { part }
}

/// The folder of an export's runs, with its `/`.
pub fn runs(export: &str) -> String {
    format!("runs/{export}/")
}

/// The folder of an export's state, with its `/`.
pub fn state(export: &str) -> String {
    format!("state/{export}/")
}

/// A run's folder, with its `/`. The export is in the run's id.
pub fn run(run_id: &str) -> String {
    format!("runs/{}/{run_id}/", super::export_of_run(run_id).unwrap_or("unknown"))
}

/// One of a run's objects.
pub fn of_run(run_id: &str, name: &str) -> String {
    format!("{}{name}", run(run_id))
}

/// The configuration that a run began with.
pub fn config_of(run_id: &str) -> String {
    of_run(run_id, "exports.json")
}

/// What a run decided of each person.
pub fn history(run_id: &str) -> String {
    of_run(run_id, HISTORY)
}

/// Whom a reconcile found there or gone in a segment, and took over.
pub fn found_history(run_id: &str, segment: &str) -> String {
    of_run(run_id, &format!("{FOUND}{}.gz", part(segment)))
}

const HISTORY: &str = "history.gz";
const FOUND: &str = "history-";

/// Whether an object is what a run decided of each person, or a reconcile found.
pub fn is_history(key: &str) -> bool {
    let mut parts = key.split('/');
    let is_name = |name: &str| name == HISTORY || name.starts_with(FOUND) && name.ends_with(".gz");
    parts.next() == Some("runs") && parts.nth(2).is_some_and(is_name) && parts.next().is_none()
}

/// The page of all runs.
pub const INDEX: &str = "runs/index.html";

/// What it lists.
pub const LISTED: &str = "runs/index.json";

/// Says that a person has stopped the run.
pub fn stopped(run_id: &str) -> String {
    of_run(run_id, "stop.json")
}

/// The results of one range of a lane.
pub fn results(run_id: &str, lane: u32, range: usize) -> String {
    of_run(run_id, &format!("results/{lane:03}/{range:06}.tsv"))
}

/// The contacts whose address changes.
pub fn address_changes(run_id: &str) -> String {
    of_run(run_id, "chunks/addresses.tsv")
}

/// What became of them in a lane.
pub fn changed_addresses(run_id: &str, lane: u32) -> String {
    of_run(run_id, &format!("results/{lane:03}/addresses.tsv"))
}

/// The calls of a lane: how many, and how many of the last confirmed nothing.
pub fn calls(run_id: &str, lane: u32) -> String {
    of_run(run_id, &format!("results/{lane:03}/calls.json"))
}

/// How many rows of a lane the destination has refused so far.
pub fn refused(run_id: &str, lane: u32) -> String {
    of_run(run_id, &format!("results/{lane:03}/refused.json"))
}

/// Says that a spot check failed in a lane, and whether it had trusted joiners before.
pub fn doubted(run_id: &str, lane: u32) -> String {
    of_run(run_id, &format!("results/{lane:03}/{DOUBTED}"))
}

/// Says that doubted joiners are sent again, and how many, until the lanes are through with them.
pub fn sends_again(run_id: &str) -> String {
    of_run(run_id, "results/again.json")
}

const DOUBTED: &str = "doubted.json";

/// Whether an object is one of [`doubted`].
pub fn is_doubted(key: &str) -> bool {
    key.rsplit('/').next() == Some(DOUBTED)
}

/// Where a run's failed lanes say why, with its `/`.
pub fn failed_lanes(run_id: &str) -> String {
    of_run(run_id, "results/failed/")
}

/// Why a lane failed.
pub fn failed_lane(run_id: &str, lane: u32) -> String {
    format!("{}{lane:03}.json", failed_lanes(run_id))
}

/// The run that a request to the function became. It goes away with the export's runs.
pub fn asked(export: &str, request_id: &str) -> String {
    format!("runs/{export}/asked/{}.json", part(request_id))
}

/// Emails of an export's contacts that were sent without an answer, should they have to leave.
/// Personal data: it is deleted once they are confirmed, and expires as the export's runs do.
pub fn unconfirmed(export: &str) -> String {
    format!("runs/{export}/unconfirmed.ndjson")
}

/// Where the state of all exports is.
pub const STATE: &str = "state/";

/// Keyed digests of the people who were erased.
pub const ERASED: &str = "state/erased";

/// Where the opt-outs of all exports are, with its `/`.
pub const RETURNS: &str = "returns/";

/// The export whose state an object is.
pub fn export_of_profiles(key: &str) -> Option<&str> {
    let export = key.strip_prefix(STATE)?.strip_suffix("/profiles.gz")?;
    (!export.contains('/')).then_some(export)
}

/// An export's profiles: its state.
pub fn profiles(export: &str) -> String {
    format!("state/{export}/profiles.gz")
}

/// A segment's last applied drop.
pub fn order(export: &str, segment: &str) -> String {
    format!("state/{export}/{}/order.json", part(segment))
}

/// A segment's corrections of rejected rows.
pub fn corrections(export: &str, segment: &str) -> String {
    format!("state/{export}/{}/corrections.json", part(segment))
}

/// What the drop of a segment that was applied last says of people who opt out or are not to be sent.
pub fn objections(export: &str, segment: &str) -> String {
    format!("state/{export}/{}/noes.bin", part(segment))
}

/// The same of the drop that a run reads, until it is applied.
pub fn objections_found(run_id: &str, segment: &str) -> String {
    of_run(run_id, &format!("chunks/noes-{}.bin", part(segment)))
}

/// A segment's rows that the destination refused.
pub fn refusals(export: &str, segment: &str) -> String {
    format!("state/{export}/{}/refusals.json", part(segment))
}

/// How many entries the suppression file had at an export's last applied run.
pub fn suppression(export: &str) -> String {
    format!("state/{export}/suppression.json")
}

/// The run of an export that has not reached its finish.
pub fn unfinished(export: &str) -> String {
    format!("state/{export}/unfinished.json")
}

/// The last notification of an export.
pub fn notified(export: &str) -> String {
    format!("state/{export}/told.json")
}

/// The same of its comparisons with the account.
pub fn notified_of_differences(export: &str) -> String {
    format!("state/{export}/differs.json")
}

/// What names an account in keys: a digest of its API and its id.
pub fn account(api: Api, id: &str) -> String {
    let digest = Sha256::digest(format!("{api:?}\n{id}"));
    hex(digest.first_chunk::<20>().unwrap_or(&[0; 20]))
}

/// Which account is behind a connection.
pub fn account_behind(connection: &str) -> String {
    format!("state/connections/{connection}.account.json")
}

/// What the canary learned of an account, by its digest.
pub fn learned_setup(account: &str) -> String {
    format!("state/accounts/{account}.json")
}

/// Which run made the last request to an account, by its digest.
pub fn account_activity(account: &str) -> String {
    format!("state/accounts/{account}.spoke.json")
}

/// The first object that lay where nothing is read: people were notified of it.
pub const MISPLACED: &str = "state/misplaced.json";

/// Who opted out in a connection's account.
pub fn opted_out(connection: &str) -> String {
    format!("state/connections/{connection}.opted_out.json")
}

/// The opt-outs of an export's account as they were at a time: personal data.
pub fn returns(export: &str, at: jiff::Timestamp) -> String {
    format!("{}{}.csv", all_returns(export), at.strftime("%Y%m%dT%H%M%SZ"))
}

/// The folder of an export's returns, with its `/`.
pub fn all_returns(export: &str) -> String {
    format!("{RETURNS}{export}/")
}

/// What a comparison with the account found, row by row: personal data.
pub const DIFFERENCES: &str = "differences.csv";

/// What a comparison has read of the account so far, with its `/`: personal data, until it ends.
pub fn census(run_id: &str) -> String {
    of_run(run_id, "census/")
}

/// What is known of a comparison that has not ended.
pub fn comparison(run_id: &str) -> String {
    format!("{}{COMPARISON}", census(run_id))
}

const COMPARISON: &str = "comparison.json";

/// The run whose [`comparison`] an object is.
pub fn run_of_comparison(key: &str) -> Option<&str> {
    key.strip_suffix(COMPARISON)?.strip_suffix("/census/")?.rsplit('/').next()
}

/// The answers of the account that a comparison has kept, in their order.
pub fn answers(run_id: &str, part: usize) -> String {
    format!("{}{ANSWERS}{part:06}.json", census(run_id))
}

const ANSWERS: &str = "answers-";

/// Whether an object of a comparison is one of its [`answers`].
pub fn is_answers(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|name| name.starts_with(ANSWERS))
}

/// What a comparison found, once everything is read.
pub fn found(run_id: &str) -> String {
    format!("{}found.json", census(run_id))
}

/// Who has a segment's mark, for the state.
pub fn there(run_id: &str, segment: &str) -> String {
    format!("{}there-{}.bin", census(run_id), part(segment))
}

/// Which run made the last request through a connection.
pub fn connection_activity(connection: &str) -> String {
    format!("state/connections/{connection}.spoke.json")
}

/// Rows of a rejects file that are to be sent again, of one segment.
pub fn retry(run_id: &str, segment: &str) -> String {
    of_run(run_id, &format!("{RETRY}{}.csv", part(segment)))
}

const RETRY: &str = "chunks/retry-";

/// Whether an object is one of [`retry`]: a file of this program's own writing, whatever form the segment's drops have.
pub fn is_retry(key: &str) -> bool {
    key.starts_with("runs/") && key.contains(&format!("/{RETRY}"))
}

/// Whether an object is what a comparison has read of the account.
pub fn is_census(key: &str) -> bool {
    is_transient(key) && key.split('/').nth(3) == Some("census")
}

/// Whether an object goes away with the end of its run: contacts to send, rejects found so far, results, what was read of
/// the account.
pub fn is_transient(key: &str) -> bool {
    let mut parts = key.split('/');
    // An export may be named like one of the folders.
    parts.next() == Some("runs")
        && parts.nth(2).is_some_and(|folder| ["census", "chunks", "rejects", "results"].contains(&folder))
}

/// Whether an object is a run's rejected rows, or its differences from the account.
pub fn is_rejects(key: &str) -> bool {
    key.starts_with("runs/") && key.split('/').nth(3).is_some_and(|name| ["rejects.csv", DIFFERENCES].contains(&name))
}

/// Whether an object of a run holds personal data: it expires before the rest of the run.
pub fn is_personal(key: &str) -> bool {
    is_transient(key) || is_rejects(key) || (key.starts_with("runs/") && key.ends_with("/unconfirmed.ndjson"))
}

/// Whether an object is a part of a run's results.
pub fn is_results(key: &str) -> bool {
    is_transient(key) && key.split('/').nth(3) == Some("results")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn segments_names_become_safe_keys() {
        assert_eq!(part("News letter/ä"), "News%20letter%2F%C3%A4");
        assert_eq!(part(".."), "%2E");
        let all: BTreeMap<_, _> = [(order("e", "a b"), 1), (order("e", "a%20b"), 2)].into();
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn an_export_that_is_named_like_a_folder_keeps_its_reports() {
        let id = |export| crate::run::run_id(jiff::Timestamp::UNIX_EPOCH, export, "x");
        for export in ["census", "chunks", "rejects", "results"] {
            assert!(!is_transient(&of_run(&id(export), "report.json")));
            assert!(is_transient(&results(&id(export), 1, 2)) && is_transient(&retry(&id(export), "a/b")));
            assert!(is_census(&there(&id(export), "a/b")) && is_answers(&answers(&id(export), 1)));
            assert_eq!(run_of_comparison(&comparison(&id(export))), Some(id(export).as_str()));
            for personal in [results(&id(export), 1, 2), of_run(&id(export), "rejects.csv"), unconfirmed(export)] {
                assert!(is_personal(&personal), "{personal}");
            }
            for name in ["report.json", "report.html", "run.json", "exports.json", "stop.json"] {
                assert!(!is_personal(&of_run(&id(export), name)), "{name}");
            }
        }
        assert!(!is_transient("state/chunks/results/order.json"));
        for export in ["history.gz", "news"] {
            assert!(is_history(&history(&id(export))) && is_history(&found_history(&id(export), "a/b")));
            assert!(!is_history(&of_run(&id(export), "report.json")) && !is_history(&asked(export, "history.gz")));
        }
    }
}
