//! A segment of an export: where its drops come, how they are written, and how membership shows at the destination.

use schemars::JsonSchema;
use serde::Serialize;

use super::checks;
use super::reader::Entry;
use crate::destination::Destination;
use crate::membership::Membership;
use crate::segment::{DropKind, DropRules, Encoding, FileKind, Format, drops};

/// A named set of customer profiles that an export sends.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Its name, unique in the export, case aside.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Where its drops come: an object belongs to the segment with the longest matching prefix. Not needed where each
    /// run is given its drop.
    #[schemars(length(min = 1), example = "segments/newsletter/")]
    pub prefix: Option<String>,
    /// How membership shows in the account. Default: a list, with Ortto a tag, named like the segment.
    #[schemars(with = "Option<Membership>")]
    pub membership: Membership,
    /// Whether a drop is one file or a folder of parts.
    #[serde(default)]
    pub drop: DropKind,
    /// Whether what lies in folders further down counts: as drops, where each file is one; as parts, where a folder is.
    #[serde(default)]
    pub recursive: bool,
    /// More objects that are never read: globs, matched against the path below the prefix and against the file's name.
    /// One behind `!` is read after all. The last that matches counts.
    #[serde(default)]
    #[schemars(example = ["*-summary.csv", "archive/**", "!*.log"])]
    pub ignore: Vec<String>,
    /// How many seconds a folder must have been left unchanged to count as complete. Default 60.
    #[serde(default = "sixty")]
    pub settle_seconds: u64,
    /// Whether people added to the list by others, or given the tag or field, are left alone or are leavers where
    /// reconcile --repair finds them.
    #[serde(default)]
    pub others: Others,
    /// How the files are written, where that is not to be detected.
    #[schemars(extend("examples" = [{ "kind": "csv", "delimiter": ";" }]))]
    pub format: Option<Format>,
}

/// What becomes of people added to a segment's list by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They are left alone.
    #[default]
    Keep,
    /// They are leavers.
    Remove,
}

impl Others {
    /// Whether they are left alone.
    pub fn are_kept(self) -> bool {
        self == Self::Keep
    }
}

const fn sixty() -> u64 {
    60
}

impl Segment {
    pub(super) fn read(entry: &Entry<'_>, destination: &dyn Destination) -> Option<Self> {
        let mut object = entry.object()?;
        let name = object.need("name").and_then(|entry| checked(&entry, checks::segment_name)).unwrap_or_default();
        let membership = object.get("membership").and_then(|entry| membership(&entry, destination));
        if membership.is_none()
            && let Some((what, _)) = destination.membership_fault(&destination.default_membership(&name))
        {
            entry.fault(format!("its name cannot mark members: {what}"));
        }
        let segment = Self {
            prefix: object.get("prefix").and_then(|entry| checked(&entry, checks::prefix)),
            membership: membership.unwrap_or_else(|| destination.default_membership(&name)),
            name,
            drop: object.get("drop").and_then(|entry| entry.word(&DROPS)).unwrap_or_default(),
            recursive: object.get("recursive").and_then(|entry| entry.flag()).unwrap_or_default(),
            ignore: object.get("ignore").map(|entry| globs(&entry)).unwrap_or_default(),
            settle_seconds: object.get("settle_seconds").and_then(|entry| entry.whole(0..=u64::MAX)).unwrap_or(sixty()),
            others: object.get("others").and_then(|entry| entry.word(&OTHERS)).unwrap_or_default(),
            format: object.get("format").and_then(|entry| format(&entry)),
        };
        object.done();
        Some(segment)
    }

    /// What of the objects under the prefix is a drop; none without a prefix.
    pub fn drop_rules(&self) -> Option<DropRules> {
        let prefix = self.prefix.as_deref()?;
        Some(DropRules::of_prefix(prefix, self.drop, self.recursive, &self.ignore))
    }

