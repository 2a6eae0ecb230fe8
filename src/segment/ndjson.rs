//! JSON lines: one object per line.
//!
//! Columns are the keys of the objects in the first 64 KiB, in order of first appearance, then what a `model.json`
//! names besides: a writer may leave out what is null. A key that appears only later is not a column, so a wanted one
//! is reported missing and not left empty in silence. Strings are taken as they are, null as empty, numbers and
//! booleans as their text, arrays and objects as their JSON; a key that a row does not have is empty there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Flaw, Layout, MAX_COLUMNS, MAX_ROW_BYTES, Row, Sink, Span, unreadable};
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

/// The columns that the first lines tell.
pub(super) fn columns(head: &[u8], layout: Option<&Layout>) -> Result<Vec<String>> {
    let mut columns = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for line in head.split(|byte| *byte == b'\n') {
        let Ok(object) = serde_json::from_slice::<Object<'_>>(line) else { continue };
        for (key, _) in object.0 {
            if seen.insert(key.0.to_string()) {
                columns.push(key.0.into_owned());
            }
        }
    }
    if columns.is_empty() {
        return Err(unreadable("none of its first lines is a JSON object").hint("write one JSON object per line"));
    }
    let named = layout.map(|layout| layout.columns.as_slice()).unwrap_or_default();
    columns.extend(named.iter().filter(|name| !seen.contains(*name)).cloned());
    if columns.len() > MAX_COLUMNS {
        return Err(unreadable(format!("has more than {MAX_COLUMNS} columns")));
    }
    Ok(columns)
}

/// Rows of a whole file.
pub(super) struct JsonRows {
    columns: Vec<String>,
    places: HashMap<String, usize>,
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
    pub(super) fn new(columns: Vec<String>) -> Self {
        let places = columns.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
        Self {
            columns,
            places,
            buffer: Vec::new(),
            searched: 0,
            skip: false,
            line: 1,
            text: String::new(),
            spans: Vec::new(),
            rows: 0,
            malformed: 0,
        }
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
        if raw.trim_ascii().is_empty() {
            return Ok(());
        }
        let judged = if raw.len() > MAX_ROW_BYTES { Err(Flaw::TooLong) } else { self.parse(raw) };
        if let Err(flaw) = judged {
            self.malformed += 1;
            let kept = raw.get(..MAX_ROW_BYTES).unwrap_or(raw);
            let kept = kept.strip_suffix(b"\r").unwrap_or(kept);
            return sink.malformed(self.line, &String::from_utf8_lossy(kept), flaw);
        }
        self.rows += 1;
        sink.row(Row::new(self.line, &self.text, &self.spans))
    }

    fn parse(&mut self, raw: &[u8]) -> Result<(), Flaw> {
        let line = std::str::from_utf8(raw).map_err(|_| Flaw::Encoding)?;
        let object: Object<'_> = serde_json::from_str(line).map_err(|_| Flaw::Json)?;
        self.text.clear();
        self.spans.clear();
        self.spans.resize(self.columns.len(), (0, 0));
        for (turn, (key, value)) in object.0.iter().enumerate() {
            let expected = self.columns.get(turn).is_some_and(|column| *column == key.0);
            let place = if expected { Some(turn) } else { self.places.get(key.0.as_ref()).copied() };
            let Some(span) = place.and_then(|place| self.spans.get_mut(place)) else { continue };
            let start = self.text.len();
            match value.get() {
                "null" => {}
                json if json.starts_with('"') => {
                    let text: Text<'_> = serde_json::from_str(json).map_err(|_| Flaw::Json)?;
                    self.text.push_str(&text.0);
                }
                json => self.text.push_str(json),
            }
            *span = (start, self.text.len());
        }
        if self.text.as_bytes().contains(&0) { Err(Flaw::Nul) } else { Ok(()) }
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
