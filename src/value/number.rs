//! Numbers: integers of 64 bits, and decimal numbers with every digit that the file has.

use std::borrow::Cow;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::Misfit;

/// The character before a number's fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Decimal {
    /// `1234.56`, without separators of thousands.
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `1234,56`, with points or spaces between thousands, or nothing.
    #[serde(rename = ",")]
    Comma,
}

/// Numbers with more digits than this before the point, or with more than [`ZEROS`] zeros behind it, are written with
/// an exponent.
const WHOLE_DIGITS: i64 = 21;
const ZEROS: i64 = 6;

/// Digits before the point of the largest number that 64 bits hold with a fraction.
const LARGEST: i64 = 309;

/// Writes a whole number.
///
/// # Errors
/// It is not one, or does not fit 64 bits.
pub(super) fn integer(text: &str, decimal: Decimal, json: &mut String) -> Result<(), Misfit> {
    if is_canonical(text) && !text.contains('.') {
        json.push_str(text);
        return Ok(());
    }
    let number = with_point(text, decimal).and_then(|text| {
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
            Some(_) => return None,
            None => &text,
        };
        whole.parse::<i64>().ok()
    });
    let _ = write!(json, "{}", number.ok_or_else(|| sign_misfit(text).unwrap_or(Misfit::Integer))?);
    Ok(())
}

/// Writes a number in the one form that all equal numbers have: no plus, no zeros at its ends, `0` for every zero.
///
/// # Errors
/// It is not a number, or not a finite one.
pub(super) fn float(text: &str, decimal: Decimal, json: &mut String) -> Result<(), Misfit> {
    if is_canonical(text) && (decimal == Decimal::Point || !text.contains('.')) {
        json.push_str(text);
        return Ok(());
    }
    let is_written = with_point(text, decimal).and_then(|text| Number::parse(&text)?.write(json));
    is_written.ok_or_else(|| {
        let with_comma = || with_point(text, Decimal::Comma).is_some_and(|text| Number::parse(&text).is_some());
        let has_comma = decimal == Decimal::Point && text.contains(',') && with_comma();
        let misfit = if has_comma { Misfit::DecimalComma } else { Misfit::Float };
        sign_misfit(text).unwrap_or(misfit)
    })
}

/// Whether a text is already the one form of its number, as most are; of some it is not said. 64 bits hold it without
/// its point.
fn is_canonical(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let (mut points, mut others) = (0, 0);
    for byte in digits {
        points += u32::from(*byte == b'.');
        others += u32::from(!byte.is_ascii_digit() && *byte != b'.');
    }
    let has_end = |end: Option<&u8>| matches!(end, Some(b'1'..=b'9'));
    let is_whole = points == 0 && has_end(digits.first());
    let is_fraction = points == 1 && has_end(digits.first()) && has_end(digits.last());
    others == 0 && digits.len() <= 18 && (is_whole || is_fraction)
}

/// A number's text with a decimal point and nothing between thousands; `None` where the separators do not fit.
fn with_point(text: &str, decimal: Decimal) -> Option<Cow<'_, str>> {
    let is_plain = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    if decimal == Decimal::Point || text.bytes().all(is_plain) {
        return Some(Cow::Borrowed(text));
    }
    let (whole, fraction) = text.split_once(',').unwrap_or((text, ""));
    let is_separator = |c: char| matches!(c, '.' | ' ' | '\u{a0}' | '\u{202f}');
    let mut plain = String::with_capacity(text.len());
    match whole.find(is_separator) {
        None => plain.push_str(whole),
        Some(at) => {
            let separator = whole.get(at..)?.chars().next()?;
            let mut groups = whole.split(separator);
            let first = groups.next()?;
            let digits = first.trim_start_matches(['+', '-']);
            if !(1..=3).contains(&digits.len()) || digits.starts_with('0') {
                return None;
            }
            plain.push_str(first);
            for group in groups {
                if group.len() != 3 || !group.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                plain.push_str(group);
            }
        }
    }
    if text.contains(',') {
        plain.push('.');
        plain.push_str(fraction);
    }
    Some(Cow::Owned(plain))
}

/// The parts of a number's text.
struct Number<'t> {
    is_negative: bool,
    whole: &'t str,
    fraction: &'t str,
    exponent: i64,
}

impl<'t> Number<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
            None => (unsigned, 0),
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = is_digits(whole) && is_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
        is_number.then_some(Self { is_negative: text.starts_with('-'), whole, fraction, exponent: exponent.into() })
    }

    /// Writes it; `None`, and nothing, where it is not finite.
    fn write(&self, json: &mut String) -> Option<()> {
        let whole = self.whole.trim_start_matches('0');
        let fraction = self.fraction.trim_end_matches('0');
        if whole.is_empty() && fraction.is_empty() {
            json.push('0');
            return Some(());
        }
        // The place of the point, counted from the first digit that is not zero.
        let zeros = if whole.is_empty() { fraction.len() - fraction.trim_start_matches('0').len() } else { 0 };
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + self.exponent;
        if point > LARGEST {
            return None;
        }
        let sign = if self.is_negative { "-" } else { "" };
        let is_plain = (-ZEROS..=WHOLE_DIGITS).contains(&point);
        if self.exponent == 0 && is_plain {
            json.push_str(sign);
            json.push_str(if whole.is_empty() { "0" } else { whole });
            if !fraction.is_empty() {
                json.push('.');
                json.push_str(fraction);
            }
            return Some(());
        }
        let digits = [whole, fraction].concat();
        let digits = digits.trim_matches('0');
        let number = if is_plain { plainly(digits, point) } else { with_exponent(digits, point) };
        if point == LARGEST && !number.parse::<f64>().is_ok_and(f64::is_finite) {
            return None;
        }
        json.push_str(sign);
        json.push_str(&number);
        Some(())
    }
}

fn plainly(digits: &str, point: i64) -> String {
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
    match usize::try_from(point).ok().filter(|point| *point > 0) {
        None => format!("0.{}{digits}", zeros(-point)),
        Some(place) => match digits.split_at_checked(place) {
            Some((whole, "")) => whole.to_owned(),
            Some((whole, fraction)) => format!("{whole}.{fraction}"),
            None => format!("{digits}{}", zeros(point - i64::try_from(digits.len()).unwrap_or(point))),
        },
    }
}

fn with_exponent(digits: &str, point: i64) -> String {
    let exponent = point - 1;
    match digits.split_at_checked(1) {
        Some((first, rest)) if !rest.is_empty() => format!("{first}.{rest}e{exponent}"),
        _ => format!("{digits}e{exponent}"),
    }
}

/// The sign that makes a number more than a number.
fn sign_misfit(text: &str) -> Option<Misfit> {
    text.chars().find_map(|c| match c {
        '%' | '\u{66a}' | '\u{fe6a}' | '\u{ff05}' => Some(Misfit::Percent),
        _ if is_currency(c) => Some(Misfit::Currency),
        _ => None,
    })
}

/// Unicode's currency signs. Source: Unicode 17, general category Sc, those of living scripts.
fn is_currency(c: char) -> bool {
    let others = "$֏؋৲৳৻૱௹฿៛꠸﷼﹩＄￠￡￥￦";
    matches!(c, '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}') || others.contains(c)
}
