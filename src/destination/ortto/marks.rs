//! Whether somebody has the mark of a segment's members.

use super::contact::is_true;
use super::fields::{TAGS, is_same_tag};
use super::response::Person;
use super::run::OrttoProtocol;
use crate::destination::Group;
use crate::membership::MembershipTarget;

/// Whether a person has the mark of the members.
pub(super) fn has_mark(protocol: &OrttoProtocol, group: &Group, person: &Person) -> bool {
    match (&group.target, protocol.mark_field(group)) {
        (_, Some(field)) => is_true(&person.fields, field),
        (MembershipTarget::Tag(name), _) => has_tag(person, name),
        _ => false,
    }
}

/// Whether a person has a tag.
fn has_tag(person: &Person, tag: &str) -> bool {
    let tags = person.fields.get(TAGS).and_then(|tags| tags.as_array()).into_iter().flatten();
    tags.filter_map(|tag| tag.as_str()).any(|name| is_same_tag(name, tag))
}
