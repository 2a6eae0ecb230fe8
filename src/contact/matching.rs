//! An export's matching, compiled for the columns of one file, and what it makes of a row.

use std::borrow::Cow;

use crate::chunk::{FieldOrigin, FieldSpec};
use crate::config::{self, Export, Field, Source};
use crate::segment::clean;
use crate::value::FieldType;

use super::consent::{Condition, Conditions, Consent};
use super::criterion::Criterion;
use super::email;
use super::reject::{Reject, RejectCode};
use crate::value::{self, Cell, Misfit, Reader, Reading, content, nearest};

/// A column that the configuration names and the file does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColumn {
    /// The setting that names it, such as `exports.newsletter.match.first_name`.
    pub path: String,
    pub column: String,
    /// The column of the file that was probably meant.
    pub nearest: Option<String>,
    /// Whether its field has a default, which stands for a key that JSON lines leave out everywhere.
    pub has_default: bool,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchResult {
    /// The contact is to be sent.
    Contact,
    /// A suppression column keeps it from being sent.
    Suppressed,
    /// A required value is missing: blank is not consent.
    NoConsent,
    /// A column of consent is neither true nor false; why, in words.
    UnreadableConsent(String),
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
    /// The stable customer id, where one is mapped and readable: also of a row without a readable email.
    pub id: String,
    /// A value per field of the export, as [`crate::chunk::Row::values`] gives them. Empty unless the outcome is
    /// [`MatchResult::Contact`].
    pub cells: String,
    /// The values that are there, each with its field's name: what their digest is made of. It is the same for the same
    /// values whatever other fields are mapped.
    pub digested: String,
    /// What the row says of opting out, whatever else is wrong with it.
    pub opt_out: OptOut,
}

/// What a row says of opting out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptOut {
    /// Nothing, or that the person did not.
    #[default]
    No,
    /// The person opts out.
    Yes,
    /// It is neither true nor false.
    Unreadable,
}

impl Contact {
    /// Drops every value but the email address, so that the row leaves all other fields as they are.
    pub fn keep_email_only(&mut self) {
        self.cells.clear();
        value::string(&self.email, &mut self.cells);
    }
}

/// An export's matching, compiled for the columns of one file.
#[derive(Clone, Debug)]
pub struct Matching {
    email: usize,
    id: Option<(usize, Reader)>,
    conditions: Conditions,
    fields: Vec<Part>,
    /// The place of the opt-out among the fields.
    opt_out: Option<usize>,
    /// The columns that are read and the file has, with their places.
    read: Vec<(String, usize)>,
}

/// One field to fill.
#[derive(Clone, Debug)]
struct Part {
    /// Its name and type, before its value in what is digested.
    label: String,
    /// How its cells are read.
    reader: Reader,
    /// Whether nothing but true counts (promise 8).
    only_true: bool,
    /// The column's place; `None` of a constant.
    column: Option<usize>,
    /// What an empty cell is sent as, and a constant always: JSON.
    fallback: Option<String>,
    /// The field and the column as a reject's reason names them.
    place: String,
    /// The setting below `match`.
    setting: String,
}

impl Matching {
    /// Compiles the matching of `export` for a file with `columns`; the first of several columns of one name counts.
    ///
    /// # Errors
    /// Every column that the export names and the file does not have. The caller ends with the kind `config`.
    pub fn new(export: &Export, columns: &[String]) -> Result<Self, Vec<UnknownColumn>> {
        let columns = columns.iter().map(|name| clean(name)).collect();
        let mut compiler = Compiler { export: &export.name, columns, unknown: Vec::new() };
        let match_ = &export.match_;
        let email = compiler.place("match.email", &match_.email);
        // A word for nothing is not an id.
        let ids = || Reader::new(FieldType::Integer, None, &export.reading);
        let id = match_.id.as_ref().map(|column| (compiler.place("match.id", column), ids()));
        let suppress = compiler.criteria("suppress", &export.suppress, &export.reading);
        let require = compiler.criteria("require", &export.require, &export.reading);
        let conditions = Conditions { suppress, require };
        let fields: Vec<Part> = match_.fields().map(|(spec, field)| compiler.part(&spec, field)).collect();
        let opt_out = fields.iter().position(|part| part.only_true);
        let read = Self::wanted(export).into_iter().filter_map(|name| Some((compiler.find(&name)?, name)));
        let read = read.map(|(at, name)| (name, at)).collect();
        match compiler.unknown.is_empty() {
            true => Ok(Self { email, id, conditions, fields, opt_out, read }),
            false => Err(compiler.unknown),
        }
    }

    /// The columns that the export's matching reads, each once, the email's first.
    pub fn wanted(export: &Export) -> Vec<String> {
        let match_ = &export.match_;
        let fields = match_.fields().filter_map(|(_, field)| match &field.source {
            Source::Column(column) => Some(column),
            Source::Constant(_) => None,
        });
        let suppress = export.suppress.iter().chain(&export.require).map(|condition| &condition.column);
        let mut wanted: Vec<String> = Vec::new();
        for column in std::iter::once(&match_.email).chain(&match_.id).chain(fields).chain(suppress) {
            if !wanted.contains(column) {
                wanted.push(column.clone());
            }
        }
        wanted
    }

