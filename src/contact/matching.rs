//! An export's matching, compiled for the columns of one file, and what it makes of a row.

use crate::config::{Export, Field, Source, nearest};
use crate::value::FieldType;

use super::email;
use super::reject::{Reject, RejectCode};
use crate::value;

/// A column that the configuration names and the file does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColumn {
    /// The setting that names it, such as `exports.newsletter.match.first_name`.
    pub path: String,
    /// The column.
    pub column: String,
    /// The column of the file that was probably meant.
    pub nearest: Option<String>,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The contact is to be sent.
    Contact,
    /// A suppression column keeps it from being sent.
    Suppressed,
    /// It cannot be sent.
    Reject(Reject),
}

/// A contact, in buffers that are used again for the next row.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// The email as it is sent: as written, trimmed.
    pub email: String,
    /// The email as it is compared: in lower case. Filled whenever the email is valid, also of a row that is rejected
    /// for another field or suppressed; otherwise empty.
    pub normal: String,
    /// The JSON object for Autopilot, in a fixed order of fields. Empty unless the outcome is [`Outcome::Contact`].
    pub body: String,
}

/// An export's matching, compiled for the columns of one file.
#[derive(Clone, Debug)]
pub struct Matching {
    email: usize,
    suppress: Vec<(usize, String)>,
    standard: Vec<Part>,
    unsubscribed: Option<Part>,
    custom: Vec<Part>,
}

/// One field to fill.
#[derive(Clone, Debug)]
struct Part {
    /// `"Name":`, ready to be written.
    key: String,
    kind: FieldType,
    /// The column's place; `None` of a constant.
    column: Option<usize>,
    /// What an empty cell is sent as, and a constant always: JSON.
    fallback: Option<String>,
    format: Option<String>,
    /// The field and the column as a reject's reason names them.
    place: String,
}

impl Matching {
    /// Compiles the matching of `export` for a file with `columns`; the first of several columns of one name counts.
    /// `membership_field` names a boolean custom field to be sent as true with every contact.
    ///
    /// # Errors
    /// Every column that the export names and the file does not have. The caller ends with the kind `segment`.
    pub fn new(
        export: &Export,
        columns: &[String],
        membership_field: Option<&str>,
    ) -> Result<Self, Vec<UnknownColumn>> {
        let mut compiler = Compiler { export: &export.name, columns, unknown: Vec::new() };
        let match_ = &export.match_;
        let email = compiler.place("match.email", &match_.email);
        let suppress = export.suppress.iter().enumerate().map(|(index, suppress)| {
            let place = compiler.place(&format!("suppress[{index}].column"), &suppress.column);
            (place, suppress.equals.text().trim().to_lowercase())
        });
        let suppress = suppress.collect();
        let standard = match_.standard.iter();
        let standard = standard.map(|(field, how)| compiler.part(field.setting, field.wire, field.kind, how)).collect();
        let unsubscribed = match_.unsubscribed.as_ref();
        let unsubscribed =
            unsubscribed.map(|how| compiler.part("unsubscribed", "unsubscribed", FieldType::Boolean, how));
        let custom = match_.custom.iter().map(|(name, custom)| {
            compiler.part(&format!("custom.{name}"), &custom_key(custom.kind, name), custom.kind, &custom.field)
        });
        let mut custom: Vec<Part> = custom.collect();
        custom.extend(membership_field.map(member));
        custom.sort_by(|a, b| a.key.cmp(&b.key));
        match compiler.unknown.is_empty() {
            true => Ok(Self { email, suppress, standard, unsubscribed, custom }),
            false => Err(compiler.unknown),
        }
    }

    /// The columns that the export's matching reads, each once, the email's first.
    pub fn wanted(export: &Export) -> Vec<String> {
        let match_ = &export.match_;
        let standard = match_.standard.iter().map(|(_, field)| field);
        let custom = match_.custom.values().map(|custom| &custom.field);
        let fields = standard.chain(&match_.unsubscribed).chain(custom).filter_map(|field| match &field.source {
            Source::Column(column) => Some(column),
            Source::Constant(_) => None,
        });
        let suppress = export.suppress.iter().map(|suppress| &suppress.column);
        let mut wanted: Vec<String> = Vec::new();
        for column in std::iter::once(&match_.email).chain(fields).chain(suppress) {
            if !wanted.contains(column) {
                wanted.push(column.clone());
            }
        }
        wanted
    }

