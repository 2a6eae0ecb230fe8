//! Dates in ISO 8601, from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.

use std::fmt::Write;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

/// The moment in UTC that a text in ISO 8601 names: a date, extended or basic (`2024-03-01`, `20240301`); behind `T`
/// or a space a time (`10`, `10:20`, `10:20:30.5`, `102030`, `24:00:00`); a zone (`Z`, `UTC`, `+01:00`, `+0100`), also right
/// behind the date, none being UTC. A fraction of a second is left out.
pub(super) fn iso(text: &str) -> Option<DateTime> {
    let (local, east) = iso_parts(text)?;
    in_range(if east == 0 { local } else { local.checked_sub(SignedDuration::from_secs(east)).ok()? })
}

/// The day that such a text names, where it was written.
pub(super) fn iso_day(text: &str) -> Option<Date> {
    in_range(iso_parts(text)?.0).map(DateTime::date)
}

/// The local time, and the seconds that its zone is east of UTC.
fn iso_parts(text: &str) -> Option<(DateTime, i64)> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    let is_extended = skip(&mut rest, b"-");
    let month = small(&mut rest)?;
    if is_extended && !skip(&mut rest, b"-") {
        return None;
    }
    let date = Date::new(year, month, small(&mut rest)?).ok()?;
    if let Some(east) = offset_of_day(rest) {
        return Some((date.to_datetime(Time::midnight()), east));
    }
    if !skip(&mut rest, b"Tt ") {
        return None;
    }
    let local = time(&mut rest, date)?;
    Some((local, offset(rest)?))
}

/// The moment, where it is from year 1 to 9999.
pub(super) fn in_range(moment: DateTime) -> Option<DateTime> {
    (moment.year() > 0).then_some(moment)
}

/// Writes a moment as `"YYYY-MM-DDTHH:MM:SSZ"`.
pub(super) fn write(moment: DateTime, json: &mut String) {
    let _ = write!(json, "\"{moment}Z\"");
}

/// Writes a day as `"YYYY-MM-DD"`.
pub(super) fn write_day(day: Date, json: &mut String) {
    let _ = write!(json, "\"{day}\"");
}

/// The time of a day, without its fraction. 24:00:00 is the next day's midnight, a leap second the one before it.
fn time(rest: &mut &[u8], date: Date) -> Option<DateTime> {
    let hour = small(rest)?;
    let is_extended = skip(rest, b":");
    let (mut minute, mut second, mut is_whole) = (0, 0, true);
    if is_extended || starts_with_digit(rest) {
        minute = small(rest)?;
        if if is_extended { skip(rest, b":") } else { starts_with_digit(rest) } {
            second = small(rest)?;
            if skip(rest, b".,") {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (fraction, tail) = rest.split_at_checked(digits).filter(|_| digits > 0)?;
                is_whole = fraction.iter().all(|byte| *byte == b'0');
                *rest = tail;
            }
        }
    }
    if hour == 24 {
        let is_midnight = minute == 0 && second == 0 && is_whole;
        return is_midnight.then(|| date.tomorrow().ok())?.map(|day| day.to_datetime(Time::midnight()));
    }
    let second = if second == 60 { 59 } else { second };
    Some(date.to_datetime(Time::new(hour, minute, second, 0).ok()?))
}

/// The zone right behind a day: none, `Z`, `UTC`, `+01:00`. Digits behind a hyphen or a blank may be a clock.
fn offset_of_day(rest: &[u8]) -> Option<i64> {
    let is_zone = match rest.trim_ascii_start() {
        [b'-', _, _, b':', ..] => rest.first() == Some(&b'-'),
        [first, ..] => !first.is_ascii_digit() && *first != b'-',
        [] => true,
    };
    if is_zone { offset(rest) } else { None }
}

/// The seconds that a zone is east of UTC. The whole rest of the text is the zone.
fn offset(rest: &[u8]) -> Option<i64> {
    let mut rest = rest.trim_ascii_start();
    if rest.is_empty() || rest.eq_ignore_ascii_case(b"Z") || rest.eq_ignore_ascii_case(b"UTC") {
        return Some(0);
    }
    let is_west = rest.first() == Some(&b'-');
    if !skip(&mut rest, b"+-") {
        return None;
    }
    let mut seconds = 0;
    for (place, (unit, most)) in [(3600, 23), (60, 59), (1, 59)].into_iter().enumerate() {
        if place > 0 {
            if rest.is_empty() {
                break;
            }
            skip(&mut rest, b":");
        }
        seconds += unit * i64::from(small(&mut rest).filter(|number| *number <= most)?);
    }
    rest.is_empty().then_some(if is_west { -seconds } else { seconds })
}

fn starts_with_digit(rest: &[u8]) -> bool {
    rest.first().is_some_and(u8::is_ascii_digit)
}

/// Takes one of `bytes`, where the rest begins with one.
fn skip(rest: &mut &[u8], bytes: &[u8]) -> bool {
    match rest.split_first() {
        Some((first, tail)) if bytes.contains(first) => {
            *rest = tail;
            true
        }
        _ => false,
    }
}

/// Takes exactly this many digits.
fn number(rest: &mut &[u8], digits: usize) -> Option<i16> {
    let (head, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    head.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i16::from(byte - b'0')))
}

/// Takes two digits.
fn small(rest: &mut &[u8]) -> Option<i8> {
    number(rest, 2)?.try_into().ok()
}