    /// Makes a contact of a row, whose cells `get` returns by the place of their column. A readable no decides where the
    /// email is readable; a reject lists all faults. Replaces what `contact` held.
    pub fn apply<'r>(&self, get: impl Fn(usize) -> &'r str, contact: &mut Contact) -> MatchResult {
        self.read_id(&get, &mut contact.id);
        contact.opt_out = self.opt_out(&get);
        let unaddressed = email::read(get(self.email), &mut contact.email, &mut contact.normal).err();
        let consent = self.conditions.consent(&get);
        let no = match consent {
            Consent::Suppressed => Some(MatchResult::Suppressed),
            Consent::Missing => Some(MatchResult::NoConsent),
            Consent::Given | Consent::Unreadable => None,
        };
        if let Some(no) = no.filter(|_| unaddressed.is_none()) {
            contact.cells.clear();
            contact.digested.clear();
            return no;
        }
        let mut faults = Faults::default();
        faults.reasons.extend(unaddressed.map(|fault| fault.to_string()));
        if consent == Consent::Unreadable {
            let columns = self.conditions.unreadable(&get);
            faults.reasons.extend(columns.map(|column| format!("column {column}: not a boolean")));
        }
        self.values(&get, contact, &mut faults);
        if faults.reasons.is_empty() {
            return MatchResult::Contact;
        }
        let reason = faults.reasons.join("; ");
        match unaddressed {
            Some(fault) => MatchResult::Reject(Reject::new(fault.code(), reason)),
            None if consent == Consent::Unreadable => MatchResult::UnreadableConsent(reason),
            None => MatchResult::Reject(Reject {
                code: RejectCode::InvalidValue,
                reason,
                setting: faults.setting.map(str::to_owned),
            }),
        }
    }

    fn read_id<'r>(&self, get: &impl Fn(usize) -> &'r str, id: &mut String) {
        id.clear();
        if let Some((at, reader)) = &self.id {
            let text = content(get(*at));
            id.push_str(if reader.is_empty(text) { "" } else { text });
        }
    }

    /// The cells that are read, each with its column: what tells a row from others.
    pub fn read_cells<'r>(&self, get: impl Fn(usize) -> &'r str) -> String {
        self.read.iter().map(|(name, at)| format!("{name}\t{}\n", content(get(*at)))).collect()
    }

    /// Whether ids are mapped.
    pub fn has_ids(&self) -> bool {
        self.id.is_some()
    }

    /// Whether rows may say that a person is not to be sent, or opts out.
    pub fn asks_for_consent(export: &Export) -> bool {
        let has_opt_out = export.match_.fields().any(|(spec, _)| is_opt_out(&spec));
        has_opt_out || !export.suppress.is_empty() || !export.require.is_empty() || export.suppression_file.is_some()
    }

    /// What the row says of consent, whatever else is wrong with it.
    pub fn consent<'r>(&self, get: &impl Fn(usize) -> &'r str) -> Consent {
        self.conditions.consent(get)
    }

    /// The number of the condition by which a row is not to be sent: of `suppress`, and behind them of `require`.
    pub fn deciding<'r>(&self, get: &impl Fn(usize) -> &'r str) -> Option<usize> {
        self.conditions.deciding(get)
    }

    /// Fills the fields once more, as if the row itself opted out: another row of the same person does.
    pub fn opt_out_too<'r>(&self, get: impl Fn(usize) -> &'r str, contact: &mut Contact) {
        contact.opt_out = OptOut::Yes;
        self.values(&get, contact, &mut Faults::default());
    }

    /// The cells of a row that holds the email address and the opt-out alone: the contact's other fields stay.
    pub fn opt_out_alone(&self, email: &str, cells: &mut String) {
        value::string(email, cells);
        for part in &self.fields {
            cells.push_str(if part.only_true { "\ttrue" } else { "\t" });
        }
    }

    /// What the row says of opting out.
    fn opt_out<'r>(&self, get: &impl Fn(usize) -> &'r str) -> OptOut {
        let Some(part) = self.opt_out.and_then(|at| self.fields.get(at)) else { return OptOut::No };
        match part.reader.truth(part.column.map(get).unwrap_or_default()) {
            Ok(Some(true)) => OptOut::Yes,
            Ok(None) if part.fallback.as_deref() == Some("true") => OptOut::Yes,
            Ok(_) => OptOut::No,
            Err(_) => OptOut::Unreadable,
        }
    }

    /// The fields' values, where nothing is wrong with them; else what is, behind `faults`.
    fn values<'r, 'm>(&'m self, get: &impl Fn(usize) -> &'r str, contact: &mut Contact, faults: &mut Faults<'m>) {
        contact.cells.clear();
        contact.digested.clear();
        self.fill(get, contact, faults);
        if !faults.reasons.is_empty() {
            contact.cells.clear();
            contact.digested.clear();
        }
    }

    /// Fills the fields; adds all faults.
    fn fill<'r, 'm>(&'m self, get: &impl Fn(usize) -> &'r str, contact: &mut Contact, faults: &mut Faults<'m>) {
        let Contact { email, normal, cells, digested, opt_out, .. } = contact;
        value::string(email, cells);
        // Another spelling of the same address changes nothing.
        value::string(normal, digested);
        for part in &self.fields {
            cells.push('\t');
            let begin = cells.len();
            match opt_out {
                OptOut::Yes if part.only_true => cells.push_str("true"),
                OptOut::No if part.only_true => {}
                _ => {
                    if let Err(fault) = part.write(get, cells) {
                        faults.reasons.push(format!("{}: {fault}", part.place));
                        faults.setting = faults.setting.or(fault.proposes().then_some(&part.setting));
                    }
                }
            }
            let value = cells.get(begin..).unwrap_or_default();
            if !value.is_empty() {
                digested.push_str(&part.label);
                digested.push_str(value);
            }
        }
    }
}

