//! Reads a JSON tree key by key and gathers every fault on the way.
//!
//! An [`Object`] remembers which keys it was asked for: those are the known ones, and [`Object::done`] reports the
//! rest. So a key cannot be read without being known, nor known without being read.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::checks::looks_like_a_key;
use super::fault::{Fault, shown};
use crate::value::nearest;

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, path: &str, what: impl Into<String>, hint: Option<String>) {
        self.0.borrow_mut().push(Fault { path: path.to_owned(), what: what.into(), hint });
    }

    pub(super) fn into_list(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}

/// One value of the tree, with its path.
pub(super) struct Entry<'v> {
    pub(super) value: &'v Value,
    pub(super) path: String,
    faults: &'v Faults,
}

/// One object of the tree, being read.
pub(super) struct Object<'v> {
    pub(super) path: String,
    map: &'v Map<String, Value>,
    asked: Vec<&'static str>,
    faults: &'v Faults,
}

impl<'v> Entry<'v> {
    pub(super) fn root(value: &'v Value, faults: &'v Faults) -> Self {
        Self { value, path: String::new(), faults }
    }

    /// Reports that something is wrong with this value.
    pub(super) fn fault(&self, what: impl Into<String>) {
        self.faults.add(self.place(), what, None);
    }

    /// Reports it, and says what to do.
    pub(super) fn fault_with(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.faults.add(self.place(), what, Some(hint.into()));
    }

    /// Reports that something is wrong with a part of this value.
    pub(super) fn fault_below(&self, path: &str, what: impl Into<String>) {
        self.faults.add(&format!("{}.{path}", self.path), what, None);
    }

    /// The same, with what to do.
    pub(super) fn fault_below_with(&self, path: &str, what: impl Into<String>, hint: &str) {
        self.faults.add(&format!("{}.{path}", self.path), what, Some(hint.to_owned()));
    }

    fn place(&self) -> &str {
        if self.path.is_empty() { "the file" } else { &self.path }
    }

    fn wrong<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.fault(format!("must be {wanted}, not {found}"));
        None
    }

    /// A text with something in it.
    pub(super) fn text(&self) -> Option<String> {
        match self.value.as_str() {
            Some(text) if text.trim().is_empty() => {
                self.fault("is empty");
                None
            }
            Some(text) => Some(text.to_owned()),
            None => self.wrong("a text"),
        }
    }

    /// The name of a secret.
    pub(super) fn secret(&self) -> Option<String> {
        let text = self.text()?;
        if looks_like_a_key(&text) {
            self.fault_with("looks like a key itself", "give the name of the secret, and renew the key");
        }
        Some(text)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong("true or false"))
    }

    pub(super) fn number(&self) -> Option<f64> {
        self.value.as_f64().or_else(|| self.wrong("a number"))
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self) -> Option<f64> {
        let share = self.number()?;
        if !(0.0..=1.0).contains(&share) {
            self.fault("must be a share from 0 to 1");
        }
        Some(share)
    }

    /// A whole number within `range`.
    pub(super) fn whole(&self, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        if !self.value.is_number() {
            return self.wrong("a whole number");
        }
        let number = self.value.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.fault(match *most {
                u64::MAX => format!("must be a whole number of at least {least}"),
                _ => format!("must be a whole number from {least} to {most}"),
            });
        }
        number
    }

    /// A text, number or boolean, as text.
    pub(super) fn scalar(&self) -> Option<String> {
        match self.value {
            Value::String(_) => self.text(),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => self.wrong("a text, a number, true or false"),
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.value.as_str().or_else(|| self.wrong("a text"))?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(format!("must be one of {}", all.join(", ")));
        }
        found
    }

    pub(super) fn list(&self) -> Vec<Entry<'v>> {
        let Some(items) = self.value.as_array() else {
            return self.wrong::<Vec<Entry<'v>>>("a list").unwrap_or_default();
        };
        let at = |(index, value)| Entry { value, path: format!("{}[{index}]", self.path), faults: self.faults };
        items.iter().enumerate().map(at).collect()
    }

    /// An object whose keys are names that the file gives.
    pub(super) fn named(&self) -> Vec<(&'v str, Entry<'v>)> {
        let Some(map) = self.value.as_object() else {
            return self.wrong::<Vec<(&str, Entry<'v>)>>("an object").unwrap_or_default();
        };
        let at = |(key, value): (&'v String, &'v Value)| {
            (key.as_str(), Entry { value, path: join(&self.path, key), faults: self.faults })
        };
        map.iter().map(at).collect()
    }

    /// An object whose keys the program knows.
    pub(super) fn object(&self) -> Option<Object<'v>> {
        self.object_as("an object")
    }

    /// The same, where something else is accepted too and `wanted` says all of it.
    pub(super) fn object_as(&self, wanted: &str) -> Option<Object<'v>> {
        let map = self.value.as_object().or_else(|| self.wrong(wanted))?;
        Some(Object { path: self.path.clone(), map, asked: Vec::new(), faults: self.faults })
    }
}

impl<'v> Object<'v> {
    /// The value of `key`, where it is given; `null` counts as not given.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Entry<'v>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(Entry { value, path: join(&self.path, key), faults: self.faults })
    }

    /// The value of `key`, which must be given.
    pub(super) fn need(&mut self, key: &'static str) -> Option<Entry<'v>> {
        let entry = self.get(key);
        if entry.is_none() {
            self.faults.add(&join(&self.path, key), "is missing", None);
        }
        entry
    }

    /// Reports that something is wrong with the object as a whole.
    pub(super) fn fault(&self, what: impl Into<String>) {
        self.faults.add(&self.path, what, None);
    }

    /// Reports every key that was not asked for.
    pub(super) fn done(self) {
        for key in self.map.keys().filter(|key| !self.asked.contains(&key.as_str())) {
            let hint = match nearest(key, self.asked.iter().copied()) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            self.faults.add(&join(&self.path, key), "is not a known key", Some(hint));
        }
    }
}

fn join(path: &str, key: &str) -> String {
    let key = shown(key);
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
