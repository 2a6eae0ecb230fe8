//! Guards: what must hold before the first request leaves. Each names its numbers.

use crate::config::Guards;
use crate::error::{Error, Kind};

/// The guards' names, as `--pass-guard` takes them.
pub const NAMES: [&str; 7] = [
    "max_profiles",
    "max_leavers_share",
    MAX_REJECT_SHARE,
    "allow_empty",
    UNREADABLE_OPT_OUTS,
    UNREADABLE_ROWS,
    SUPPRESSION_SHRUNK,
];

/// The guard of members whose opt-out, suppression or consent cannot be read.
const UNREADABLE_OPT_OUTS: &str = "unreadable_opt_outs";

/// The guard of a suppression file that has lost entries.
const SUPPRESSION_SHRUNK: &str = "suppression_shrunk";

/// The guard that never stops a run: it withholds the leavers of a segment with unreadable rows.
pub const UNREADABLE_ROWS: &str = "unreadable_rows";

/// The guard that also watches what the destination refuses.
pub const MAX_REJECT_SHARE: &str = "max_reject_share";

/// What the guards look at.
#[derive(Clone, Debug, Default)]
pub struct GuardInput {
    /// Distinct profiles over all segments of the export.
    pub profiles: u64,
    /// Rows read.
    pub read: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Those of them that the account refused before, and that are not sent again yet.
    pub refused: u64,
    /// Members whose opt-out, suppression or consent cannot be read.
    pub unreadable_opt_outs: u64,
    /// Entries of the suppression file, where an earlier run applied one.
    pub suppression: Option<SuppressionEntries>,
    /// Whether the rows are those that an earlier run rejected, so that their share says nothing of a drop.
    pub is_retry: bool,
    /// The segments that take part.
    pub segments: Vec<SegmentCounts>,
}

/// How many entries a suppression file has.
#[derive(Clone, Copy, Debug)]
pub struct SuppressionEntries {
    /// At the last applied run.
    pub before: u64,
    pub now: u64,
}

/// What the guards look at in one segment.
#[derive(Clone, Debug, Default)]
pub struct SegmentCounts {
    /// The segment's name.
    pub name: String,
    /// Rows read.
    pub read: u64,
    /// Members before the run.
    pub members: u64,
    /// Members who would leave.
    pub leavers: u64,
}

/// The guards that object, each with its name.
pub fn violations(export: &str, guards: &Guards, looked: &GuardInput) -> Vec<(&'static str, Error)> {
    let mut found = Vec::new();
    let mut object = |name: &'static str, subject: String, what: String, hint: &str| {
        let hint = format!("{hint}, or pass over it once with --pass-guard {name}");
        found.push((name, Error::new(Kind::Guard, subject, what).hint(hint)));
    };
    for SegmentCounts { name: segment, read, members, leavers } in &looked.segments {
        if *read == 0 && (guards.allow_empty || looked.is_retry) {
            // Then everybody may leave.
        } else if *read == 0 {
            let what = "the drop holds no profile".to_owned();
            object("allow_empty", format!("{export}: {segment}"), what, "deliver the whole segment again");
        } else if share(*leavers, *members) > guards.max_leavers_share {
            let (limit, share) = (percent(guards.max_leavers_share), percent(share(*leavers, *members)));
            let what = format!("{leavers} of {members} members would leave, {share}; max_leavers_share allows {limit}");
            object("max_leavers_share", format!("{export}: {segment}"), what, "check that the drop is whole");
        }
    }
    if looked.unreadable_opt_outs > guards.unreadable_opt_outs {
        let what = format!(
            "the opt-out or consent of {} members cannot be read; unreadable_opt_outs allows {}",
            looked.unreadable_opt_outs, guards.unreadable_opt_outs
        );
        let hint = "correct the column, or add its words as true and false";
        object(UNREADABLE_OPT_OUTS, export.to_owned(), what, hint);
    }
    if let Some(SuppressionEntries { before, now }) = looked.suppression
        && now < before.div_ceil(2)
    {
        let what = format!("the suppression file has {now} entries; at the last applied run it had {before}");
        object(SUPPRESSION_SHRUNK, export.to_owned(), what, "put the whole file back");
    }
    if looked.profiles > guards.max_profiles {
        let what = format!("{} profiles; max_profiles allows {}", looked.profiles, guards.max_profiles);
        object("max_profiles", export.to_owned(), what, "make the segment smaller or raise max_profiles");
    }
    if !looked.is_retry && too_many_rejected(guards, looked.rejected, looked.read) {
        let (limit, share) = (percent(guards.max_reject_share), percent(share(looked.rejected, looked.read)));
        let what = format!(
            "{} of {} rows are rejected, {share}; max_reject_share allows {limit}",
            looked.rejected, looked.read
        );
        let hint = match looked.refused {
            0 => "correct the rows that the rejects name".to_owned(),
            count => format!(
                "correct the rows that the rejects name; the account refused {count} of them in the last 7 days, and --full sends \
                 those again"
            ),
        };
        object(MAX_REJECT_SHARE, export.to_owned(), what, &hint);
    }
    found
}

