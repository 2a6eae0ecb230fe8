//! JSON lines: one object per line.
//!
//! Columns are the keys of the objects in the first 64 KiB, in order of first appearance, then what a `model.json`
//! names besides, then what is wanted and not among them: a writer may leave out what is null, and a key may come late.
//! Which keys any row had is known at the end. Strings are taken as they are, null as empty, numbers and booleans as
//! their text, arrays and objects as their JSON; a key that a row does not have is empty there.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::encoding::MARK;
use super::names::{END_OF_FILE, is_blank};
use super::sniff::DeclaredLayout;
use super::values::{looks_like_address, may_be_a_value};
use super::{Columns, Flaw, MAX_COLUMNS, MAX_ROW_BYTES, Row, Sink, Span, clean, unreadable};
use crate::error::Result;

/// How much text tells the columns.
pub(super) const HEAD: usize = 64 << 10;

/// The part of `encoding` that tells the columns, whole lines; none before more text comes.
pub(super) fn head(text: &[u8], last: bool) -> Option<&[u8]> {
    let first = text.get(..HEAD).or(last.then_some(text))?;
    // Of a first line that is too long the pieces decide how much is there: it tells nothing.
    let line = text.get(..=MAX_ROW_BYTES).unwrap_or(text);
    let end = first.iter().rposition(|byte| *byte == b'\n').or_else(|| line.iter().position(|byte| *byte == b'\n'));
    match end {
        Some(_) if last && text.len() <= HEAD => Some(text),
        Some(end) => text.get(..end),
        None => (last || text.len() > MAX_ROW_BYTES).then_some(line),
    }
}

impl DeclaredLayout {
    /// The columns that the first lines tell.
    pub(super) fn keys(&self, head: &[u8]) -> Result<Columns> {
        let mut names: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        let (mut is_read, mut has_address) = (false, false);
        for line in head.split(|byte| *byte == b'\n') {
            let Ok(object) = serde_json::from_slice::<Object<'_>>(stripped(line)) else { continue };
            is_read = true;
            for (key, value) in object.0 {
                let is_text = || serde_json::from_str::<Text<'_>>(value.get()).ok();
                has_address |= is_text().is_some_and(|text| looks_like_address(&text.0));
                if seen.insert(clean(&key.0).into_owned()) {
                    names.push(key.0.into_owned());
                }
            }
        }
        if !is_read {
            return Err(unreadable("none of its first lines is a JSON object").hint("write one JSON object per line"));
        }
        let is_wanted = self.wanted.iter().any(|name| seen.contains(name));
        let certain = is_wanted || has_address && !names.iter().any(|name| may_be_a_value(name));
        let named = self.layout.as_ref().map(|layout| layout.columns.as_slice()).unwrap_or_default();
        for name in named.iter().chain(&self.wanted) {
            if seen.insert(clean(name).into_owned()) {
                names.push(name.clone());
            }
        }
        if names.len() > MAX_COLUMNS {
            return Err(unreadable(format!("has more than {MAX_COLUMNS} columns")));
        }
        Ok(Columns { names, certain })
    }
}

/// A line without what is not part of its object: byte-order marks, blanks, the end-of-file character.
fn stripped(mut line: &[u8]) -> &[u8] {
    loop {
        let rest = line.trim_ascii();
        let rest = rest.strip_prefix(MARK).or(rest.strip_suffix(MARK)).unwrap_or(rest);
        let rest = rest.strip_prefix(&[END_OF_FILE as u8]).unwrap_or(rest);
        if rest.len() == line.len() {
            return line;
        }
        line = rest;
    }
}

/// Rows of a whole file.
pub(super) struct JsonRows {
    columns: Columns,
    /// Where each column is, by its name as it is compared.
    places: HashMap<String, usize>,
    /// Which columns any row has.
    seen: Vec<bool>,
    buffer: Vec<u8>,
    searched: usize,
    skip: bool,
    line: u64,
    text: String,
    spans: Vec<Span>,
    pub(super) rows: u64,
    pub(super) malformed: u64,
}

