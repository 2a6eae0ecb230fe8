//! A cell's text -> the JSON value of its field's type.
//!
//! * integer: an optional sign and digits; a fraction of zeros (`12.0`) is accepted, since exporters write whole
//!   numbers so.
//! * float: digits with a point, an exponent if need be; no thousand separators, no NaN, no infinity. A text that is
//!   a JSON number already stays as it is.
//! * boolean: `true`, `false`, `1`, `0`, `yes`, `no`, in any case.
//! * date: ISO 8601 with or without a time, a zone (none means UTC) and fractions of any length, or in a format that
//!   is given; sent as `YYYY-MM-DDTHH:MM:SSZ`.
//!
//! Space around the text is left out everywhere.

mod field_type;
mod nearest;

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;

pub use field_type::FieldType;
pub use nearest::nearest;

/// Why a text is not a value of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Not a whole number, or one of more than 64 bits.
    #[error("not an integer")]
    Integer,
    /// Not a finite number.
    #[error("not a float")]
    Float,
    /// None of the accepted words.
    #[error("not a boolean")]
    Boolean,
    /// Not a date at all.
    #[error("not a date")]
    Date,
    /// A date such as 3/4/2024.
    #[error("ambiguous date; give its format")]
    AmbiguousDate,
    /// A date, but not in the format that is given.
    #[error("not a date in the given format")]
    Format,
}

/// Writes `text` as a JSON value of `kind` at the end of `json`. `format` is for dates.
///
/// # Errors
/// The text does not parse; `json` is as it was.
pub fn write(kind: FieldType, text: &str, format: Option<&str>, json: &mut String) -> Result<(), Misfit> {
    let text = text.trim();
    match kind {
        FieldType::String => string(text, json),
        FieldType::Integer => {
            let _ = write!(json, "{}", integer(text).ok_or(Misfit::Integer)?);
        }
        FieldType::Float => float(text, json)?,
        FieldType::Boolean => json.push_str(if boolean(text).ok_or(Misfit::Boolean)? { "true" } else { "false" }),
        FieldType::Date => {
            let moment = match format {
                Some(format) => timestamp_in(text, format)?,
                None => timestamp(text)?,
            };
            // Without a fraction, a moment is written as YYYY-MM-DDTHH:MM:SSZ.
            let moment = Timestamp::from_second(moment.as_second()).map_err(|_| Misfit::Date)?;
            let _ = write!(json, "\"{moment}\"");
        }
    }
    Ok(())
}

/// Writes `text` as a JSON string at the end of `json`.
pub fn string(text: &str, json: &mut String) {
    // Without an early end the look at a short text is many bytes at a time.
    let escaped = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, |any, byte| any | escaped(byte)) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        // A text can always be written.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

fn integer(text: &str) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}

fn float(text: &str, json: &mut String) -> Result<(), Misfit> {
    // Most are JSON already: then they need no second look.
    if serde_json::from_str::<f64>(text).is_ok() {
        json.push_str(text);
        return Ok(());
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = text.parse().map_err(|_| Misfit::Float)?;
    if !is_number || !number.is_finite() {
        return Err(Misfit::Float);
    }
    json.push_str(&serde_json::to_string(&number).map_err(|_| Misfit::Float)?);
    Ok(())
}

/// The truth that a text stands for, if it is one of the accepted words.
pub fn boolean(text: &str) -> Option<bool> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if ["true", "1", "yes"].iter().any(is) {
        return Some(true);
    }
    ["false", "0", "no"].iter().any(is).then_some(false)
}

/// A moment in ISO 8601: `2024-03-01`, `2024-03-01T10:00`, `2024-03-01 10:00:00.1234567 +01:00`, ...
fn timestamp(text: &str) -> Result<Timestamp, Misfit> {
    let wrong = || {
        if looks_like_a_date(text) { Misfit::AmbiguousDate } else { Misfit::Date }
    };
    let (date, rest) = text.split_at_checked(10).ok_or_else(wrong)?;
    let is_iso = date.bytes().enumerate().all(
        |(at, byte)| {
            if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() }
        },
    );
    if !is_iso {
        return Err(wrong());
    }
    if rest.is_empty() {
        let date: jiff::civil::Date = date.parse().map_err(|_| Misfit::Date)?;
        return in_utc(date.to_datetime(jiff::civil::Time::midnight()));
    }
    let time = rest.strip_prefix(['T', 't', ' ']).ok_or(Misfit::Date)?;
    // A zone's name after the offset, as in 10:00+01:00[Europe/Oslo], is not ISO 8601.
    if time.contains('[') {
        return Err(Misfit::Date);
    }
    let mut plain = String::with_capacity(32);
    plain.push_str(date);
    plain.push('T');
    without_fraction(time, &mut plain)?;
    if time.contains(['Z', 'z', '+', '-']) {
        plain.parse().map_err(|_| Misfit::Date)
    } else {
        in_utc(plain.parse().map_err(|_| Misfit::Date)?)
    }
}

/// Writes a time without the fraction of its seconds (jiff reads nine digits, exporters write as many as they like)
/// and without space before its zone.
fn without_fraction(time: &str, plain: &mut String) -> Result<(), Misfit> {
    let (clock, rest) = time.split_at(time.find(['.', ',', ' ']).unwrap_or(time.len()));
    let zone = match rest.strip_prefix(['.', ',']) {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() || clock.len() != 8 {
                return Err(Misfit::Date);
            }
            zone
        }
        None => rest,
    };
    plain.push_str(clock);
    plain.push_str(zone.strip_prefix(' ').unwrap_or(zone));
    Ok(())
}

/// A moment in a format that is given; without a zone in UTC, without a time at midnight.
///
/// # Errors
/// The text is not in that format, or the format gives no whole date.
pub(crate) fn timestamp_in(text: &str, format: &str) -> Result<Timestamp, Misfit> {
    let parts = strtime::parse(format, text).map_err(|_| Misfit::Format)?;
    if let Ok(moment) = parts.to_timestamp() {
        return Ok(moment);
    }
    // A zone by its name would be left out without a word.
    if parts.iana_time_zone().is_some() {
        return Err(Misfit::Format);
    }
    in_utc(parts.to_datetime().map_err(|_| Misfit::Format)?).map_err(|_| Misfit::Format)
}

fn in_utc(moment: DateTime) -> Result<Timestamp, Misfit> {
    Offset::UTC.to_timestamp(moment).map_err(|_| Misfit::Date)
}

/// Two or three numbers with `/`, `.` or `-` between them, and whatever follows.
fn looks_like_a_date(text: &str) -> bool {
    let first = text.split(|c: char| c.is_whitespace() || c == 'T').next().unwrap_or_default();
    let parts: Vec<&str> = first.split(['/', '.', '-']).collect();
    parts.len() == 3
        && parts.iter().all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}
