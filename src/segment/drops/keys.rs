//! The parts of a key.

/// The folder a key lies in, with its trailing `/`; a folder's is itself.
pub(super) fn parent(key: &str) -> &str {
    key.rfind('/').and_then(|end| key.get(..=end)).unwrap_or_default()
}

pub(super) fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}