/// What is wrong with a row.
#[derive(Default)]
struct Faults<'m> {
    /// Each fault, in words.
    reasons: Vec<String>,
    /// The setting of the first field whose fault proposes what to add to it.
    setting: Option<&'m str>,
}

impl Part {
    /// Writes the value; nothing where there is none.
    fn write<'r>(&self, get: &impl Fn(usize) -> &'r str, out: &mut String) -> Result<(), Misfit> {
        let cell = self.column.map(get).unwrap_or_default();
        if self.reader.read(cell, out)? == Cell::Empty
            && let Some(fallback) = &self.fallback
        {
            out.push_str(fallback);
        }
        Ok(())
    }
}

struct Compiler<'a> {
    export: &'a str,
    /// As they are compared.
    columns: Vec<Cow<'a, str>>,
    unknown: Vec<UnknownColumn>,
}

impl Compiler<'_> {
    fn find(&self, column: &str) -> Option<usize> {
        let column = clean(column);
        self.columns.iter().position(|known| *known == column)
    }

    fn criteria(&mut self, setting: &str, conditions: &[config::Condition], reading: &Reading) -> Vec<Condition> {
        let compile = |(index, condition): (usize, &config::Condition)| Condition {
            place: self.place(&format!("{setting}[{index}].column"), &condition.column),
            column: condition.column.clone(),
            criterion: Criterion::new(&condition.equals, reading),
        };
        conditions.iter().enumerate().map(compile).collect()
    }

    fn place(&mut self, setting: &str, column: &str) -> usize {
        self.find(column).unwrap_or_else(|| {
            let path = format!("exports.{}.{setting}", self.export);
            let nearest = nearest(column, self.columns.iter().map(Cow::as_ref)).map(str::to_owned);
            self.unknown.push(UnknownColumn { path, column: column.to_owned(), nearest, has_default: false });
            0
        })
    }

    fn place_of(&mut self, setting: &str, column: &str, field: &Field) -> usize {
        let known = self.unknown.len();
        let place = self.place(&format!("match.{setting}"), column);
        self.unknown.iter_mut().skip(known).for_each(|column| column.has_default = field.default.is_some());
        place
    }

    fn part(&mut self, spec: &FieldSpec, field: &Field) -> Part {
        let kind = spec.field_type;
        let is_custom = spec.origin == FieldOrigin::Custom;
        let setting = if is_custom { format!("custom.{}", spec.name) } else { spec.name.clone() };
        let mut fallback = None;
        let (column, place) = match &field.source {
            Source::Column(name) => {
                let is_absent = field.optional && self.find(name).is_none();
                let place = (!is_absent).then(|| self.place_of(&setting, name, field));
                fallback = field.default.as_deref().and_then(|text| json(kind, text));
                // A file that lacks the column says nothing of the field.
                if fallback.is_none() && field.clear_empty && !is_absent {
                    fallback = Some("null".to_owned());
                }
                (place, format!("{setting}: column {name}"))
            }
            Source::Constant(text) => {
                fallback = fallback.or_else(|| json(kind, text));
                (None, setting.clone())
            }
        };
        Part {
            label: format!("\n{setting}\t{}\t", kind.name()),
            reader: field.reader(kind),
            only_true: is_opt_out(spec),
            column,
            fallback,
            place,
            setting,
        }
    }
}

/// Whether nothing but true counts for a field (promise 8).
fn is_opt_out(spec: &FieldSpec) -> bool {
    spec.origin != FieldOrigin::Custom && spec.name == "unsubscribed"
}

/// A constant or default as JSON. The configuration has been checked, so it fits.
fn json(kind: FieldType, text: &str) -> Option<String> {
    let mut json = String::new();
    value::write(kind, text, None, &mut json).ok().map(|()| json)
}