impl JsonRows {
    /// Rows that begin at this line.
    pub(super) fn new(columns: Columns, line: u64) -> Self {
        let places = columns.names.iter().enumerate().map(|(place, name)| (clean(name).into_owned(), place)).collect();
        let seen = vec![false; columns.names.len()];
        Self {
            columns,
            places,
            seen,
            buffer: Vec::new(),
            searched: 0,
            skip: false,
            line,
            text: String::new(),
            spans: Vec::new(),
            rows: 0,
            malformed: 0,
        }
    }

    /// The columns that any row has.
    pub(super) fn keys(&self) -> Columns {
        let seen = self.columns.names.iter().zip(&self.seen).filter(|(_, seen)| **seen);
        Columns { names: seen.map(|(name, _)| name.clone()).collect(), certain: self.columns.certain }
    }

    /// Takes the next text; `last` where none follows.
    pub(super) fn feed(&mut self, text: &[u8], last: bool, sink: &mut impl Sink) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(text);
        let mut start = 0;
        while let Some(rest) = buffer.get(start..).filter(|rest| !rest.is_empty()) {
            let unsearched = rest.get(self.searched..).unwrap_or_default();
            let end = unsearched.iter().position(|byte| *byte == b'\n').map(|end| end + self.searched);
            let raw = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if end.is_none() && !last && raw.len() <= MAX_ROW_BYTES {
                self.searched = raw.len();
                break;
            }
            self.searched = 0;
            start += raw.len() + usize::from(end.is_some());
            if !self.skip {
                self.take(raw, sink)?;
            }
            self.skip = end.is_none();
            self.line += u64::from(end.is_some());
        }
        buffer.drain(..start.min(buffer.len()));
        self.buffer = buffer;
        Ok(())
    }

    fn take(&mut self, raw: &[u8], sink: &mut impl Sink) -> Result<()> {
        let object = stripped(raw);
        if object.is_empty() {
            return Ok(());
        }
        let judged = if raw.len() > MAX_ROW_BYTES { Err(Flaw::TooLong) } else { self.parse(object) };
        match judged {
            Ok(true) => {
                self.rows += 1;
                sink.row(Row::new(self.line, &self.text, &self.spans))
            }
            Ok(false) => Ok(()),
            Err(flaw) => {
                self.malformed += 1;
                let kept = raw.get(..MAX_ROW_BYTES).unwrap_or(raw);
                let kept = kept.strip_suffix(b"\r").unwrap_or(kept);
                sink.malformed(self.line, &String::from_utf8_lossy(kept), flaw)
            }
        }
    }

    /// Reads a row; whether there is anything in it.
    fn parse(&mut self, raw: &[u8]) -> Result<bool, Flaw> {
        let line = std::str::from_utf8(raw).map_err(|_| Flaw::Encoding)?;
        let object: Object<'_> = serde_json::from_str(line).map_err(|_| Flaw::Json)?;
        self.text.clear();
        self.spans.clear();
        self.spans.resize(self.columns.names.len(), (0, 0));
        let mut holds_anything = false;
        for (turn, (key, value)) in object.0.iter().enumerate() {
            let expected = self.columns.names.get(turn).is_some_and(|column| *column == key.0);
            let place = if expected { Some(turn) } else { self.places.get(clean(&key.0).as_ref()).copied() };
            let Some(place) = place else {
                holds_anything |= !matches!(value.get(), "null" | "\"\"");
                continue;
            };
            let start = self.text.len();
            match value.get() {
                "null" => {}
                json if json.starts_with('"') => {
                    let text: Text<'_> = serde_json::from_str(json).map_err(|_| Flaw::Json)?;
                    self.text.push_str(&text.0);
                }
                json => self.text.push_str(json),
            }
            if let (Some(seen), Some(span)) = (self.seen.get_mut(place), self.spans.get_mut(place)) {
                *seen = true;
                *span = (start, self.text.len());
            }
        }
        if self.text.as_bytes().contains(&0) {
            return Err(Flaw::Nul);
        }
        Ok(holds_anything || !self.text.chars().all(is_blank))
    }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object's keys and values, in their order. Of a key that is there twice, the last counts.
struct Object<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
