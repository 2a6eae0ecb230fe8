//! The times that paths and names tell.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::keys::{file_name, parent};
use crate::ports::ObjectMeta;

/// How much older than its object the time in a file's name may be.
const NAME_MAX_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far ahead of its objects the time in a path may be, whatever the time zones.
const PATH_MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// A drop's time: that in its path, else the newest of its parts'. A time that is not plausible does not count: such a drop
/// would be the newest for years, and every other one superseded.
pub(super) fn time_of(name: &str, parts: &[ObjectMeta]) -> Timestamp {
    let written = parts.iter().map(|part| part.modified).max().unwrap_or(Timestamp::MIN);
    let in_path = path_time(name).filter(|at| at.duration_since(written) <= PATH_MAX_AHEAD);
    in_path.unwrap_or_else(|| parts.iter().map(part_time).max().unwrap_or(written))
}

/// The time in a file's name, else when it was written.
fn part_time(part: &ObjectMeta) -> Timestamp {
    let is_plausible = |at: &Timestamp| {
        let age = part.modified.duration_since(*at);
        !age.is_negative() && age <= NAME_MAX_AGE
    };
    name_times(&part.key).filter(is_plausible).max().unwrap_or(part.modified)
}

/// The time in the folders of a Customer Insights path, `.../{YYYY}/{MM}/{DD}/{HHMM}/...`, in UTC.
pub(super) fn path_time(path: &str) -> Option<Timestamp> {
    let folders: Vec<&str> = parent(path).trim_end_matches('/').split('/').collect();
    let [.., year, month, day, clock] = folders.as_slice() else { return None };
    let clock = number(clock, 4)?;
    let (hour, minute) = (i8::try_from(clock / 100).ok()?, i8::try_from(clock % 100).ok()?);
    let day = date(year, month, day)?;
    let at = DateTime::new(day.year(), day.month(), day.day(), hour, minute, 0, 0).ok()?;
    TimeZone::UTC.to_timestamp(at).ok()
}

/// The seconds since 1970 that ten digits in a file's name may be.
fn name_times(key: &str) -> impl Iterator<Item = Timestamp> {
    let runs = file_name(key).split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() == 10);
    runs.filter_map(|digits| Timestamp::from_second(digits.parse().ok()?).ok())
}

/// Whether the value of a folder `key=value` is a date or a time: a day, in ISO 8601 or without separators, and perhaps
/// a clock behind it. A year alone may be a year of birth.
pub(super) fn is_time(value: &str) -> bool {
    let value = value.replace("%3A", ":").replace("%3a", ":").replace("%20", " ");
    let (day, clock) = match value.as_bytes() {
        [_, _, _, _, b'-' | b'_' | b'.', _, _, b'-' | b'_' | b'.', ..] => (value.get(..10), value.get(10..)),
        _ => (value.get(..8), value.get(8..)),
    };
    let (Some(day), Some(clock)) = (day, clock) else { return false };
    let parts: Vec<&str> = match day.len() {
        10 => day.split(['-', '_', '.']).collect(),
        _ => [day.get(..4), day.get(4..6), day.get(6..)].into_iter().flatten().collect(),
    };
    let [year, month, day] = parts.as_slice() else { return false };
    date(year, month, day).is_some() && is_clock(clock)
}

/// Whether a folder `key=value` says by its key, or by a month or a day as its value, that it is of a time.
pub(super) fn is_partition_by_time(folder: &str) -> bool {
    let Some((key, value)) = folder.split_once('=') else { return false };
    let is_key = ["dt", "ds", "date", "day", "month", "year"].iter().any(|known| key.eq_ignore_ascii_case(known));
    is_key || is_time(value) || is_time(&format!("{value}-01"))
}

/// Whether what follows a day is a clock, with or without separators and offset, or nothing.
fn is_clock(text: &str) -> bool {
    let text = text.trim_start_matches(['T', 't', ' ', '-', '_']);
    let zone = text.trim_end_matches(['Z', 'z']).split(['+', '-']).next().unwrap_or_default();
    let digits: String =
        zone.split('.').next().unwrap_or_default().chars().filter(|c| *c != ':' && *c != '-').collect();
    let hour = digits.get(..2).map(|hour| hour.parse::<u8>().is_ok_and(|hour| hour < 24));
    digits.chars().all(|c| c.is_ascii_digit())
        && match digits.len() {
            0 => text.is_empty(),
            2 | 4 | 6 => hour == Some(true),
            _ => false,
        }
}

fn date(year: &str, month: &str, day: &str) -> Option<Date> {
    let small = |text: &str| number(text, 2).and_then(|number| i8::try_from(number).ok());
    Date::new(number(year, 4)?, small(month)?, small(day)?).ok()
}

fn number(text: &str, length: usize) -> Option<i16> {
    let sound = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}
