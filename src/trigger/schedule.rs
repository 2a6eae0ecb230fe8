//! When a schedule runs next, as far as its expression tells.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};

/// The most days that are looked at: a leap year's day comes every eight years at the latest.
const DAYS: usize = 366 * 8 + 3;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The next moment of `cron(...)` or `at(...)` after `now`; none of an expression that says less, as `rate(...)`, or has
/// what is rare: L, W and #.
/// Source: EventBridge Scheduler user guide, "Schedule types".
pub fn next(expression: &str, time_zone: &str, now: Timestamp) -> Option<Timestamp> {
    let zone = TimeZone::get(time_zone).ok()?;
    let inner = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(at) = inner("at") {
        let at = zone.to_timestamp(at.parse::<civil::DateTime>().ok()?).ok()?;
        return (at > now).then_some(at);
    }
    let parts: Vec<&str> = inner("cron")?.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays, years] = parts.as_slice() else { return None };
    let minutes = set(minutes, 0, 59, &[])?;
    let hours = set(hours, 0, 23, &[])?;
    let days = set(days, 1, 31, &[])?;
    let months = set(months, 1, 12, &MONTHS)?;
    let weekdays = set(weekdays, 1, 7, &WEEKDAYS)?;
    let years = set(years, 1970, 2199, &[])?;
    let is_day = |date: &Date| {
        let weekday = i16::from(date.weekday().to_sunday_one_offset());
        days.contains(&i16::from(date.day()))
            && months.contains(&i16::from(date.month()))
            && weekdays.contains(&weekday)
            && years.contains(&date.year())
    };
    let today = zone.to_datetime(now).date();
    let moments = today.series(1.day()).take(DAYS).filter(is_day).flat_map(|date| {
        let times = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (*hour, *minute)));
        times.filter_map(move |(hour, minute)| {
            let time = Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()?;
            Some(date.to_datetime(time))
        })
    });
    let mut moments = moments.filter_map(|moment| zone.to_timestamp(moment).ok());
    moments.find(|at| *at > now)
}

/// The numbers that a field of a cron expression names, in order.
fn set(field: &str, least: i16, most: i16, names: &[&str]) -> Option<Vec<i16>> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = named.and_then(|at| i16::try_from(at).ok()).map(|at| at + least).or_else(|| text.parse().ok())?;
        (least..=most).contains(&number).then_some(number)
    };
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step: usize = step.map_or(Some(1), |step| step.parse().ok().filter(|step| *step > 0))?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            // 5/10 is every tenth from the fifth on.
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        all.extend((from..=to).step_by(step));
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_next_moment_of_a_schedule_is_found() {
        let now = "2026-11-26T07:20:30Z".parse().unwrap();
        for (expression, zone, at) in [
            ("cron(0 6 * * ? *)", "UTC", Some("2026-11-27T06:00:00Z")),
            ("cron(30 9 ? * MON-FRI *)", "Europe/Oslo", Some("2026-11-26T08:30:00Z")),
            ("cron(0/15 * * * ? *)", "UTC", Some("2026-11-26T07:30:00Z")),
            ("cron(0 0 1 1,7 ? 2027)", "UTC", Some("2027-01-01T00:00:00Z")),
            ("cron(0 0 29 2 ? *)", "UTC", Some("2028-02-29T00:00:00Z")),
            ("cron(0 0 ? * 1 *)", "UTC", Some("2026-11-29T00:00:00Z")),
            ("at(2026-12-01T10:00:00)", "UTC", Some("2026-12-01T10:00:00Z")),
            ("at(2026-11-01T10:00:00)", "UTC", None),
            ("rate(1 hour)", "UTC", None),
            ("cron(0 0 L * ? *)", "UTC", None),
        ] {
            assert_eq!(next(expression, zone, now), at.map(|at| at.parse().unwrap()), "{expression}");
        }
    }
}
