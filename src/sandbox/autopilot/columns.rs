//! The names of fields, each kept once, so that a contact holds small numbers instead of names.

use std::collections::HashMap;

/// The type of a custom field.
///
/// Source: `docs/AUTOPILOT_API.md` 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldType {
    String,
    Integer,
    Float,
    Boolean,
    Date,
}

impl FieldType {
    pub(super) fn read(text: &str) -> Option<Self> {
        Some(match text {
            "string" => Self::String,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Date => "date",
        }
    }
}

/// A field of contacts.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: Box<str>,
    /// `None`: a top-level field, standard or free.
    pub(super) custom: Option<FieldType>,
}

/// All fields seen so far, by number.
#[derive(Debug, Default)]
pub(super) struct Columns {
    all: Vec<Column>,
    top: HashMap<Box<str>, u32>,
    custom: HashMap<Box<str>, u32>,
}

impl Columns {
    pub(super) fn get(&self, number: u32) -> Option<&Column> {
        self.all.get(number as usize)
    }

    /// The number of a top-level field, new or known.
    pub(super) fn top(&mut self, name: &str) -> u32 {
        if let Some(number) = self.top.get(name) {
            return *number;
        }
        let number = self.push(name, None);
        self.top.insert(name.into(), number);
        number
    }

    /// The number of a custom field. `None` if it has another type, or does not exist and may not be created.
    pub(super) fn custom(&mut self, name: &str, kind: FieldType, create: bool) -> Option<u32> {
        if let Some(number) = self.custom.get(name) {
            let same = self.get(*number).is_some_and(|column| column.custom == Some(kind));
            return same.then_some(*number);
        }
        if !create {
            return None;
        }
        let number = self.push(name, Some(kind));
        self.custom.insert(name.into(), number);
        Some(number)
    }

    /// The custom fields, in the order in which they were declared.
    pub(super) fn customs(&self) -> impl Iterator<Item = (&str, FieldType)> {
        self.all.iter().filter_map(|column| column.custom.map(|kind| (&*column.name, kind)))
    }

    fn push(&mut self, name: &str, custom: Option<FieldType>) -> u32 {
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(Column { name: name.into(), custom });
        number
    }
}
