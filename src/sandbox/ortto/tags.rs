//! Tags: made on first use, counted when they are listed.

use jiff::Timestamp;

use crate::sandbox::options::OrttoOptions;

/// A tag of people.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) created_at: Timestamp,
    pub(super) last_used: Timestamp,
}

/// The account's tags of people, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Tags(Vec<Tag>);

impl Tags {
    pub(super) fn all(&self) -> &[Tag] {
        &self.0
    }

    pub(super) fn name(&self, id: u32) -> Option<&str> {
        self.0.iter().find(|tag| tag.id == id).map(|tag| tag.name.as_str())
    }

    /// The id of a tag as a client writes it.
    pub(super) fn find(&self, name: &str, options: &OrttoOptions) -> Option<u32> {
        let name = spelling(name, options);
        self.0.iter().find(|tag| is_same(&tag.name, &name, options)).map(|tag| tag.id)
    }

    /// The same, made where it does not exist.
    pub(super) fn find_or_create(&mut self, name: &str, options: &OrttoOptions) -> u32 {
        let (name, now) = (spelling(name, options), Timestamp::now());
        if let Some(tag) = self.0.iter_mut().find(|tag| is_same(&tag.name, &name, options)) {
            tag.last_used = now;
            return tag.id;
        }
        let id = u32::try_from(self.0.len() + 1).unwrap_or(u32::MAX);
        self.0.push(Tag { id, name, created_at: now, last_used: now });
        id
    }
}

/// Whether a tag is longer than it may be.
pub(super) fn is_long(name: &str, options: &OrttoOptions) -> bool {
    options.tag_characters.is_some_and(|most| trimmed(name, options).chars().count() > most)
}

fn trimmed<'a>(name: &'a str, options: &OrttoOptions) -> &'a str {
    if options.trims_tags { name.trim() } else { name }
}

/// A tag's name as it is kept. Whether spaces stay and where long ones end is not attested.
fn spelling(name: &str, options: &OrttoOptions) -> String {
    trimmed(name, options).chars().take(options.tag_characters.unwrap_or(usize::MAX)).collect()
}

fn is_same(held: &str, name: &str, options: &OrttoOptions) -> bool {
    held == name || (options.folds_tag_case && held.to_lowercase() == name.to_lowercase())
}