/// One error of all guards that stop a run; none where none does.
pub fn joined(stopping: Vec<(&'static str, Error)>) -> Option<Error> {
    let mut errors = stopping.into_iter().map(|(_, error)| error);
    let mut first = errors.next()?;
    for other in errors {
        let hint = first.hint.take().unwrap_or_default();
        first.hint = Some(format!("{hint}; also {other}"));
    }
    Some(first)
}

/// What `max_profiles` is unless the export allows more.
const USUAL_PROFILES: u64 = 100_000;

/// What people should know of this many profiles before the guard stops a run.
pub fn warning(export: &str, guards: &Guards, profiles: u64) -> Option<String> {
    let most = guards.max_profiles;
    if profiles > most {
        None
    } else if u128::from(profiles) * 10 > u128::from(most) * 9 {
        Some(format!("{export}: {profiles} profiles are over 90 % of max_profiles, {most}; above it a run is stopped"))
    } else if profiles > USUAL_PROFILES {
        Some(format!("{export}: {profiles} profiles are more than {USUAL_PROFILES}, the most that is usual"))
    } else {
        None
    }
}

/// Whether this many rejects are more than the guard allows.
pub fn too_many_rejected(guards: &Guards, rejected: u64, read: u64) -> bool {
    share(rejected, read) > guards.max_reject_share
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guards() -> Guards {
        Guards { max_profiles: 100_000, max_leavers_share: 0.5, max_reject_share: 0.2, ..Guards::default() }
    }

    fn segment(read: u64, members: u64, leavers: u64) -> SegmentCounts {
        SegmentCounts { name: "News".to_owned(), read, members, leavers }
    }

    // Promise 9: "Guards come before the first request. Each names its numbers."
    #[test]
    fn guards_name_their_numbers() {
        let looked = GuardInput {
            profiles: 100_001,
            read: 10,
            rejected: 3,
            segments: vec![segment(10, 10, 6), SegmentCounts::default()],
            ..GuardInput::default()
        };
        let found = violations("newsletter", &guards(), &looked);
        let text = found.iter().map(|(name, error)| format!("{name} = {error}\n")).collect::<String>();
        for part in
            ["100001 profiles; max_profiles allows 100000", "6 of 10 members", "3 of 10 rows", "holds no profile"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(found.iter().all(|(name, error)| NAMES.contains(name) && error.kind == Kind::Guard));
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        let joined = joined(found).unwrap().to_string();
        assert!(names.iter().all(|name| joined.contains(&format!("--pass-guard {name}"))), "all at once: {joined}");
    }

    #[test]
    fn rows_that_the_account_refused_are_sent_again_by_full() {
        for refused in [0, 2] {
            let looked = GuardInput { read: 10, rejected: 3, refused, ..GuardInput::default() };
            let found = joined(violations("newsletter", &guards(), &looked)).unwrap().to_string();
            assert_eq!(found.contains("refused 2 of them in the last 7 days, and --full"), refused > 0, "{found}");
        }
    }

    #[test]
    fn numbers_at_their_limit_pass() {
        let segments = vec![segment(10, 10, 5)];
        let looked = GuardInput { profiles: 100_000, read: 10, rejected: 2, segments, ..GuardInput::default() };
        assert!(violations("newsletter", &guards(), &looked).is_empty());
    }

    #[test]
    fn a_suppression_file_that_lost_half_its_entries_stops_a_run() {
        let found = |before, now| {
            let looked = GuardInput { suppression: Some(SuppressionEntries { before, now }), ..GuardInput::default() };
            violations("newsletter", &guards(), &looked).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        for (before, now) in [(10, 4), (9, 4), (3, 1)] {
            assert_eq!(found(before, now), ["suppression_shrunk"], "{before} {now}");
        }
        for (before, now) in [(10, 5), (9, 5), (0, 3), (2, 1), (4, 40)] {
            assert_eq!(found(before, now), [""; 0], "{before} {now}");
        }
    }

    #[test]
    fn profiles_near_the_guard_or_above_100_000_are_warned_of() {
        let said = |max_profiles, profiles| warning("n", &Guards { max_profiles, ..guards() }, profiles);
        assert!(said(100_000, 90_000).is_none() && said(100_000, 100_001).is_none());
        assert!(said(100_000, 90_001).unwrap().contains("90001 profiles are over 90 % of max_profiles, 100000"));
        assert!(said(1_000_000, 100_000).is_none());
        assert!(said(1_000_000, 100_001).unwrap().contains("100001 profiles are more than 100000"));
        assert!(said(1, 1).is_some() && said(u64::MAX, u64::MAX).is_some());
    }

    #[test]
    fn an_empty_drop_that_is_allowed_may_empty_the_segment() {
        let looked = GuardInput { segments: vec![segment(0, 10, 10)], ..GuardInput::default() };
        assert_eq!(violations("newsletter", &guards(), &looked).len(), 1);
        assert!(violations("newsletter", &Guards { allow_empty: true, ..guards() }, &looked).is_empty());
    }

    #[test]
    fn the_share_of_rejects_does_not_count_in_a_retry() {
        let looked = GuardInput { read: 3, rejected: 2, is_retry: true, ..GuardInput::default() };
        assert!(violations("newsletter", &guards(), &looked).is_empty());
    }
}
