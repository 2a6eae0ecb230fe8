//! A cell's text -> a typed value that no destination has a say in.
//!
//! A value is written as canonical JSON: equal values are equal text, however a file spells them, so a digest of the
//! text is a digest of the value.
//!
//! | type | reads | writes |
//! | --- | --- | --- |
//! | string | any text | a JSON string in Unicode's composed form (NFC) |
//! | integer | an optional sign and digits, a fraction of zeros (`12.0`) | `12` |
//! | float | digits with a point, an exponent; with `decimal: ","` also `1.234,56` | `12.5`, every digit kept |
//! | boolean | [`boolean`]'s words and those of the [`Reading`] | `true`, `false` |
//! | date | ISO 8601, or the given format; no zone means UTC | `"YYYY-MM-DDTHH:MM:SSZ"`, from year 1 to 9999 |
//! | day | the same, of which the time and its zone do not count | `"YYYY-MM-DD"` |
//! | multi_select | texts with `;` between them | a JSON array of strings, sorted, each once |
//!
//! A [`Reader`] is compiled once for each field. The space around a cell and what cannot be seen there never counts.

mod boolean;
mod choices;
mod date;
mod date_format;
mod field_type;
mod misfit;
mod nearest;
mod number;
mod reader;
#[cfg(test)]
mod tests;
mod text;

pub use boolean::boolean;
pub(crate) use date_format::moment_in;
pub use field_type::FieldType;
pub use misfit::{DateFormat, Misfit};
pub use nearest::nearest;
pub use number::Decimal;
pub use reader::{Cell, Reader, Reading};
pub use text::{composed, content, folded, is_invisible, string, trim};

/// Writes `text` as a value of `kind` at the end of `json`, as the configuration's constants and defaults are written:
/// without null words, decimal comma or further boolean words. `format` is for dates.
///
/// # Errors
/// The text does not parse; `json` is as it was.
pub fn write(kind: FieldType, text: &str, format: Option<&str>, json: &mut String) -> Result<(), Misfit> {
    let text = content(text);
    match kind {
        FieldType::String => text::write(text, json),
        FieldType::Integer => number::integer(text, Decimal::Point, json)?,
        FieldType::Float => number::float(text, Decimal::Point, json)?,
        FieldType::Boolean => boolean::write(boolean(text).ok_or(Misfit::Boolean)?, json),
        FieldType::Date => date::write(date_format::moment(text, format)?, json),
        FieldType::Day => date::write_day(date_format::day(text, format)?, json),
        FieldType::MultiSelect => choices::write(text, json),
    }
    Ok(())
}