    /// Makes a contact of a row, whose cells `get` returns by the place of their column. Checks in this order: email,
    /// suppression, values; the first that fails decides. Replaces what `contact` held.
    pub fn apply<'r>(&self, get: impl Fn(usize) -> &'r str, contact: &mut Contact) -> Outcome {
        let Contact { email, normal, body } = contact;
        email.clear();
        normal.clear();
        body.clear();
        email.push_str(get(self.email).trim());
        if email.is_empty() {
            return reject(RejectCode::MissingEmail, "the email is empty".to_owned());
        }
        if !email::is_valid(email) {
            return reject(RejectCode::InvalidEmail, "the email is not a valid address".to_owned());
        }
        email::normalise(email, normal);
        if self.suppress.iter().any(|(place, equals)| equal(get(*place).trim(), equals)) {
            return Outcome::Suppressed;
        }
        match self.fill(&get, email, body) {
            Ok(()) => Outcome::Contact,
            Err(reason) => {
                body.clear();
                reject(RejectCode::InvalidValue, reason)
            }
        }
    }

    fn fill<'r>(&self, get: &impl Fn(usize) -> &'r str, email: &str, body: &mut String) -> Result<(), String> {
        body.push_str("{\"Email\":");
        value::string(email, body);
        for part in &self.standard {
            part.write(get, ",", body)?;
        }
        if let Some(part) = &self.unsubscribed
            && part.is_true(get)?
        {
            body.push_str(",\"unsubscribed\":true");
        }
        let mut before = ",\"custom\":{";
        for part in &self.custom {
            if part.write(get, before, body)? {
                before = ",";
            }
        }
        body.push_str(if before == "," { "}}" } else { "}" });
        Ok(())
    }
}

impl Part {
    fn cell<'r>(&self, get: &impl Fn(usize) -> &'r str) -> &'r str {
        self.column.map(|place| get(place).trim()).unwrap_or_default()
    }

    /// Writes `before`, the key and the value, and says so; or nothing at all, where there is no value.
    fn write<'r>(&self, get: &impl Fn(usize) -> &'r str, before: &str, body: &mut String) -> Result<bool, String> {
        let cell = self.cell(get);
        if cell.is_empty() && self.fallback.is_none() {
            return Ok(false);
        }
        body.push_str(before);
        body.push_str(&self.key);
        match &self.fallback {
            Some(fallback) if cell.is_empty() => body.push_str(fallback),
            _ => value::write(self.kind, cell, self.format.as_deref(), body)
                .map_err(|misfit| format!("{}: {misfit}", self.place))?,
        }
        Ok(true)
    }

    /// Whether a boolean is true. Nothing but true ever leaves the opt-out, so it is not written by `write`.
    fn is_true<'r>(&self, get: &impl Fn(usize) -> &'r str) -> Result<bool, String> {
        let cell = self.cell(get);
        if cell.is_empty() {
            return Ok(self.fallback.as_deref() == Some("true"));
        }
        value::boolean(cell).ok_or_else(|| format!("{}: {}", self.place, value::Misfit::Boolean))
    }
}

struct Compiler<'a> {
    export: &'a str,
    columns: &'a [String],
    unknown: Vec<UnknownColumn>,
}

impl Compiler<'_> {
    fn place(&mut self, setting: &str, column: &str) -> usize {
        self.columns.iter().position(|known| known == column).unwrap_or_else(|| {
            let path = format!("exports.{}.{setting}", self.export);
            let nearest = nearest(column, self.columns.iter().map(String::as_str)).map(str::to_owned);
            self.unknown.push(UnknownColumn { path, column: column.to_owned(), nearest });
            0
        })
    }

    fn part(&mut self, setting: &str, wire: &str, kind: FieldType, field: &Field) -> Part {
        let mut fallback = None;
        let (column, place) = match &field.source {
            Source::Column(name) => {
                let place = self.place(&format!("match.{setting}"), name);
                fallback = field.default.as_deref().and_then(|text| json(kind, text));
                if fallback.is_none() && field.clear_empty {
                    fallback = Some("null".to_owned());
                }
                (Some(place), format!("{setting}: column {name}"))
            }
            Source::Constant(text) => {
                fallback = fallback.or_else(|| json(kind, text));
                (None, setting.to_owned())
            }
        };
        Part { key: key(wire), kind, column, fallback, format: field.format.clone(), place }
    }
}

/// A constant or default as JSON. The configuration has been checked, so it fits.
fn json(kind: FieldType, text: &str) -> Option<String> {
    let mut json = String::new();
    value::write(kind, text, None, &mut json).ok().map(|()| json)
}

fn member(name: &str) -> Part {
    let kind = FieldType::Boolean;
    let fallback = Some("true".to_owned());
    Part { key: key(&custom_key(kind, name)), kind, column: None, fallback, format: None, place: String::new() }
}

/// A custom field's key: `type--Name`, with `--` for every space.
/// Source: recorded requests of the vendor's own Ruby client.
pub fn custom_key(kind: FieldType, name: &str) -> String {
    format!("{}--{}", kind.name(), name.replace(' ', "--"))
}

fn key(wire: &str) -> String {
    let mut key = String::new();
    value::string(wire, &mut key);
    key.push(':');
    key
}

fn equal(cell: &str, lower: &str) -> bool {
    cell == lower || cell.eq_ignore_ascii_case(lower) || (!cell.is_ascii() && cell.to_lowercase() == lower)
}

fn reject(code: RejectCode, reason: String) -> Outcome {
    Outcome::Reject(Reject { code, reason })
}
