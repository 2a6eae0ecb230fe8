//! Parts of keys.

/// The folder a key lies in, with its trailing `/`; a folder's is itself.
pub(super) fn parent(key: &str) -> &str {
    key.rfind('/').and_then(|end| key.get(..=end)).unwrap_or_default()
}

/// The folder above a folder.
pub(super) fn above(folder: &str) -> &str {
    parent(folder.strip_suffix('/').unwrap_or(folder))
}

/// What follows the last `/`.
pub(super) fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}

/// The value of a folder `key=value`.
pub(super) fn partition_value(folder: &str) -> Option<&str> {
    let name = file_name(folder.strip_suffix('/').unwrap_or(folder));
    name.split_once('=').filter(|(key, _)| !key.is_empty()).map(|(_, value)| value)
}