    /// The same of a folder that a person names, with its trailing `/`.
    pub fn drop_rules_of(&self, folder: &str) -> DropRules {
        DropRules::of_folder(folder, self.recursive, &self.ignore)
    }
}

const OTHERS: [(&str, Others); 2] = [("keep", Others::Keep), ("remove", Others::Remove)];
const DROPS: [(&str, DropKind); 2] = [("file", DropKind::File), ("folder", DropKind::Folder)];
const KINDS: [(&str, FileKind); 2] = [("csv", FileKind::Csv), ("ndjson", FileKind::Ndjson)];
/// A text that passes a check.
pub(super) fn checked(entry: &Entry<'_>, check: fn(&str) -> Option<&'static str>) -> Option<String> {
    let text = entry.text()?;
    if let Some(what) = check(&text) {
        entry.fault(what);
    }
    Some(text)
}

/// The name of a custom field.
pub(super) fn custom_name(entry: &Entry<'_>, destination: &dyn Destination) -> Option<String> {
    let name = entry.text()?;
    if let Some(what) = checks::custom_name(&name).or_else(|| destination.custom_name_fault(&name)) {
        entry.fault(what);
    }
    Some(name)
}

fn membership(entry: &Entry<'_>, destination: &dyn Destination) -> Option<Membership> {
    match entry.value.as_str() {
        Some("none") => return Some(Membership::None),
        Some(_) => {
            let hint = "write { \"list\": TITLE }, { \"tag\": NAME } or { \"field\": NAME }";
            entry.fault_with("must be none, a list, a tag or a field", hint);
            return None;
        }
        None => {}
    }
    let mut object = entry.object_as("none, a list, a tag or a field")?;
    let list = object.get("list");
    let tag = object.get("tag");
    let field = object.get("field");
    let trimmed = |entry: &Entry<'_>| entry.text().map(|name| name.trim().to_owned());
    let membership = match (&list, &tag, &field) {
        (Some(list), None, None) => trimmed(list).map(Membership::List),
        (None, Some(tag), None) => trimmed(tag).map(Membership::Tag),
        (None, None, Some(field)) => custom_name(field, destination).map(Membership::Field),
        _ => {
            object.fault("must have one of list, tag and field");
            None
        }
    };
    object.done();
    if let Some((what, hint)) = membership.as_ref().and_then(|membership| destination.membership_fault(membership)) {
        entry.fault_with(what, hint);
    }
    membership
}

fn format(entry: &Entry<'_>) -> Option<Format> {
    let mut object = entry.object()?;
    let format = Format {
        kind: object.get("kind").and_then(|entry| entry.word(&KINDS)),
        delimiter: object.get("delimiter").and_then(|entry| delimiter(&entry)),
        header: object.get("header").and_then(|entry| entry.flag()),
        encoding: object.get("encoding").and_then(|entry| encoding(&entry)),
    };
    object.done();
    Some(format)
}

fn delimiter(entry: &Entry<'_>) -> Option<char> {
    // A tab is white space, so not a text with something in it.
    let mut characters = entry.value.as_str().unwrap_or_default().chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) if !matches!(c, '"' | '\r' | '\n') => Some(c),
        _ => {
            entry.fault("must be one character, and no quote or line end");
            None
        }
    }
}

fn encoding(entry: &Entry<'_>) -> Option<Encoding> {
    let found = Encoding::of(&entry.text()?);
    if found.is_none() {
        entry.fault_with("is not an encoding that can be read", "name one such as utf-8, utf-16le or windows-1252");
    }
    found
}

fn globs(entry: &Entry<'_>) -> Vec<String> {
    let texts = entry.list().into_iter().filter_map(|entry| {
        let glob = entry.text()?;
        if !drops::is_glob(&glob) {
            entry.fault_with("is not a glob", "write one such as *-summary.csv or archive/**");
        }
        Some(glob)
    });
    texts.collect()
}
