//! A value as sent, for one field -> what to do with it, or why the row is invalid.

use serde_json::{Map, Value, json};

use super::change::{Change, odd, wrong};
use super::field_type::FieldType;
use super::fields::{Access, Field};
use super::phone;
use crate::sandbox::options::{Odd, OrttoOptions};

/// Longest string, and longest text of the type `large_text`, in characters.
///
/// Source: `docs/ORTTO_API.md` 3.
const STRING_CHARACTERS: usize = 255;
const LARGE_TEXT_CHARACTERS: usize = 4000;
/// Largest object.
///
/// Source: `docs/ORTTO_API.md` 3.
const OBJECT_BYTES: usize = 15_000;

/// Checks a value. Null clears.
pub(super) fn check(field: &Field, value: Value, options: &OrttoOptions) -> Result<Change, String> {
    if field.access == Access::ReadOnly {
        // Source: docs/ORTTO_API.md 2.2, refused even with its unchanged value.
        return Err(format!("can not apply mutation for {}", field.id));
    }
    if value.is_null() {
        return Ok(Change::Clear);
    }
    match field.field_type {
        FieldType::Text | FieldType::Link => text(field, value, STRING_CHARACTERS, options),
        FieldType::LargeText => text(field, value, LARGE_TEXT_CHARACTERS, options),
        FieldType::Email => email(field, value, options),
        FieldType::Language => language(field, value, options),
        FieldType::SingleSelect => single(field, value, options),
        FieldType::MultiSelect => multi(field, value, options),
        FieldType::Integer | FieldType::Decimal | FieldType::Currency => number(field, value, options),
        FieldType::Bool if value.is_boolean() => Ok(Change::Set(value)),
        FieldType::Date => date(field, &value),
        FieldType::Time if is_time(&value) => Ok(Change::Set(value)),
        FieldType::Phone => phone::check(field, &value, options.odd_phones),
        FieldType::Geo => geo(field, &value, options),
        FieldType::Object if value.to_string().len() <= OBJECT_BYTES => Ok(Change::Set(value)),
        FieldType::Bool | FieldType::Time | FieldType::Object => Err(wrong(field)),
    }
}

fn text(field: &Field, value: Value, most: usize, options: &OrttoOptions) -> Result<Change, String> {
    let Value::String(text) = value else { return Err(wrong(field)) };
    if text.chars().count() <= most {
        return Ok(Change::Set(text.into()));
    }
    odd(field, options.long_strings, || Change::Set(text.chars().take(most).collect::<String>().into()))
}

fn email(field: &Field, value: Value, options: &OrttoOptions) -> Result<Change, String> {
    let is_email = value.as_str().is_some_and(|text| {
        let parts = text.rsplit_once('@');
        !text.contains(char::is_whitespace)
            && parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
    });
    if is_email { text(field, value, STRING_CHARACTERS, options) } else { Err(wrong(field)) }
}

/// Two letters that name no language. Source: ISO 639-1.
const NO_LANGUAGES: [&str; 2] = ["xx", "zz"];

/// The list of languages is closed; which ones are on it is not attested but for their form: `en`, `pt-br`.
fn language(field: &Field, value: Value, options: &OrttoOptions) -> Result<Change, String> {
    let Some(text) = value.as_str() else { return Err(wrong(field)) };
    let is_part = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let known = match text.split_once('-') {
        None => is_part(text) && !NO_LANGUAGES.contains(&text),
        Some((language, country)) => is_part(language) && is_part(country) && !NO_LANGUAGES.contains(&language),
    };
    if known { Ok(Change::Set(value)) } else { odd(field, options.unknown_languages, || Change::Set(value)) }
}

fn single(field: &Field, value: Value, options: &OrttoOptions) -> Result<Change, String> {
    let Some(choice) = value.as_str().map(str::to_owned) else { return Err(wrong(field)) };
    if field.choices.contains(&choice) {
        return Ok(Change::Set(value));
    }
    odd(field, options.unknown_choices, || Change::SetNewChoices(value, vec![choice]))
}

fn multi(field: &Field, value: Value, options: &OrttoOptions) -> Result<Change, String> {
    let Value::Array(items) = value else { return Err(wrong(field)) };
    let choices: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    let choices = choices.ok_or_else(|| wrong(field))?;
    let (known, new): (Vec<String>, Vec<String>) = choices.into_iter().partition(|one| field.choices.contains(one));
    if new.is_empty() {
        return Ok(Change::Set(known.into()));
    }
    match options.unknown_choices {
        Odd::Refuse => Err(wrong(field)),
        Odd::Ignore => Ok(Change::Set(known.into())),
        Odd::Accept => Ok(Change::SetNewChoices(items.into(), new)),
    }
}

/// Decimals arrive as thousandths, so that every number is an integer.
fn number(field: &Field, value: Value, options: &OrttoOptions) -> Result<Change, String> {
    match value.as_f64() {
        _ if value.is_i64() => Ok(Change::Set(value)),
        Some(float) if value.is_f64() => odd(field, options.floats, || Change::Set(json!(float as i64))),
        _ => Err(wrong(field)),
    }
}

/// `{"year":2024,"month":3,"day":1,"timezone":"Europe/Oslo"}`; the time zone may be left out.
fn date(field: &Field, value: &Value) -> Result<Change, String> {
    let part = |name| value.get(name).and_then(Value::as_i64);
    let date = (|| {
        let (year, month, day) = (part("year")?, part("month")?, part("day")?);
        jiff::civil::Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
    })();
    let zone = value.get("timezone").map_or(Some("UTC"), Value::as_str);
    let (Some(date), Some(zone)) = (date, zone) else { return Err(wrong(field)) };
    Ok(Change::Set(json!({ "year": date.year(), "month": date.month(), "day": date.day(), "timezone": zone })))
}

/// RFC 3339 with `Z` or an offset.
fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
}

/// `{"name":"Oslo"}`. An empty object does nothing; two letters count as an ISO code rather than a name.
fn geo(field: &Field, value: &Value, options: &OrttoOptions) -> Result<Change, String> {
    let Some(object) = value.as_object() else { return Err(wrong(field)) };
    let name = match object.get("name") {
        None => return Ok(Change::Nothing),
        Some(name) => name.as_str().ok_or_else(|| wrong(field))?,
    };
    let place = Map::from_iter([("name".to_owned(), name.into())]);
    if name.chars().count() > 2 {
        return Ok(Change::Set(place.into()));
    }
    odd(field, options.unknown_places, || Change::Set(place.into()))
}
