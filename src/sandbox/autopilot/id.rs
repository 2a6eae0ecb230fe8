//! Ids of contacts and lists: a prefix and a UUID.

/// A random UUID of version 4.
pub(super) fn random(random: &mut fastrand::Rng) -> u128 {
    random.u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
}

/// `person_9EAF39E4-9AEC-4134-964A-D9D8D54162E7`
pub(super) fn contact(id: u128) -> String {
    format!("person_{}", uuid(id))
}

/// A UUID in capitals, as the service writes it.
pub(super) fn uuid(id: u128) -> String {
    format!(
        "{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xffff,
        (id >> 48) & 0xffff,
        id & 0xffff_ffff_ffff
    )
}

/// The number in a contact id, in upper or lower case; `None` for anything else.
pub(super) fn read_contact(text: &str) -> Option<u128> {
    let uuid = text.strip_prefix("person_").filter(|uuid| uuid.len() == 36)?;
    let hex: String = uuid.chars().filter(|digit| *digit != '-').collect();
    if hex.len() != 32 {
        return None;
    }
    u128::from_str_radix(&hex, 16).ok()
}
