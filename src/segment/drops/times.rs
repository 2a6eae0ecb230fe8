//! The times in paths and file names.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::keys::{file_name, parent};

/// The time in the folders of a Customer Insights path, `.../{YYYY}/{MM}/{DD}/{HHMM}/...`, in UTC.
pub(in crate::segment) fn path_time(path: &str) -> Option<Timestamp> {
    let folders: Vec<&str> = parent(path).trim_end_matches('/').split('/').collect();
    let [.., year, month, day, clock] = folders.as_slice() else { return None };
    let digits = |text: &str, length: usize| {
        let sound = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        sound.then(|| text.parse::<i16>().ok()).flatten()
    };
    let small = |text: &str| digits(text, 2).and_then(|number| i8::try_from(number).ok());
    let clock = digits(clock, 4)?;
    let (hour, minute) = (i8::try_from(clock / 100).ok()?, i8::try_from(clock % 100).ok()?);
    let at = DateTime::new(digits(year, 4)?, small(month)?, small(day)?, hour, minute, 0, 0).ok()?;
    TimeZone::UTC.to_timestamp(at).ok()
}

/// The time in a name like `Destination_Segment_1613059542.csv`.
pub(super) fn name_time(key: &str) -> Option<Timestamp> {
    let stem = file_name(key).split('.').next()?;
    let (_, digits) = stem.rsplit_once('_')?;
    let sound = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_second(sound.then(|| digits.parse().ok()).flatten()?).ok()
}
