//! Dates in a format that is given, and the format to propose for one that is not ISO 8601.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::Offset;

use super::{DateFormat, Misfit, date};

/// The formats to propose, the most usual first.
const DATES: [&str; 25] = [
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%m-%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d %B %Y",
    "%d. %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%Y%m%d",
    "%d%m%Y",
    "%m%d%Y",
    "%Y%m%d%H%M%S",
];
const GAPS: [&str; 4] = ["", " ", "T", ", "];
const TIMES: [&str; 8] =
    ["%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M", "%H:%M:%S%.f", "%H:%M:%S %z", "%H:%M:%S%.f %z", "%H:%M %z"];

/// The moment that a text names, in a format that is given or in ISO 8601.
///
/// # Errors
/// It names none; the misfit proposes the format that fits.
pub(super) fn moment(text: &str, format: Option<&str>) -> Result<DateTime, Misfit> {
    match format {
        None => date::iso(text).ok_or_else(|| match fitting(text) {
            (Some(one), Some(other)) => Misfit::AmbiguousDate(one, other),
            (Some(one), None) => Misfit::NotIso(one),
            (None, _) => Misfit::Date,
        }),
        Some(format) => moment_in(text, format).ok_or_else(|| match fitting(text) {
            (Some(one), None) => Misfit::OtherFormat(one),
            _ => Misfit::Format,
        }),
    }
}

/// The day that a text names, where it was written: its zone does not move it.
///
/// # Errors
/// As [`moment`].
pub(super) fn day(text: &str, format: Option<&str>) -> Result<Date, Misfit> {
    let moment = moment(text, format)?;
    let written = match format {
        None => date::iso_day(text),
        Some(format) => strtime::parse(format, text).ok().and_then(|parts| parts.to_date().ok()),
    };
    Ok(written.unwrap_or(moment.date()))
}

/// A moment in a format that is given, in UTC and without its fraction; without a zone in UTC, without a time at
/// midnight. `None` where the text is not in that format, or the format gives no whole date.
pub(crate) fn moment_in(text: &str, format: &str) -> Option<DateTime> {
    let parts = strtime::parse(format, text).ok()?;
    // A zone by its name would be left out without a word.
    if parts.iana_time_zone().is_some() {
        return None;
    }
    let moment = match (parts.offset(), parts.timestamp()) {
        (_, Some(moment)) => Offset::UTC.to_datetime(moment),
        (None, None) => parts.to_datetime().ok()?,
        (Some(east), None) => {
            parts.to_datetime().ok()?.checked_sub(jiff::SignedDuration::from_secs(east.seconds().into())).ok()?
        }
    };
    let moment = moment.with().subsec_nanosecond(0).build().ok()?;
    // The parser takes fewer digits of a year than four, and a sign: `01.03.24` would be of the first century.
    let written = parts.year().unwrap_or(moment.year());
    if (written < 1000 || text.contains('+')) && strtime::parse(with_year(format, written), text).is_err() {
        return None;
    }
    date::in_range(moment)
}

/// The format with the four digits of the year for each `%Y`.
fn with_year(format: &str, year: i16) -> String {
    let mut literal = String::with_capacity(format.len() + 8);
    let mut rest = format;
    while let Some((before, directive)) = rest.split_once('%') {
        literal.push_str(before);
        let name = directive.trim_start_matches(|c: char| c.is_ascii_digit() || "-_^#:".contains(c));
        let after = name.get(1..).unwrap_or_default();
        match name.as_bytes().first() {
            Some(b'Y') => literal.push_str(&format!("{year:04}")),
            Some(b'F') => literal.push_str(&format!("{year:04}-%m-%d")),
            _ => {
                literal.push('%');
                literal.push_str(directive.get(..directive.len() - after.len()).unwrap_or_default());
            }
        }
        rest = after;
    }
    literal.push_str(rest);
    literal
}

/// The format that fits a date, and the second one where two do.
fn fitting(text: &str) -> (Option<DateFormat>, Option<DateFormat>) {
    // Seconds since 1970, of the years from 2001 on.
    if text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return (Some(DateFormat { date: "%s", gap: "", time: "" }), None);
    }
    let clock = text.find(':').map_or(text.len(), |colon| {
        text.get(..colon).map_or(colon, |before| before.trim_end_matches(|c: char| c.is_ascii_digit()).len())
    });
    let (before, time_text) = text.split_at_checked(clock).unwrap_or((text, ""));
    let date_text = before.trim_end_matches([' ', ',', 'T']);
    let gap_text = before.get(date_text.len()..).unwrap_or_default();
    let Some(gap) = GAPS.into_iter().find(|gap| *gap == gap_text) else { return (None, None) };
    let is_time = |format: &&str| strtime::parse(format, time_text).is_ok();
    let time = if time_text.is_empty() && gap.is_empty() { Some("") } else { TIMES.into_iter().find(is_time) };
    let Some(time) = time else { return (None, None) };
    let fits = |date: &&'static str| {
        let format = DateFormat { date, gap, time };
        moment_in(text, &format.to_string()).is_some()
    };
    let mut found = DATES.into_iter().filter(|date| moment_in(date_text, date).is_some()).filter(fits);
    let of = |date| DateFormat { date, gap, time };
    match found.next() {
        // Nobody writes a month before a day with a point between them, where the two may change places.
        Some(first) if first.contains('.') => (Some(of(first)), None),
        first => (first.map(of), found.next().map(of)),
    }
}
