//! Contacts whose address changes before the rows are sent that bring it: what a plan hands to delivery, and what became of
//! each. A line each, of values with tabs between them.

use super::codec::{quoted, unquoted};
use super::divided::{divided, lines};
use super::seal::{seal, unseal};
use crate::error::{Error, Kind, Result};
use crate::state::{ProfileKey, hex, unhex};

/// One contact whose address changes. Personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressChange {
    /// The profile of the earlier address; several, where a run ended before it was clear which of them the contact had.
    pub old: Vec<ProfileKey>,
    /// That of the new one.
    pub new: ProfileKey,
    /// The destination's id of the contact.
    pub contact_id: String,
    /// The new address, as it is sent.
    pub email: String,
    /// The segments of the run whose member it is, by their places.
    pub segments: Vec<usize>,
    /// Whether it is not to be sent to under its earlier address.
    pub is_suppressed: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressOutcome {
    /// It may have the new address by now, or not.
    Begun,
    /// It has the new address.
    Changed,
    /// It keeps its address, and is off the marks: the new address is another contact's, or is not taken.
    Apart,
    /// The same, and nobody is sent under the new address: the person opted out or is suppressed under the earlier one.
    Withdrawn,
}

impl AddressOutcome {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Begun, "?"), (Self::Changed, "+"), (Self::Apart, "="), (Self::Withdrawn, "-")];
}

/// What became of one contact whose address was to change. No personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedAddress {
    /// The profile of the earlier address; several, where a run ended before it was clear which of them the contact had.
    pub old: Vec<ProfileKey>,
    /// That of the new one.
    pub new: ProfileKey,
    /// The segments whose member it was, by their places in the run.
    pub segments: Vec<usize>,
    pub outcome: AddressOutcome,
}

/// The object of a plan's address changes.
pub fn seal_address_changes(changes: &[AddressChange]) -> Vec<u8> {
    let line = |change: &AddressChange| {
        let sign = if change.is_suppressed { "-" } else { "+" };
        let (contact, email) = (quoted(&change.contact_id), quoted(&change.email));
        format!("{}\t{sign}\t{contact}\t{email}\n", pair(&change.old, &change.new, &change.segments))
    };
    seal(&changes.iter().map(line).collect::<String>())
}

/// Reads it.
///
/// # Errors
/// Kind `unavailable` where the object is damaged, `bug` where it is not what this program writes.
pub fn read_address_changes(subject: &str, object: &[u8]) -> Result<Vec<AddressChange>> {
    let change = |line: &str| {
        let mut cells = divided(line, b'\t');
        let (old, new, segments) = read_pair(&mut cells)?;
        let is_suppressed = cells.next()? == "-";
        let (contact_id, email) = (unquoted(cells.next()?)?.into_owned(), unquoted(cells.next()?)?.into_owned());
        Some(AddressChange { old, new, contact_id, email, segments, is_suppressed })
    };
    lines(unseal(subject, object)?).map(|line| change(line).ok_or_else(|| wrong(subject))).collect()
}

/// The object of what became of them.
pub fn seal_changed_addresses(changed: &[ChangedAddress]) -> Vec<u8> {
    let line = |changed: &ChangedAddress| {
        let sign = AddressOutcome::ALL.iter().find(|(known, _)| *known == changed.outcome).map_or("", |(_, sign)| sign);
        format!("{}\t{sign}\n", pair(&changed.old, &changed.new, &changed.segments))
    };
    seal(&changed.iter().map(line).collect::<String>())
}

/// Reads it.
///
/// # Errors
/// As [`read_address_changes`].
pub fn read_changed_addresses(subject: &str, object: &[u8]) -> Result<Vec<ChangedAddress>> {
    let changed = |line: &str| {
        let mut cells = divided(line, b'\t');
        let (old, new, segments) = read_pair(&mut cells)?;
        let sign = cells.next()?;
        let (outcome, _) = AddressOutcome::ALL.into_iter().find(|(_, known)| *known == sign)?;
        Some(ChangedAddress { old, new, segments, outcome })
    };
    lines(unseal(subject, object)?).map(|line| changed(line).ok_or_else(|| wrong(subject))).collect()
}

fn pair(old: &[ProfileKey], new: &ProfileKey, segments: &[usize]) -> String {
    let old: Vec<String> = old.iter().map(|old| hex(old)).collect();
    let segments: Vec<String> = segments.iter().map(usize::to_string).collect();
    format!("{}\t{}\t{}", old.join(","), hex(new), segments.join(","))
}

fn read_pair<'a>(cells: &mut impl Iterator<Item = &'a str>) -> Option<(Vec<ProfileKey>, ProfileKey, Vec<usize>)> {
    let old = cells.next()?.split(',').map(unhex).collect::<Option<_>>()?;
    let new = unhex(cells.next()?)?;
    let segments = cells.next()?.split(',').filter(|place| !place.is_empty());
    Some((old, new, segments.map(|place| place.parse().ok()).collect::<Option<_>>()?))
}

fn wrong(subject: &str) -> Error {
    Error::new(Kind::Bug, subject, "does not hold address changes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_changes_and_their_outcomes_are_read_back() {
        let changes: Vec<_> = [(vec![0, 2], false), (Vec::new(), true)]
            .map(|(segments, is_suppressed)| AddressChange {
                old: vec![[1; 32], [3; 32]],
                new: [2; 32],
                contact_id: "person_\t1".into(),
                email: "a\"b@example.org".into(),
                segments,
                is_suppressed,
            })
            .into();
        assert_eq!(read_address_changes("c", &seal_address_changes(&changes)).unwrap(), changes);
        let changed = AddressOutcome::ALL.map(|(outcome, _)| ChangedAddress {
            old: vec![[1; 32], [3; 32]],
            new: [2; 32],
            segments: vec![1],
            outcome,
        });
        assert_eq!(read_changed_addresses("c", &seal_changed_addresses(&changed)).unwrap(), changed);
        assert_eq!(read_changed_addresses("c", &seal("x\n")).unwrap_err().kind, Kind::Bug);
    }
}
